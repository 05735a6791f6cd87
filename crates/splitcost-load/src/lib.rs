//! Load generator: schedule, clients, histogram.

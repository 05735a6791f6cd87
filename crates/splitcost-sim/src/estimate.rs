//! The prediction: replications of baseline and split, with common random numbers.

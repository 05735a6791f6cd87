//! Laws that the simulator must obey.

mod monolith;
mod queues;

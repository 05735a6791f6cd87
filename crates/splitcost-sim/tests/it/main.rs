//! Laws that the simulator must obey.

mod monolith;
mod network;
mod queues;

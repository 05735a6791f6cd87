//! Laws that the simulator must obey.

mod law;
mod monolith;
mod network;
mod queues;
mod work;

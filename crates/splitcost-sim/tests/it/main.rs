//! Laws that the simulator must obey.

mod queues;

//! The commands, one file each. A command receives a session and its arguments, and returns an exit status.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod estimate;
pub(crate) mod evaluate;
pub(crate) mod init;
pub(crate) mod link;
pub(crate) mod record;
pub(crate) mod rehearse;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod show;

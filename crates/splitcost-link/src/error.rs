//! What can go wrong with a link itself; what goes wrong on it is wanted.

use std::io;

use crate::policy::Refused;

/// Why a link could not be emulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address is none, or its name is not known.
    #[error("use the address {text:?}")]
    Address {
        /// What was given.
        text: String,
        /// Why.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The policy holds what the engine of streams cannot do truthfully.
    #[error("emulate this link by forwarding streams")]
    Refused(#[from] Refused),
    /// The policy holds what the engine of packets cannot do truthfully.
    #[error("emulate this link with packets")]
    RefusedPackets(#[source] Refused),
    /// The machine does not let packets be emulated.
    #[error("emulate packets: {problem}")]
    Packets {
        /// Why.
        problem: String,
        /// What helps; may be empty.
        hint: String,
    },
    /// A profile is none, or unknown.
    #[error("use the profile: {problem}")]
    Profile {
        /// What is wrong with it, and where.
        problem: String,
        /// What helps; may be empty.
        hint: String,
    },
    /// A file cannot be read.
    #[error("read {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The engine's thread has ended.
    #[error("reach the link's thread: it has ended")]
    Stopped,
    /// The operating system refused.
    #[error("{action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

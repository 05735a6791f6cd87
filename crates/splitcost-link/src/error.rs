//! Errors of the emulator itself. The faults that a policy asks for are not errors.

use std::io;

use crate::policy::Refused;

/// The error of a link that could not be emulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address is invalid, or its host name is unknown.
    #[error("use the address {text:?}")]
    Address {
        /// The text that was given.
        text: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// A link cannot listen on its address.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// The error of the operating system, or the rule that the address breaks.
        source: io::Error,
    },
    /// The stream engine cannot apply a rule of the policy.
    #[error("emulate this link by forwarding streams")]
    Refused(#[from] Refused),
    /// The packet engine cannot apply a rule of the policy.
    #[error("emulate this link with packets")]
    RefusedPackets(#[source] Refused),
    /// The packet engine cannot run on this machine.
    #[error("emulate packets: {problem}")]
    Packets {
        /// The reason.
        problem: String,
        /// A remedy; may be empty.
        hint: String,
    },
    /// A profile is invalid or unknown.
    #[error("use the profile: {problem}")]
    Profile {
        /// The problem, and its position in the file.
        problem: String,
        /// A remedy; may be empty.
        hint: String,
    },
    /// A file cannot be read.
    #[error("read {path}")]
    File {
        /// The path of the file.
        path: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The thread of the engine has ended, or the link was closed.
    #[error("reach the link: it was closed, or its thread has ended")]
    Stopped,
    /// A system call failed.
    #[error("{action}")]
    System {
        /// The action that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

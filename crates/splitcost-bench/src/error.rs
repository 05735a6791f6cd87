//! The ways in which a benchmark fails, in words that complete "failed to …", and what helps.

use std::io;
use std::path::PathBuf;

/// The result of a benchmark.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a benchmark failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user asked for the end.
    #[error("finish: interrupted")]
    Cancelled,
    /// A file could not be read.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// The operation, as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Load cannot be sent to a URL.
    #[error("make load for {url}: {reason}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// The fault in it.
        reason: String,
    },
    /// The server answered no request as expected.
    #[error("put load on {url}: every request failed; the first was answered {answer}")]
    AllFailed {
        /// The endpoint.
        url: String,
        /// The first failure.
        answer: String,
    },
    /// The description of gRPC services is wrong.
    #[error("read {source_name}: {reason}")]
    GrpcSchema {
        /// As `the descriptor set shop.binpb`.
        source_name: String,
        /// The fault, with its place.
        reason: String,
    },
    /// A gRPC server does not describe its services.
    #[error("learn the gRPC services of {server} by reflection: {reason}")]
    GrpcReflection {
        /// Host and port.
        server: String,
        /// The server's answer.
        reason: String,
    },
    /// A gRPC method cannot be called.
    #[error("call the gRPC method {method}: {reason}")]
    GrpcMethod {
        /// The method as it was given.
        method: String,
        /// The reason.
        reason: String,
    },
    /// A JSON value does not fit the type of a gRPC message.
    #[error("encode the JSON as a gRPC message {message}: {reason}")]
    GrpcMessage {
        /// The full name of the type.
        message: String,
        /// The fault, with its place.
        reason: String,
    },
    /// The interpreter lacks packages of a stack.
    #[error("use the {stack} stack: {} has no {}", .path.display(), .packages.join(", "))]
    StackMissing {
        /// The stack.
        stack: String,
        /// The interpreter.
        path: PathBuf,
        /// The packages to install.
        packages: Vec<String>,
    },
    /// A client or server does not exist, or the two speak different protocols.
    #[error("choose stacks: {reason}")]
    StackPart {
        /// The fault, and the names that exist.
        reason: String,
    },
    /// A call over a stack failed.
    #[error("call over {stack}: {reason}")]
    StackFailed {
        /// The stack.
        stack: String,
        /// The client's error.
        reason: String,
    },
    /// A function cannot be called, or not over the stacks that were named.
    #[error("call the function: {reason}")]
    Call {
        /// The reason.
        reason: String,
    },
    /// A document cannot be encoded.
    #[error("use the document: {reason}")]
    Document {
        /// The fault in it, with the place.
        reason: String,
    },
    /// A process could not be started, or did not answer as it should.
    #[error(transparent)]
    Lab(splitcost_lab::Error),
    /// The load generator failed.
    #[error(transparent)]
    Load(#[from] splitcost_load::Error),
}

impl From<splitcost_lab::Error> for Error {
    fn from(error: splitcost_lab::Error) -> Self {
        match error {
            splitcost_lab::Error::Cancelled => Self::Cancelled,
            other => Self::Lab(other),
        }
    }
}

impl Error {
    /// Returns the remedies, each a whole line for the user.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::StackMissing { path, packages, .. } => {
                vec![format!("{} -m pip install {}", path.display(), packages.join(" "))]
            }
            Self::AllFailed { .. } => vec!["check the address, and the requests against the server".to_owned()],
            Self::GrpcReflection { .. } => vec![
                "describe the services by --proto FILE or --descriptor-set FILE, or send bytes by --body @FILE"
                    .to_owned(),
            ],
            Self::Lab(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    /// Wraps an error of the system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

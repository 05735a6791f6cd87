//! What can go wrong before or outside a request; a failing request is a [`Failure`](crate::Failure) instead.

use std::io;

/// Why load could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The workload makes no sense.
    #[error("read workload: request {request}, field `{field}`: {problem}")]
    Workload {
        /// Its position and name, as `2 (POST /orders)`.
        request: String,
        /// The field, as `params.q`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A workload without requests.
    #[error("read workload: it has no requests")]
    NoRequests,
    /// The plan makes no sense.
    #[error("plan load: {0}")]
    Plan(&'static str),
    /// A target names a request that the workload does not have.
    #[error("route request {0:?}: the workload has no request of that name")]
    UnknownTarget(String),
    /// How a target shall be spoken to makes no sense.
    #[error("reach {target}: {problem}")]
    Target {
        /// Its address.
        target: String,
        /// What is wrong with it.
        problem: String,
    },
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
    pub(crate) fn system(action: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::System { action, source: errno.into() }
    }
}

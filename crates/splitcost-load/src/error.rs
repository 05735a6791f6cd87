//! Errors that prevent a run. A request that fails during a run is a [`Failure`](crate::Failure) instead.

use std::io;

/// The error of a run that could not start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request of the workload is invalid.
    #[error("read workload: request {request}, field `{field}`: {problem}")]
    Workload {
        /// The position and name of the request, such as `2 (POST /orders)`.
        request: String,
        /// The field, such as `params.q`.
        field: String,
        /// The problem with the field.
        problem: String,
    },
    /// The workload has no requests.
    #[error("read workload: it has no requests")]
    NoRequests,
    /// A request before the load failed, or its answer lacks a value that later requests need.
    #[error("prepare the load: [[workload.before]] {request}{}, as user {user}: {problem}",
        if field.is_empty() { String::new() } else { format!(", field `{field}`") })]
    Before {
        /// The position and name of the request, such as `2 (POST /login)`.
        request: String,
        /// The field, such as `capture.token`; empty for the request itself.
        field: String,
        /// The number of the simulated user.
        user: u32,
        /// The problem.
        problem: String,
    },
    /// The plan is invalid.
    #[error("plan load: {0}")]
    Plan(&'static str),
    /// A target names a request that the workload does not have.
    #[error("route request {0:?}: the workload has no request of that name")]
    UnknownTarget(String),
    /// The settings of a target are invalid.
    #[error("reach {target}: {problem}")]
    Target {
        /// The address of the target.
        target: String,
        /// The problem with the settings.
        problem: String,
    },
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
    pub(crate) fn system(action: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::System { action, source: errno.into() }
    }
}

//! The types that the engine and both versions of HTTP exchange: requests in flight, and their results.

use splitcost_model::quantity::Nanos;

use super::tls::TlsParams;
use crate::compose::Composer;
use crate::outcome::Failure;
use crate::target::{Address, Version};

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// The number of the request in the run.
    pub(crate) index: u64,
    /// The position of its template in the workload.
    pub(crate) request: usize,
    pub(crate) intended: Nanos,
    pub(crate) begun: Nanos,
    /// False for requests of the warm-up.
    pub(crate) counts: bool,
    /// True for the second attempt of a request.
    pub(crate) is_retry: bool,
    pub(crate) connected: Option<Nanos>,
    pub(crate) secured: Option<Nanos>,
    pub(crate) sent: Option<Nanos>,
    pub(crate) first_byte: Option<Nanos>,
}

/// The statuses of a complete answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The gRPC status of a unary call.
    pub(crate) grpc: Option<u8>,
}

/// A request that ended, with its result.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) job: Job,
    pub(crate) result: Result<Answer, Failure>,
    /// The beginning of the body of an unexpected answer, or the reason of a failure.
    pub(crate) detail: String,
    pub(crate) untaken: Untaken,
}

/// The certainty that the server did not process a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// The server may have processed it.
    No,
    /// A connection that had served an earlier request was closed before the first byte of the answer.
    Perhaps,
    /// The server reported that it did not process the request.
    Surely,
}

/// The engine's resources that a connection uses during one turn.
pub(crate) struct Context<'c, 'w> {
    pub(crate) composer: &'c mut Composer<'w>,
    pub(crate) buffer: &'c mut [u8],
    pub(crate) ended: &'c mut Vec<Ended>,
}

/// The parameters that all connections to a target share.
pub(crate) struct Route {
    pub(crate) address: Address,
    pub(crate) authority: String,
    pub(crate) version: Version,
    pub(crate) tls: Option<TlsParams>,
    /// The most concurrent requests on a connection over HTTP/2.
    pub(crate) streams: usize,
}

//! The outcome of a simulation.

use splitcost_model::fault::Attempts;

/// The outcome of a simulation. Times are nanoseconds of simulated time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// (endpoint, response time) of each measured request, in order of completion.
    pub responses: Vec<(u32, u64)>,
    /// CPU time of all processes but the load generator, from the beginning of the measured stretch to the end of each of these
    /// requests. It is kept only where one request is in flight at a time.
    pub cpu_until_nanos: Vec<u64>,
    /// The endpoint of each measured request whose answer was an error, in order of completion.
    pub failed: Vec<u32>,
    /// The length of the measured stretch.
    pub elapsed_nanos: u64,
    /// CPU time per process in the measured stretch.
    pub cpu_nanos: Vec<u64>,
    /// CPU time of all proxies of a mesh in the measured stretch.
    pub proxy_nanos: u64,
    /// Every request that ended, in order. It is kept only in runs with a fault.
    pub log: Vec<Ended>,
    /// Per endpoint, the calls between services and the attempts of these that began during the fault.
    pub attempts: Vec<Attempts>,
    /// Integral of the number of requests in the system over the measured stretch.
    pub in_system_nanos: u128,
    /// Events handled, warm-up included.
    pub events: u64,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer came.
    Answered,
    /// The answer was an error.
    Failed,
    /// The load generator gave up waiting.
    Unanswered,
}

/// A request that has ended; times in nanoseconds of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The number of its endpoint.
    pub endpoint: u32,
    /// The time of its arrival.
    pub arrived: u64,
    /// The time of its end.
    pub ended: u64,
    /// The way in which it ended.
    pub end: End,
}

impl Outcome {
    /// Returns the completed requests per second.
    pub fn throughput_reqs_per_sec(&self) -> f64 {
        self.responses.len() as f64 / (self.elapsed_nanos.max(1) as f64 / 1e9)
    }

    /// Returns the CPU seconds per request of all processes except the load generator.
    pub fn cpu_secs_per_request(&self) -> f64 {
        let cpu: u64 = self.cpu_nanos.iter().skip(1).sum();
        cpu as f64 / 1e9 / self.responses.len().max(1) as f64
    }

    /// Returns the CPU seconds per request of a mesh's proxies.
    pub fn sidecar_secs_per_request(&self) -> f64 {
        self.proxy_nanos as f64 / 1e9 / self.responses.len().max(1) as f64
    }
}

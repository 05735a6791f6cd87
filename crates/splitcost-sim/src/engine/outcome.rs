//! What came out of a simulation.

/// What came out of a simulation; times in nanoseconds of simulated time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// (endpoint, response time) of each measured request, in order of completion.
    pub responses: Vec<(u32, u64)>,
    /// Length of the measured stretch.
    pub elapsed_nanos: u64,
    /// CPU time per process in the measured stretch.
    pub cpu_nanos: Vec<u64>,
    /// CPU time of all proxies of a mesh in the measured stretch.
    pub proxy_nanos: u64,
    /// Every request that ended, in order; only where something goes wrong.
    pub log: Vec<Ended>,
    /// By endpoint, calls between services and attempts of these that began while something went wrong.
    pub attempts: Vec<(u64, u64)>,
    /// Integral of the number of requests in the system over the measured stretch.
    pub in_system_nanos: u128,
    /// Events handled, warm-up included.
    pub events: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Answered,
    /// With an error.
    Failed,
    /// The load generator gave it up.
    Unanswered,
}

/// A request that has ended; times in nanoseconds of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which endpoint it was for.
    pub endpoint: u32,
    /// When it came.
    pub arrived: u64,
    /// When it ended.
    pub ended: u64,
    /// How.
    pub end: End,
}

impl Outcome {
    /// Completed requests per second.
    pub fn throughput_reqs_per_sec(&self) -> f64 {
        self.responses.len() as f64 / (self.elapsed_nanos.max(1) as f64 / 1e9)
    }

    /// CPU seconds per request of all processes but the load generator.
    pub fn cpu_secs_per_request(&self) -> f64 {
        let cpu: u64 = self.cpu_nanos.iter().skip(1).sum();
        cpu as f64 / 1e9 / self.responses.len().max(1) as f64
    }

    /// CPU seconds per request of a mesh's proxies.
    pub fn sidecar_secs_per_request(&self) -> f64 {
        self.proxy_nanos as f64 / 1e9 / self.responses.len().max(1) as f64
    }
}

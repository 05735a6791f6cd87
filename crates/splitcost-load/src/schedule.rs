//! The intended starts of requests. Rate and seed determine them before the first request is sent.

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use splitcost_model::quantity::Nanos;

use crate::plan::Arrivals;

/// The stream of the random generator that arrivals are drawn from.
///
/// Chosen: requests use the streams from 0 upwards, so that no request shares a stream with the arrivals.
const ARRIVAL_STREAM: u64 = u64::MAX;

/// An endless iterator over the intended starts, ascending, counted from the start of the run.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    rng: ChaCha8Rng,
    mean_gap_nanos: f64,
    now_nanos: f64,
}

impl Schedule {
    /// Makes a schedule with a mean rate. Equal seeds give equal arrivals.
    ///
    /// # Panics
    /// Panics if the rate is not a positive number.
    pub fn new(arrivals: Arrivals, seed: u64, reqs_per_sec: f64) -> Self {
        assert!(reqs_per_sec.is_finite() && reqs_per_sec > 0.0, "an arrival rate must be a positive number");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(ARRIVAL_STREAM);
        Self { arrivals, rng, mean_gap_nanos: 1e9 / reqs_per_sec, now_nanos: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let gaps = match self.arrivals {
            Arrivals::Poisson => exponential(&mut self.rng),
            Arrivals::Uniform => 1.0,
        };
        self.now_nanos += gaps * self.mean_gap_nanos;
        Some(Nanos::from_nanos_f64(self.now_nanos))
    }
}

/// Draws from the exponential distribution with mean 1.
fn exponential(rng: &mut impl Rng) -> f64 {
    // `random` is in [0, 1), so that the argument of the logarithm is in (0, 1].
    -(1.0 - rng.random::<f64>()).ln()
}

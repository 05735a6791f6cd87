//! When requests are meant to start: fixed by rate and seed before the first one is sent.

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use splitcost_model::quantity::Nanos;

use crate::plan::Arrivals;

/// The stream of the workload's generator that arrivals are drawn from; requests use the streams from 0 upwards.
const ARRIVAL_STREAM: u64 = u64::MAX;

/// An endless iterator of ascending instants, counted from the start of the run.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    rng: ChaCha8Rng,
    mean_gap_nanos: f64,
    now_nanos: f64,
}

impl Schedule {
    /// Arrivals at a mean rate; equal seeds give equal arrivals.
    ///
    /// # Panics
    /// When the rate is not a positive number.
    pub fn new(arrivals: Arrivals, seed: u64, reqs_per_sec: f64) -> Self {
        assert!(reqs_per_sec.is_finite() && reqs_per_sec > 0.0, "an arrival rate is a positive number");
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

/// Exponentially distributed with mean 1.
fn exponential(rng: &mut impl Rng) -> f64 {
    // `random` lies in [0, 1), so the logarithm's argument in (0, 1].
    -(1.0 - rng.random::<f64>()).ln()
}

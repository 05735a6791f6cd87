//! Lone requests: the ratio of split to monolith, without queueing.

use splitcost_model::estimate::{Alone, Arms};
use splitcost_model::statistics::{Interval, mean, median};

use super::{Samples, Variant};
use crate::engine::Outcome;

impl Samples {
    /// Returns the lone requests of each endpoint, of which there are so many. Both arms of a replication have the same requests
    /// and costs, so their ratio varies less than either.
    pub(super) fn alone(&self, variant: Variant, endpoints: usize) -> Vec<Option<Alone>> {
        let of = |variant: Variant| -> Vec<Vec<Option<Lone>>> {
            let runs = self.alone.get(&variant).map_or(&[][..], Vec::as_slice);
            runs.iter().map(|run| by_endpoint(run, endpoints)).collect()
        };
        let (monolith, split) = (of(Variant::Monolith), of(variant));
        let at = |endpoint: usize| {
            let pairs: Vec<(Lone, Lone)> = monolith
                .iter()
                .zip(&split)
                .filter_map(|(before, after)| before[endpoint].zip(after[endpoint]))
                .collect();
            let ratio = |of: fn(&Lone) -> f64| {
                let ratios = pairs.iter().map(|(before, after)| of(after) / of(before));
                Interval::of(&ratios.filter(|ratio| ratio.is_finite()).collect::<Vec<_>>())
            };
            Some(Alone {
                response_ms: Arms {
                    monolith: median(pairs.iter().map(|(before, _)| before.response_ms))?,
                    split: median(pairs.iter().map(|(_, after)| after.response_ms))?,
                },
                ratio: ratio(|lone| lone.response_ms)?,
                cpu_ratio: ratio(|lone| lone.cpu_nanos),
            })
        };
        (0..endpoints).map(at).collect()
    }
}

/// The lone requests of an endpoint in one run.
#[derive(Clone, Copy)]
struct Lone {
    /// Median response time.
    response_ms: f64,
    /// Mean CPU time of a request.
    cpu_nanos: f64,
}

fn by_endpoint(run: &Outcome, endpoints: usize) -> Vec<Option<Lone>> {
    let mut found: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); endpoints];
    let mut before = 0;
    for (&(endpoint, nanos), &until) in run.responses.iter().zip(&run.cpu_until_nanos) {
        let (responses, cpu) = &mut found[endpoint as usize];
        responses.push(nanos as f64 / 1e6);
        cpu.push((until - before) as f64);
        before = until;
    }
    let lone =
        |(responses, cpu): (Vec<f64>, Vec<f64>)| Some(Lone { response_ms: median(responses)?, cpu_nanos: mean(cpu)? });
    found.into_iter().map(lone).collect()
}

//! Clients against servers: the work of `splitcost calibrate --all` and `splitcost bench stacks`.
//!
//! Each side is a process of its own (`python -m splitcost.stacks`), which is started when it is first needed and lives
//! until the experiment ends. A [`Visit`] is a short closed loop over one stack, as a [`VisitPlan`] describes it; each
//! round makes all visits in shuffled order.
//!
//! [`catalogue`] lists the stacks that this Python has. [`matrix`] measures the cost of a call over each stack,
//! [`versus`] compares stacks, [`blocking`] measures the effect of a blocking call on an event loop, and [`batch`] finds
//! the number of items from which one call with all items is faster than a call for each.

pub mod batch;
pub mod blocking;
pub mod catalogue;
mod field;
pub mod matrix;
pub mod versus;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splitcost_model::bench::{Stack, StackFigures};
use splitcost_model::statistics::{Bootstrap, median, quantile, sorted};

/// The calls of all rounds together that must lie beyond a quantile, or the quantile is left out.
///
/// Chosen: as in a comparison of two endpoints; a p99 of fewer is one of the few slowest calls.
const BEYOND: f64 = 10.0;

/// The value that a client sends and a server sends back.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Generated rows.
    Rows {
        /// The number of values, containers included; `None` for the usual number in so many bytes.
        nodes: Option<u64>,
        /// The size of the body as JSON, about.
        bytes: u64,
    },
    /// A given value.
    Json(Value),
}

impl Payload {
    fn question(&self) -> Value {
        match self {
            Self::Rows { nodes, bytes } => json!({"bytes": bytes, "nodes": nodes}),
            Self::Json(value) => json!({"value": value}),
        }
    }
}

/// The calls of one visit.
#[derive(Clone, Debug, PartialEq)]
struct VisitPlan {
    stack: Stack,
    payload: Payload,
    concurrency: u32,
    /// The calls one after the other that count as one.
    repeats: u32,
    length: VisitLength,
}

/// The length of a visit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum VisitLength {
    Secs(f64),
    Calls(u32),
}

/// The measurements of one visit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Visit {
    wall_nanos: Vec<u64>,
    client_cpu_nanos: u64,
    server_cpu_nanos: u64,
    elapsed_nanos: u64,
    sent_bytes: u64,
}

impl Visit {
    fn calls(&self) -> f64 {
        self.wall_nanos.len().max(1) as f64
    }

    fn client_micros(&self) -> f64 {
        self.client_cpu_nanos as f64 / 1e3 / self.calls()
    }

    fn server_micros(&self) -> f64 {
        self.server_cpu_nanos as f64 / 1e3 / self.calls()
    }

    fn calls_per_sec(&self) -> f64 {
        self.wall_nanos.len() as f64 * 1e9 / self.elapsed_nanos.max(1) as f64
    }

    fn wall_micros(&self, q: f64) -> f64 {
        wall_micros([self], q).unwrap_or_default()
    }
}

/// Returns a quantile of the wall times of all calls of the visits.
fn wall_micros<'a>(visits: impl IntoIterator<Item = &'a Visit>, q: f64) -> Option<f64> {
    quantile(&sorted(visits.into_iter().flat_map(|visit| &visit.wall_nanos).map(|nanos| *nanos as f64 / 1e3)), q)
}

/// Returns the figures of the visits of all rounds; `None` without rounds.
fn summary(visits: &[&Visit], concurrency: u32, seed: u64) -> Option<StackFigures> {
    let rounds = Bootstrap::ninety(seed);
    let over = |value: &dyn Fn(&Visit) -> f64| {
        rounds.interval(visits.len(), |at| median(at.iter().map(|i| value(visits[*i]))))
    };
    let calls: usize = visits.iter().map(|visit| visit.wall_nanos.len()).sum();
    let p99 = rounds.interval(visits.len(), |at| wall_micros(at.iter().map(|i| visits[*i]), 0.99));
    Some(StackFigures {
        payload_bytes: visits.first()?.sent_bytes,
        concurrency,
        calls: calls as u64,
        client_cpu_micros: over(&Visit::client_micros)?,
        server_cpu_micros: over(&Visit::server_micros)?,
        wall_micros_p50: over(&|visit| visit.wall_micros(0.5))?,
        wall_micros_p99: p99.filter(|_| calls as f64 * 0.01 >= BEYOND),
        throughput_calls_per_sec: over(&Visit::calls_per_sec)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_over_rounds() {
        let visit = |micros: u64| Visit {
            wall_nanos: vec![micros * 1_000; 400],
            client_cpu_nanos: 400 * 50_000,
            server_cpu_nanos: 400 * 20_000,
            elapsed_nanos: 200_000_000,
            sent_bytes: 100,
        };
        let (a, b, c) = (visit(100), visit(110), visit(300));
        let figures = summary(&[&a, &b, &c], 8, 1).unwrap();
        assert_eq!((figures.calls, figures.concurrency, figures.payload_bytes), (1_200, 8, 100));
        assert_eq!((figures.client_cpu_micros.value, figures.server_cpu_micros.value), (50.0, 20.0));
        assert_eq!((figures.wall_micros_p50.value, figures.throughput_calls_per_sec.value), (110.0, 2_000.0));
        assert_eq!(figures.wall_micros_p99.map(|p99| p99.value), Some(300.0));
        assert_eq!(summary(&[&a], 1, 1).unwrap().wall_micros_p99, None, "four calls are beyond");
        assert_eq!(summary(&[], 1, 1), None);
    }
}

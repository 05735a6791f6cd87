//! Every client against every server: `splitcost calibrate --all` and `splitcost bench stacks`.
//!
//! Each side is a process of its own (`python -m splitcost.stacks`), started when it is first wanted and alive until
//! the experiment ends. A [`Visit`] is a short closed loop over one [`Cell`]; rounds visit all cells in shuffled order.
//!
//! [`matrix()`] measures what each stack costs, [`versus()`] which is faster, [`blocking`] what a blocking call does to an
//! event loop, [`batch`] when one call with all items pays.

pub mod batch;
pub mod blocking;
mod catalogue;
mod field;
mod matrix;
mod versus;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splitcost_model::bench::{Combination, StackCell};
use splitcost_model::statistics::{Bootstrap, median, quantile, sorted};

pub use catalogue::{Catalogue, Chosen, Filter};
pub use matrix::{Plan as MatrixPlan, matrix};
pub use versus::{Conditions, versus};

/// Calls that must lie beyond a quantile of all rounds together.
///
/// Chosen: as in a comparison of two endpoints; a p99 of fewer is one of the few slowest calls.
const BEYOND: f64 = 10.0;

/// What is sent, and echoed.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Rows of so many values, with about so many bytes as JSON.
    Rows {
        /// Values, containers included; `None`: as many as rows have.
        nodes: Option<u64>,
        /// Of the body.
        bytes: u64,
    },
    /// This value.
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

/// Calls of one kind over one stack.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    combination: Combination,
    payload: Payload,
    concurrency: u32,
    /// Calls one after the other that count as one.
    repeats: u32,
    stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Secs(f64),
    Calls(u32),
}

/// What one visit of a cell found.
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

/// A quantile of the calls of all these visits.
fn wall_micros<'a>(visits: impl IntoIterator<Item = &'a Visit>, q: f64) -> Option<f64> {
    quantile(&sorted(visits.into_iter().flat_map(|visit| &visit.wall_nanos).map(|nanos| *nanos as f64 / 1e3)), q)
}

/// What the rounds of a cell say; `None` without rounds.
fn summary(visits: &[&Visit], concurrency: u32, seed: u64) -> Option<StackCell> {
    let rounds = Bootstrap::ninety(seed);
    let over = |value: &dyn Fn(&Visit) -> f64| {
        rounds.interval(visits.len(), |at| median(at.iter().map(|i| value(visits[*i]))))
    };
    let calls: usize = visits.iter().map(|visit| visit.wall_nanos.len()).sum();
    let p99 = rounds.interval(visits.len(), |at| wall_micros(at.iter().map(|i| visits[*i]), 0.99));
    Some(StackCell {
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
    fn a_cell_is_summed_up_over_its_rounds() {
        let visit = |micros: u64| Visit {
            wall_nanos: vec![micros * 1_000; 400],
            client_cpu_nanos: 400 * 50_000,
            server_cpu_nanos: 400 * 20_000,
            elapsed_nanos: 200_000_000,
            sent_bytes: 100,
        };
        let (a, b, c) = (visit(100), visit(110), visit(300));
        let cell = summary(&[&a, &b, &c], 8, 1).unwrap();
        assert_eq!((cell.calls, cell.concurrency, cell.payload_bytes), (1_200, 8, 100));
        assert_eq!((cell.client_cpu_micros.value, cell.server_cpu_micros.value), (50.0, 20.0));
        assert_eq!((cell.wall_micros_p50.value, cell.throughput_calls_per_sec.value), (110.0, 2_000.0));
        assert_eq!(cell.wall_micros_p99.map(|p99| p99.value), Some(300.0));
        assert_eq!(summary(&[&a], 1, 1).unwrap().wall_micros_p99, None, "four calls are beyond");
        assert_eq!(summary(&[], 1, 1), None);
    }
}

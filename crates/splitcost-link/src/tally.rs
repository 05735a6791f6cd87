//! What a link has done, and how exactly.

use std::fmt;

use hdrhistogram::Histogram;
use splitcost_model::emulation::{self, Emulation, Spread};
use splitcost_model::quantity::Nanos;

use crate::Engine;
use crate::policy::Direction;

/// Chosen: a delivery that is so much late, or a twentieth of its delay, is late.
const BUDGET: Nanos = Nanos::from_micros(50);
const BUDGET_SHARE: f64 = 0.05;

/// What a link has done so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Connections that it took.
    pub accepted: u64,
    /// Of these, open now.
    pub open: u64,
    /// That the server did not take.
    pub refused: u64,
    /// Why, the first time.
    pub refusal: Option<String>,
    /// That a fault has reset.
    pub reset: u64,
    /// That a fault has closed.
    pub closed: u64,
    /// Bytes that were handed on, by direction.
    pub bytes: [u64; 2],
    /// Bytes that a fault has made vanish, by direction.
    pub discarded_bytes: [u64; 2],
    /// Bytes that were under way at the same time in one direction of one connection, at most.
    pub most_under_way_bytes: u64,
    /// How exactly bytes were handed on; of an engine of packets, packets.
    pub timing: Timing,
    /// What an engine of packets did.
    pub packets: Option<Packets>,
}

/// What happened to packets, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// That came.
    pub came: [u64; 2],
    /// Of these, lost by chance.
    pub lost: [u64; 2],
    /// That found the queue in front of a rate full.
    pub overflowed: [u64; 2],
    /// That vanished in a blackhole.
    pub vanished: [u64; 2],
    /// That were handed on twice.
    pub duplicated: [u64; 2],
    /// That the machine was too slow for, both ways and of all links: these should not have been lost.
    pub missed: u64,
}

impl Tally {
    pub(crate) fn handed_on(&mut self, direction: Direction, bytes: usize) {
        self.bytes[direction.index()] += bytes as u64;
    }
}

impl Packets {
    fn total(&self) -> emulation::Packets {
        let both = |ways: [u64; 2]| ways.iter().sum();
        emulation::Packets {
            sent: both(self.came),
            lost: both(self.lost),
            overflowed: both(self.overflowed),
            vanished: both(self.vanished),
            duplicated: both(self.duplicated),
            missed: self.missed,
        }
    }
}

/// How exactly bytes were handed on: what was asked for, and how late it was. Waits for a slow receiver are in neither.
#[derive(Clone)]
pub struct Timing {
    requested: Histogram<u64>,
    lateness: Histogram<u64>,
    late: u64,
}

impl Default for Timing {
    #[expect(clippy::expect_used, reason = "the precision is a constant and valid")]
    fn default() -> Self {
        let new = || Histogram::new(3).expect("the precision is valid");
        Self { requested: new(), lateness: new(), late: 0 }
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timing")
            .field("count", &self.count())
            .field("requested_p50", &self.requested(0.5))
            .field("lateness_p99", &self.lateness(0.99))
            .finish_non_exhaustive()
    }
}

impl Timing {
    /// Bytes that came at `read` and were due at `due` were handed on at `now`.
    pub(crate) fn record(&mut self, read: Nanos, due: Nanos, now: Nanos) {
        let (requested, lateness) = (due - read, now - due);
        for (histogram, time) in [(&mut self.requested, requested), (&mut self.lateness, lateness)] {
            if histogram.record(time.as_nanos()).is_err() {
                // It cannot grow on a machine without memory; then the longest it can hold stands for longer ones.
                histogram.saturating_record(time.as_nanos());
            }
        }
        self.late += u64::from(lateness > BUDGET.max(requested * BUDGET_SHARE));
    }

    /// Deliveries.
    pub fn count(&self) -> u64 {
        self.lateness.len()
    }

    /// The delay that a share `q` of deliveries was asked not to exceed.
    pub fn requested(&self, q: f64) -> Nanos {
        Nanos::from_nanos(self.requested.value_at_quantile(q))
    }

    /// The lateness that a share `q` of deliveries did not exceed.
    pub fn lateness(&self, q: f64) -> Nanos {
        Nanos::from_nanos(self.lateness.value_at_quantile(q))
    }

    /// The share of deliveries that were late beyond the budget: 50 µs, or a twentieth of the delay.
    pub fn late_share(&self) -> f64 {
        self.late as f64 / self.count().max(1) as f64
    }

    /// Whether more than one in a hundred was late beyond the budget.
    pub fn is_beyond_budget(&self) -> bool {
        self.late_share() > 0.01
    }
}

impl Tally {
    /// The numbers, and whether the link was what was asked for.
    pub fn emulation(&self, realtime: bool) -> Emulation {
        let engine = if self.packets.is_some() { Engine::Packet } else { Engine::Stream };
        let mut found = Emulation {
            engine: engine.word().to_owned(),
            accepted: self.accepted,
            open: self.open,
            refused: self.refused,
            refusal: self.refusal.clone(),
            reset: self.reset,
            closed: self.closed,
            upstream_bytes: self.bytes[0],
            downstream_bytes: self.bytes[1],
            discarded_bytes: self.discarded_bytes.iter().sum(),
            most_under_way_bytes: self.most_under_way_bytes,
            packets: self.packets.as_ref().map(Packets::total),
            deliveries: self.timing.count(),
            requested_delay: spread(|q| self.timing.requested(q)),
            lateness: spread(|q| self.timing.lateness(q)),
            late_percent: self.timing.late_share() * 100.0,
            realtime,
            ..Emulation::default()
        };
        if let Some(missed) = self.packets.map(|packets| packets.missed).filter(|missed| *missed > 0) {
            found.invalid = Some(format!("{missed} packets were lost because the machine was too slow for them"));
        }
        if self.timing.is_beyond_budget() {
            found.invalid = Some(format!(
                "{:.1} % of the deliveries were late by more than 50 µs and more than a twentieth of their delay; 1 % may be",
                found.late_percent
            ));
        }
        if found.invalid.is_some() {
            if !realtime {
                found.hints.push("let it have real-time priority: as root, or with `ulimit -r 10`".to_owned());
            }
            found.hints.push("leave it a core of its own: the machine, or this link, has too much to do".to_owned());
        }
        found
    }
}

fn spread(at: impl Fn(f64) -> Nanos) -> Spread {
    let micros = |q| at(q).as_nanos_f64() / 1e3;
    Spread { p50_micros: micros(0.5), p99_micros: micros(0.99), p99_9_micros: micros(0.999), max_micros: micros(1.0) }
}

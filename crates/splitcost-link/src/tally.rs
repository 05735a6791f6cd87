//! The counts of a link, and the accuracy of its deliveries.

use std::fmt;

use hdrhistogram::Histogram;
use splitcost_model::emulation::{self, Emulation, Spread};
use splitcost_model::quantity::Nanos;

use crate::Engine;
use crate::policy::Direction;

/// The greatest lateness of a delivery that is not late.
///
/// Chosen: small compared with the delay between two hosts.
const BUDGET: Nanos = Nanos::from_micros(50);
/// The same as a share of the delay; the greater of the two counts.
///
/// Chosen: measurements of real links vary more.
const BUDGET_SHARE: f64 = 0.05;

/// The counts and times of a link so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The number of connections that it accepted.
    pub accepted: u64,
    /// The number of these that are open now.
    pub open: u64,
    /// The number of connections that the server refused.
    pub refused: u64,
    /// The reason of the first refusal.
    pub refusal: Option<String>,
    /// The number of connections that a fault has reset.
    pub reset: u64,
    /// The number of connections that a fault has closed.
    pub closed: u64,
    /// The number of bytes that were delivered, by direction.
    pub bytes: [u64; 2],
    /// The number of bytes that a fault has dropped, by direction.
    pub discarded_bytes: [u64; 2],
    /// The greatest number of bytes in flight at the same time, in one direction of one connection.
    pub most_under_way_bytes: u64,
    /// The times of the deliveries: of bytes for the stream engine, of packets for the packet engine.
    pub timing: Timing,
    /// The counts of packets; only for the packet engine.
    pub packets: Option<PacketCounts>,
}

/// The counts of packets, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// The number of packets that were sent.
    pub came: [u64; 2],
    /// The number of packets that were lost at random.
    pub lost: [u64; 2],
    /// The number of packets that were lost because the queue in front of a rate was full.
    pub overflowed: [u64; 2],
    /// The number of packets that a blackhole dropped.
    pub vanished: [u64; 2],
    /// The number of packets that were delivered twice.
    pub duplicated: [u64; 2],
    /// The number of packets that were lost because the machine was too slow, in both directions and for all links. These are
    /// losses that nobody asked for.
    pub missed: u64,
}

impl Tally {
    pub(crate) fn delivered(&mut self, direction: Direction, bytes: usize) {
        self.bytes[direction.index()] += bytes as u64;
    }
}

impl PacketCounts {
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

/// The requested delays of the deliveries, and their lateness. Waits for a slow receiver are part of neither.
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
    /// Records the delivery at `now` of bytes that were read at `read` and due at `due`.
    pub(crate) fn record(&mut self, read: Nanos, due: Nanos, now: Nanos) {
        let (requested, lateness) = (due - read, now - due);
        for (histogram, time) in [(&mut self.requested, requested), (&mut self.lateness, lateness)] {
            if histogram.record(time.as_nanos()).is_err() {
                // Without memory to grow, the histogram counts this time as the longest one that it can hold.
                histogram.saturating_record(time.as_nanos());
            }
        }
        self.late += u64::from(lateness > BUDGET.max(requested * BUDGET_SHARE));
    }

    /// Returns the number of deliveries.
    pub fn count(&self) -> u64 {
        self.lateness.len()
    }

    /// Returns the delay that a share `q` of the requested delays does not exceed.
    pub fn requested(&self, q: f64) -> Nanos {
        Nanos::from_nanos(self.requested.value_at_quantile(q))
    }

    /// Returns the lateness that a share `q` of the deliveries did not exceed.
    pub fn lateness(&self, q: f64) -> Nanos {
        Nanos::from_nanos(self.lateness.value_at_quantile(q))
    }

    /// Returns the share of late deliveries: late by more than 50 µs, and by more than a twentieth of the delay.
    pub fn late_share(&self) -> f64 {
        self.late as f64 / self.count().max(1) as f64
    }

    /// Returns true if more than one delivery in a hundred was late.
    pub fn is_beyond_budget(&self) -> bool {
        self.late_share() > 0.01
    }
}

impl Tally {
    /// Returns the results for the report, with the reason if they are invalid.
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
            packets: self.packets.as_ref().map(PacketCounts::total),
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
                "{:.1} % of the deliveries were late by more than 50 µs and more than a twentieth of their delay; at most 1 % is \
                 valid",
                found.late_percent
            ));
        }
        if found.invalid.is_some() {
            if !realtime {
                found.hints.push("give it real-time priority: run it as root, or after `ulimit -r 10`".to_owned());
            }
            found.hints.push(
                "give it a core of its own: the machine is busy, or the traffic on this link is too heavy".to_owned(),
            );
        }
        found
    }
}

fn spread(at: impl Fn(f64) -> Nanos) -> Spread {
    let micros = |q| at(q).as_nanos_f64() / 1e3;
    Spread { p50_micros: micros(0.5), p99_micros: micros(0.99), p99_9_micros: micros(0.999), max_micros: micros(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the tally of deliveries with these delays and latenesses in microseconds.
    fn tally(deliveries: &[(u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (delay, lateness) in deliveries {
            let due = Nanos::from_micros(7 + delay);
            tally.timing.record(Nanos::from_micros(7), due, due + Nanos::from_micros(*lateness));
        }
        tally
    }

    #[test]
    fn a_delivery_is_late_beyond_both_limits() {
        let late = |delay, lateness| tally(&[(delay, lateness)]).timing.late_share() > 0.0;
        assert_eq!((late(0, 50), late(0, 51)), (false, true));
        assert_eq!((late(10_000, 500), late(10_000, 501)), (false, true));
    }

    #[test]
    fn a_result_is_invalid_when_more_than_one_delivery_in_a_hundred_is_late() {
        let mut deliveries = vec![(1_000, 0); 99];
        deliveries.push((1_000, 400));
        assert_eq!(tally(&deliveries).emulation(true).invalid, None);
        deliveries[0].1 = 400;
        let found = tally(&deliveries).emulation(true);
        assert!(found.invalid.unwrap().starts_with("2.0 % of the deliveries were late"));
        assert_eq!(found.hints.len(), 1);
        assert_eq!(tally(&deliveries).emulation(false).hints.len(), 2);
    }

    #[test]
    fn a_result_is_invalid_when_the_machine_loses_packets() {
        let packets = Some(PacketCounts { came: [5, 5], missed: 1, ..PacketCounts::default() });
        let found = Tally { packets, ..tally(&[(1_000, 0)]) }.emulation(true);
        assert!(found.invalid.unwrap().starts_with("1 packets were lost because the machine was too slow"));
    }
}

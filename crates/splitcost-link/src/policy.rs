//! The rules for the bytes and packets of a connection.
//!
//! A policy does no IO and reads no clock. The caller passes the time in, counted from the beginning of the link. Equal
//! seeds, and equal bytes at equal times, give equal verdicts.
//!
//! The rules apply in order, to each direction. Each may postpone the arrival of the bytes. A rule with a [`Point`] begins
//! once in each connection, and is in effect from then on.

// The list of disallowed types and functions is in this crate's `clippy.toml`.
#![deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros)]

mod fault;
mod flow;
mod packet;

use splitcost_model::link::{Delay, Link};
use splitcost_model::quantity::Nanos;

pub(crate) use fault::around;
pub use fault::{MalformedFault, parse};
pub use flow::{End, Flow};
pub use packet::{LossCause, PacketHeader, PacketVerdict};

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Upstream, Self::Downstream];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Upstream => 0,
            Self::Downstream => 1,
        }
    }
}

/// An effect, and the connections, bytes and times that it applies to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The effect.
    pub effect: Effect,
    /// The direction; `None` stands for both.
    pub direction: Option<Direction>,
    /// The share of the connections.
    pub share: f64,
    /// The rule applies to the part of a message beyond this number of bytes. A message consists of the bytes that go in one
    /// direction before any byte goes in the other.
    pub over_bytes: u64,
    /// The beginning of the rule.
    pub from: Nanos,
    /// The end of the rule.
    pub until: Nanos,
}

impl Rule {
    /// Makes a rule for all bytes of all connections, at all times.
    pub fn new(effect: Effect) -> Self {
        Self { effect, direction: None, share: 1.0, over_bytes: 0, from: Nanos::ZERO, until: Nanos::MAX }
    }

    fn covers(&self, direction: Direction) -> bool {
        self.direction.is_none_or(|own| own == direction)
    }

    fn is_on(&self, now: Nanos) -> bool {
        self.from <= now && now < self.until
    }
}

/// An effect on bytes, packets or connections.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Bytes arrive later.
    Delay {
        /// The distribution of the delay.
        delay: Delay,
        /// The correlation of successive delays, from 0 to below 1.
        correlation: f64,
    },
    /// Bytes pass a token bucket.
    Rate {
        /// The rate.
        bytes_per_sec: f64,
        /// True when each connection has its own bucket.
        each: bool,
    },
    /// Bytes arrive in small pieces.
    Drip {
        /// The mean size of a piece.
        bytes: u64,
        /// The greatest deviation from the mean size.
        vary_bytes: u64,
        /// The time between two pieces.
        every: Nanos,
    },
    /// Bytes are held back.
    Stall {
        /// The point at which the stall begins.
        at: Point,
        /// The duration; `None` lasts until the end of the rule.
        time: Option<Nanos>,
    },
    /// Bytes vanish, and the connection stays open.
    Blackhole {
        /// The point from which bytes vanish.
        at: Point,
        /// The time after which the connection is closed; `None` leaves it open.
        closes_after: Option<Nanos>,
    },
    /// Bytes are not read, so that the window of the sender closes.
    ClosedWindow {
        /// The point from which bytes are not read.
        at: Point,
    },
    /// The connection is reset.
    Reset {
        /// The point that triggers the reset.
        at: Point,
        /// The time from the trigger to the reset.
        after: Nanos,
    },
    /// The connection is closed.
    Close {
        /// The point at which the connection is closed.
        at: Point,
    },
    /// The end of a direction arrives this much later.
    SlowClose(Nanos),
    /// The link does not listen, and its connections are closed, as when a server process ends.
    Down,
    /// This share of the packets is lost, independently.
    Loss(f64),
    /// Packets are lost in bursts.
    LossBursts {
        /// The share of the packets that are lost.
        share: f64,
        /// The mean length of a burst.
        mean_packets: f64,
    },
    /// This share of the packets arrives twice.
    Duplicate(f64),
}

impl Effect {
    /// Returns the word for this effect in the fault language.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Rate { .. } => "rate",
            Self::Drip { .. } => "drip",
            Self::Stall { .. } => "stall",
            Self::Blackhole { .. } => "blackhole",
            Self::ClosedWindow { .. } => "closed-window",
            Self::Reset { .. } => "reset",
            Self::Close { .. } => "close",
            Self::SlowClose(_) => "slow-close",
            Self::Down => "down",
            Self::Loss(_) | Self::LossBursts { .. } => "loss",
            Self::Duplicate(_) => "duplicate",
        }
    }

    /// Returns the point at which the effect begins; `None` for effects that are continuous.
    fn point(&self) -> Option<Point> {
        match self {
            Self::Stall { at, time } => (time.is_some() || *at != Point::Any).then_some(*at),
            Self::Blackhole { at, .. } | Self::ClosedWindow { at } | Self::Reset { at, .. } | Self::Close { at } => {
                Some(*at)
            }
            _ => None,
        }
    }
}

/// A point in the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// As soon as the rule is in effect: at once, or at the next byte.
    Any,
    /// Instead of an answer to the handshake.
    Connect,
    /// The beginning of the connection.
    Accept,
    /// The middle of the first response.
    Response,
    /// The second request.
    Reuse,
    /// After this number of bytes in a direction.
    Bytes(u64),
}

/// The decision about bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver the bytes at this time; [`Nanos::MAX`] stands for never.
    Deliver(Nanos),
    /// Drop the bytes.
    Discard,
}

/// The error for a rule that an engine cannot apply truthfully.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {instead}: {why}")]
pub struct Refused {
    /// The word of the fault.
    pub what: &'static str,
    /// The requirement of the fault.
    pub instead: &'static str,
    /// The reason.
    pub why: &'static str,
}

impl Refused {
    /// Returns true if the packet engine can apply the rule.
    pub fn needs_packets(&self) -> bool {
        self.instead == NEEDS_PACKETS
    }
}

const NEEDS_PACKETS: &str = "needs the packet engine";

/// The cost of the handshake of a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The number of round trips.
    pub round_trips: u32,
    /// The CPU time of both sides.
    pub cpu: Nanos,
}

/// The rules of a link, and the state that connections share.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    seed: u64,
    /// The time at which the shared bucket is free, by rule and direction.
    free_at: Vec<[Nanos; 2]>,
    /// The handshake of a new connection, which precedes its first byte.
    pub handshake: Handshake,
    /// The share of the packets that the link itself loses. The stream engine ignores it.
    pub loss: f64,
}

impl Policy {
    /// Makes a policy with rules that apply in this order, and a seed for its draws.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Self {
        Self { free_at: vec![[Nanos::ZERO; 2]; rules.len()], rules, seed, handshake: Handshake::default(), loss: 0.0 }
    }

    /// Makes the policy of a link, whose own rules come before the faults.
    pub fn of(link: &Link, faults: Vec<Rule>, seed: u64) -> Self {
        let mut rules = Vec::new();
        if let Some(rate) = link.bits_per_sec {
            rules.push(Rule::new(Effect::Rate { bytes_per_sec: rate / 8.0, each: true }));
        }
        let sidecars = link.sidecars.as_ref().map(|sidecars| (&sidecars.one_way_delay, 0.0));
        for (delay, correlation) in [(&link.one_way_delay, link.correlation)].into_iter().chain(sidecars) {
            if !delay.is_zero() {
                rules.push(Rule::new(Effect::Delay { delay: delay.clone(), correlation }));
            }
        }
        rules.extend(faults);
        let mut policy = Self::new(rules, seed);
        policy.handshake = Handshake { round_trips: link.handshake_round_trips, cpu: link.handshake_cpu * 2.0 };
        policy.loss = link.loss;
        policy
    }

    /// Returns a copy of this policy with further rules after its own.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Rule>) -> Self {
        let rules = self.rules.iter().cloned().chain(more).collect();
        Self { handshake: self.handshake, loss: self.loss, ..Self::new(rules, self.seed) }
    }

    /// Returns the rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Checks that the stream engine can apply all rules.
    ///
    /// # Errors
    /// Returns the first rule that it cannot apply.
    pub fn check_stream(&self, client_is_unix: bool) -> Result<(), Refused> {
        for rule in &self.rules {
            let (what, mut instead) = (rule.effect.word(), NEEDS_PACKETS);
            let why = match rule.effect {
                Effect::Loss(_) | Effect::LossBursts { .. } => {
                    "a stream has no packets, and TCP retransmits lost bytes"
                }
                Effect::Duplicate(_) => "a stream has no packets, and TCP drops duplicates",
                _ if rule.effect.point() == Some(Point::Connect) => {
                    "the kernel answers the handshake before a proxy sees the connection; use `after-accept` instead"
                }
                Effect::Reset { .. } if client_is_unix => {
                    instead = "is not possible here";
                    "a unix socket cannot be reset"
                }
                _ => continue,
            };
            return Err(Refused { what, instead, why });
        }
        Ok(())
    }

    /// Returns true if the link is down now, and the time of the next change.
    pub fn is_down(&self, now: Nanos) -> (bool, Nanos) {
        let downs = || self.rules.iter().filter(|rule| rule.effect == Effect::Down);
        let changes = downs().flat_map(|rule| [rule.from, rule.until]).filter(|change| *change > now);
        (downs().any(|rule| rule.is_on(now)), changes.min().unwrap_or(Nanos::MAX))
    }

    /// Returns the most bytes that are in flight in a direction: the product of rate and delay, and an allowance for the
    /// engine.
    pub fn window_bytes(&self, direction: Direction) -> usize {
        let own = || self.rules.iter().filter(|rule| rule.covers(direction));
        let delays = own().filter_map(|rule| match &rule.effect {
            // The deviate 3.09 is the 99.9th percentile.
            Effect::Delay { delay, .. } => Some(delay.at(3.09).as_secs_f64()),
            _ => None,
        });
        let rates = own().filter_map(|rule| match rule.effect {
            Effect::Rate { bytes_per_sec, .. } => Some(bytes_per_sec),
            _ => None,
        });
        let under_way = delays.sum::<f64>() * rates.fold(FASTEST_BYTES_PER_SEC, f64::min);
        (under_way as usize).saturating_add(SLACK_BYTES).min(MAX_WINDOW_BYTES)
    }
}

/// The rate of a link without a limit.
///
/// Chosen: more than the engine can forward.
const FASTEST_BYTES_PER_SEC: f64 = 2e9;
/// The allowance for the engine.
///
/// Chosen: two reads, so that the engine can read one while it writes the other.
const SLACK_BYTES: usize = 131_072;
/// The most bytes in flight.
///
/// Chosen: more than twice the 6 MiB to which Linux lets a TCP window grow, so that the link is not the limit.
const MAX_WINDOW_BYTES: usize = 16 << 20;

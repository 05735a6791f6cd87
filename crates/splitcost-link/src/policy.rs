//! What happens to the bytes of a connection: rules in a stated order, applied to each direction.
//!
//! Pure: no IO, no clock; time is passed in, counted from the link's beginning. Equal seeds and equal bytes at equal times
//! give equal verdicts.
//!
//! Bytes pass the rules from the first to the last, and each adds to the time at which they arrive. A rule with a
//! [`Point`] takes effect once in a connection, and from then on.

mod fault;
mod flow;
mod packet;

use splitcost_model::link::{Delay, Link};
use splitcost_model::quantity::Nanos;

pub(crate) use fault::around;
pub use fault::{Malformed, parse};
pub use flow::{End, Flow};
pub use packet::{Fate, Kind, Loss};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Upstream, Self::Downstream];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Upstream => 0,
            Self::Downstream => 1,
        }
    }
}

/// What happens, to whom, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What happens.
    pub effect: Effect,
    /// To which direction; `None` is both.
    pub direction: Option<Direction>,
    /// To which share of the connections.
    pub share: f64,
    /// To the part of a message beyond so many bytes; a message is what goes one way without anything going the other.
    pub over_bytes: u64,
    /// From when on.
    pub from: Nanos,
    /// Until when.
    pub until: Nanos,
}

impl Rule {
    /// A rule for all bytes of all connections, at all times.
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

/// What can happen to bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// They take a time.
    Delay {
        /// How long.
        delay: Delay,
        /// How much of a delay's deviation the next one keeps.
        correlation: f64,
    },
    /// They pass a token bucket.
    Rate {
        /// How many pass.
        bytes_per_sec: f64,
        /// Whether every connection has a bucket of its own.
        each: bool,
    },
    /// They come in pieces.
    Drip {
        /// Of so many bytes.
        bytes: u64,
        /// Give or take so many.
        vary_bytes: u64,
        /// One in such a time.
        every: Nanos,
    },
    /// They stand still.
    Stall {
        /// From when on.
        at: Point,
        /// For how long; `None` until the rule's end.
        time: Option<Nanos>,
    },
    /// They vanish, and the connection stays open.
    Blackhole {
        /// From when on.
        at: Point,
        /// The connection is closed after such a time, nevertheless.
        closes_after: Option<Nanos>,
    },
    /// They are not read, so that the sender's window closes.
    ClosedWindow {
        /// From when on.
        at: Point,
    },
    /// The connection is reset.
    Reset {
        /// When.
        at: Point,
        /// A time later.
        after: Nanos,
    },
    /// The connection is closed.
    Close {
        /// When.
        at: Point,
    },
    /// The end of a direction takes a time more.
    SlowClose(Nanos),
    /// Nobody listens, and what was connected is closed, as when a server ends.
    Down,
    /// Packets are lost, each by itself.
    Loss(f64),
    /// Packets are lost several in a row.
    LossBursts {
        /// Which share of all.
        share: f64,
        /// How many in a row, on average.
        mean_packets: f64,
    },
    /// Packets come twice.
    Duplicate(f64),
}

impl Effect {
    /// The word of the fault language.
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

/// When in the life of a connection something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// As soon as the rule is on: at once, or at the next byte.
    Any,
    /// Instead of an answer to the handshake.
    Connect,
    /// When the connection begins.
    Accept,
    /// In the middle of the first response.
    Response,
    /// When a second request comes.
    Reuse,
    /// After so many bytes of a direction.
    Bytes(u64),
}

/// What an engine shall do with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Hand them on at this time; [`Nanos::MAX`] is never.
    Deliver(Nanos),
    /// Forget them.
    Discard,
}

/// What an engine cannot do truthfully.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {instead}: {why}")]
pub struct Refused {
    /// The fault.
    pub what: &'static str,
    /// What it needs instead.
    pub instead: &'static str,
    /// Why it cannot.
    pub why: &'static str,
}

impl Refused {
    /// Whether an engine of packets can do it.
    pub fn needs_packets(&self) -> bool {
        self.instead == NEEDS_PACKETS
    }
}

const NEEDS_PACKETS: &str = "needs the packet engine";

/// All rules of a link, and what connections share of them.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    seed: u64,
    /// When the bucket that connections share is free, by rule and direction.
    free_at: Vec<[Nanos; 2]>,
    /// Round trips of a new connection before its first byte, and CPU time that they take.
    pub handshake: (u32, Nanos),
    /// Share of the packets that the link loses by itself; an engine of streams leaves it out.
    pub loss: f64,
}

impl Policy {
    /// Rules, applied in this order, and drawn from a seed.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Self {
        Self { free_at: vec![[Nanos::ZERO; 2]; rules.len()], rules, seed, handshake: (0, Nanos::ZERO), loss: 0.0 }
    }

    /// What a link does by itself, and then what goes wrong on it.
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
        policy.handshake = (link.handshake_round_trips, link.handshake_cpu * 2.0);
        policy.loss = link.loss;
        policy
    }

    /// The same with more rules after its own.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Rule>) -> Self {
        let rules = self.rules.iter().cloned().chain(more).collect();
        Self { handshake: self.handshake, loss: self.loss, ..Self::new(rules, self.seed) }
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether an engine that forwards streams can do all of it.
    ///
    /// # Errors
    /// The first that it cannot do.
    pub fn check_stream(&self, client_is_unix: bool) -> Result<(), Refused> {
        for rule in &self.rules {
            let (what, mut instead) = (rule.effect.word(), NEEDS_PACKETS);
            let why = match rule.effect {
                Effect::Loss(_) | Effect::LossBursts { .. } => {
                    "a stream loses nothing, TCP sends again what a packet lost"
                }
                Effect::Duplicate(_) => "a stream has nothing twice, TCP drops the second packet",
                _ if rule.effect.point() == Some(Point::Connect) => {
                    "the kernel answers the handshake before a proxy knows of it; `after-accept` is what a proxy can do"
                }
                Effect::Reset { .. } if client_is_unix => {
                    instead = "cannot be done here";
                    "unix sockets know no reset"
                }
                _ => continue,
            };
            return Err(Refused { what, instead, why });
        }
        Ok(())
    }

    /// Whether nobody listens now, and when that changes next.
    pub fn is_down(&self, now: Nanos) -> (bool, Nanos) {
        let downs = || self.rules.iter().filter(|rule| rule.effect == Effect::Down);
        let changes = downs().flat_map(|rule| [rule.from, rule.until]).filter(|change| *change > now);
        (downs().any(|rule| rule.is_on(now)), changes.min().unwrap_or(Nanos::MAX))
    }

    /// Bytes that are under way in a direction at most: what the rate brings in the delay, and some for the engine.
    pub fn window_bytes(&self, direction: Direction) -> usize {
        let own = || self.rules.iter().filter(|rule| rule.covers(direction));
        let delays = own().filter_map(|rule| match &rule.effect {
            // 3.09 is the 99.9th percentile.
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

/// Chosen: more than the engine can forward.
const FASTEST_BYTES_PER_SEC: f64 = 2e9;
/// Chosen: two reads of the engine, so that one is read while the other is written.
const SLACK_BYTES: usize = 131_072;
/// Chosen: more than twice the 6 MiB that Linux lets a TCP window grow to, so that the link is not what limits.
const MAX_WINDOW_BYTES: usize = 16 << 20;

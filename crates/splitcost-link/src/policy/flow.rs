//! The state of a connection under a policy, and the decisions about its bytes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use splitcost_model::link::Jitter;
use splitcost_model::quantity::Nanos;

use super::{Direction, Effect, Handshake, Point, Policy, Rule, Verdict};

/// The fewest bytes that a rate passes at once.
///
/// Chosen: the payload of a packet, so that a slow rate is as smooth as on a real link.
const PACKET_BYTES: u64 = 1_448;
/// The longest transmission time of the bytes that a fast rate passes at once.
///
/// Chosen: short compared with a delay of milliseconds.
const RATE_STEP_SECS: f64 = 250e-6;

/// The state of a connection under a policy.
#[derive(Debug)]
pub struct Flow {
    connection: u64,
    opened: Nanos,
    pub(super) rngs: [ChaCha8Rng; 2],
    pub(super) rules: Vec<RuleState>,
    pub(super) sides: [DirectionState; 2],
    last: Option<Direction>,
    requests: u64,
    end: Option<End>,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The time of the end.
    pub at: Nanos,
    /// True for a reset, false for an ordinary close.
    pub reset: bool,
}

/// The state of a rule for a connection.
#[derive(Debug, Default)]
pub(super) struct RuleState {
    pub(super) affected: bool,
    fired: bool,
    pub(super) jitter: [Jitter; 2],
    pub(super) free_at: [Nanos; 2],
    /// For packets, the delay of the previous one, by direction.
    pub(super) delay: [Option<Nanos>; 2],
    /// For losses in bursts, true if the previous packet was lost, by direction.
    pub(super) losing: [Option<bool>; 2],
}

/// The state of a direction.
#[derive(Debug, Default)]
pub(super) struct DirectionState {
    message_bytes: u64,
    total_bytes: u64,
    /// The arrival of the previous byte, which no later byte overtakes.
    pub(super) last_arrival: Nanos,
    /// The time at which the previous packet was sent.
    pub(super) last_packet: Nanos,
    /// The time at which the first packet of its train was sent.
    pub(super) train_begun: Nanos,
    /// No byte arrives before this time.
    held_until: Nanos,
    /// No byte is read before this time.
    unread_until: Nanos,
    discards: bool,
}

impl Policy {
    /// Makes the state of a new connection. Its number `connection` determines its draws.
    pub fn open(&self, connection: u64, now: Nanos) -> Flow {
        let rng = |stream: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(stream);
            rng
        };
        let mut flow = Flow {
            connection,
            opened: now,
            rngs: [rng(connection * 3), rng(connection * 3 + 1)],
            rules: Vec::new(),
            sides: Default::default(),
            last: None,
            requests: 0,
            end: None,
        };
        self.adopt(&mut flow, now);
        flow
    }

    /// Applies this policy to an existing connection from now on.
    pub fn adopt(&self, flow: &mut Flow, now: Nanos) {
        let mut draws = ChaCha8Rng::seed_from_u64(self.seed);
        draws.set_stream(flow.connection * 3 + 2);
        let affected = self.rules.iter().map(|rule| draws.random::<f64>() < rule.share);
        flow.rules = affected.map(|affected| RuleState { affected, ..RuleState::default() }).collect();
        for side in &mut flow.sides {
            // Bytes that would have waited forever are released.
            let last_arrival = if side.last_arrival == Nanos::MAX { now } else { side.last_arrival };
            *side = DirectionState { message_bytes: side.message_bytes, last_arrival, ..DirectionState::default() };
        }
        flow.end = None;
        for (index, rule) in self.rules.iter().enumerate() {
            let begins = match rule.effect.point() {
                Some(Point::Any) => !matches!(rule.effect, Effect::Stall { .. }),
                Some(Point::Accept) => flow.opened == now,
                _ => false,
            };
            if begins && flow.rules[index].affected && rule.is_on(now) && rule.over_bytes == 0 {
                flow.fire(index, rule, now);
            }
        }
    }

    /// Draws the duration of the handshake of a new connection.
    pub fn handshake(&mut self, flow: &mut Flow, now: Nanos) -> Nanos {
        let Handshake { round_trips, cpu } = self.handshake;
        let mut at = now + cpu;
        for _ in 0..round_trips {
            for direction in Direction::ALL {
                at = self.travel(flow, direction, at, 0, true);
            }
        }
        at - now
    }

    /// Decides about bytes that were sent in `direction`. Returns the verdict, and the number of bytes that it applies to.
    ///
    /// The caller calls again for the remaining bytes.
    pub fn pass(&mut self, flow: &mut Flow, direction: Direction, now: Nanos, bytes: usize) -> (usize, Verdict) {
        flow.turn(direction);
        let mut take = bytes as u64;
        for (index, rule) in self.rules.iter().enumerate() {
            if !flow.rules[index].affected || !rule.covers(direction) || !rule.is_on(now) {
                continue;
            }
            let side = &flow.sides[direction.index()];
            let until_over = rule.over_bytes.saturating_sub(side.message_bytes);
            if rule.effect.point().is_some() {
                if flow.rules[index].fired {
                    continue;
                }
                let Some(distance) = flow.distance(rule, direction, take) else { continue };
                match distance.max(until_over) {
                    0 => flow.fire(index, rule, now),
                    distance => take = take.min(distance),
                }
            } else if until_over > 0 {
                take = take.min(until_over);
            } else {
                take = take.min(flow.piece(&rule.effect, direction));
            }
        }
        let take = take.max(1).min(bytes as u64);
        let side = &mut flow.sides[direction.index()];
        if side.discards {
            return (bytes, Verdict::Discard);
        }
        let at = self.travel(flow, direction, now, take, false);
        let side = &mut flow.sides[direction.index()];
        side.message_bytes += take;
        side.total_bytes += take;
        let at = at.max(side.held_until).max(side.last_arrival);
        side.last_arrival = at;
        (take as usize, Verdict::Deliver(at))
    }

    /// Decides about the end of a direction. Returns the time at which to deliver the end; `None` stands for never.
    pub fn finish(&mut self, flow: &mut Flow, direction: Direction, now: Nanos) -> Option<Nanos> {
        let mut at = self.travel(flow, direction, now, 0, false);
        for (rule, state) in self.rules.iter().zip(&flow.rules) {
            if let Effect::SlowClose(time) = rule.effect
                && state.affected
                && rule.covers(direction)
                && rule.is_on(now)
            {
                at += time;
            }
        }
        let side = &flow.sides[direction.index()];
        (!side.discards).then(|| at.max(side.held_until).max(side.last_arrival))
    }

    /// Returns the arrival of bytes that are sent now, regardless of earlier bytes.
    fn travel(&mut self, flow: &mut Flow, direction: Direction, now: Nanos, bytes: u64, delays_only: bool) -> Nanos {
        let d = direction.index();
        let mut at = now;
        for (index, rule) in self.rules.iter().enumerate() {
            let state = &mut flow.rules[index];
            let beyond = flow.sides[d].message_bytes >= rule.over_bytes;
            if !state.affected || !rule.covers(direction) || !rule.is_on(now) || !beyond {
                continue;
            }
            match &rule.effect {
                Effect::Delay { delay, correlation } => {
                    let fresh = flow.rngs[d].sample(StandardNormal);
                    at += state.jitter[d].next(delay, *correlation, fresh);
                }
                _ if delays_only => {}
                Effect::Rate { bytes_per_sec, each } => {
                    let free_at = if *each { &mut state.free_at[d] } else { &mut self.free_at[index][d] };
                    *free_at = at.max(*free_at) + Nanos::from_secs_f64(bytes as f64 / bytes_per_sec);
                    at = *free_at;
                }
                Effect::Drip { every, .. } if bytes > 0 => {
                    at = at.max(state.free_at[d]);
                    state.free_at[d] = at + *every;
                }
                Effect::Stall { at: Point::Any, time: None } => at = at.max(rule.until),
                _ => {}
            }
        }
        at
    }
}

impl Flow {
    /// Returns the end of the connection that a rule has decided on.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Returns the time before which no byte of a direction may be read.
    pub fn unread_until(&self, direction: Direction, now: Nanos) -> Option<Nanos> {
        let until = self.sides[direction.index()].unread_until;
        (until > now).then_some(until)
    }

    /// Returns true if the bytes of a direction vanish.
    pub fn discards(&self, direction: Direction) -> bool {
        self.sides[direction.index()].discards
    }

    /// Notes the beginning of a message when the direction changes.
    fn turn(&mut self, direction: Direction) {
        if self.last != Some(direction) {
            self.last = Some(direction);
            self.sides[direction.index()].message_bytes = 0;
            self.requests += u64::from(direction == Direction::Upstream);
        }
    }

    /// Returns the number of bytes before the point of a rule; `None` when these bytes do not reach it. The point may be
    /// beyond the given bytes.
    fn distance(&self, rule: &Rule, direction: Direction, bytes: u64) -> Option<u64> {
        let side = &self.sides[direction.index()];
        match rule.effect.point()? {
            Point::Accept => rule.is_on(self.opened).then_some(0),
            Point::Response if direction == Direction::Upstream => None,
            Point::Response if side.total_bytes == 0 => Some(bytes.div_ceil(2)),
            Point::Any | Point::Response => Some(0),
            Point::Reuse => (direction == Direction::Upstream && self.requests > 1).then_some(0),
            Point::Bytes(count) => Some(count.saturating_sub(side.total_bytes)),
            Point::Connect => None,
        }
    }

    /// Returns the number of bytes that an effect passes at once.
    fn piece(&mut self, effect: &Effect, direction: Direction) -> u64 {
        match effect {
            Effect::Rate { bytes_per_sec, .. } => PACKET_BYTES.max((bytes_per_sec * RATE_STEP_SECS) as u64),
            Effect::Drip { bytes, vary_bytes, .. } => {
                let least = bytes.saturating_sub(*vary_bytes).max(1);
                self.rngs[direction.index()].random_range(least..=bytes.saturating_add(*vary_bytes).max(least))
            }
            _ => u64::MAX,
        }
    }

    /// Starts the effect of a rule that has reached its point.
    fn fire(&mut self, index: usize, rule: &Rule, now: Nanos) {
        self.rules[index].fired = true;
        let last = self.sides.iter().map(|side| side.last_arrival).max().unwrap_or_default();
        for direction in Direction::ALL {
            let side = &mut self.sides[direction.index()];
            match rule.effect {
                // A reset or a close ends both directions.
                Effect::Blackhole { .. } if !rule.covers(direction) => {}
                Effect::Reset { .. } | Effect::Close { .. } | Effect::Blackhole { .. } => side.discards = true,
                _ if !rule.covers(direction) => {}
                Effect::Stall { time, .. } => side.held_until = time.map_or(rule.until, |time| now + time),
                Effect::ClosedWindow { .. } => {
                    side.held_until = rule.until;
                    side.unread_until = rule.until;
                }
                _ => {}
            }
        }
        let end = match rule.effect {
            Effect::Reset { after, .. } => Some(End { at: last.max(now) + after, reset: true }),
            Effect::Close { .. } => Some(End { at: last.max(now), reset: false }),
            Effect::Blackhole { closes_after: Some(time), .. } => Some(End { at: now + time, reset: false }),
            _ => None,
        };
        self.end = [self.end, end].into_iter().flatten().min_by_key(|end| end.at);
    }
}

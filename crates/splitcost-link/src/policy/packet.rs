//! One packet under a policy, and which rules are for packets at all.
//!
//! Faults that are said of bytes, messages or the end of a connection are those of a server: an engine of packets has them
//! done where the stream ends. What is said of the way there is done to packets.

use rand::RngExt;
use rand_distr::StandardNormal;
use splitcost_model::quantity::Nanos;

use super::flow::Side;
use super::{Direction, Effect, Flow, Point, Policy, Refused, Rule};

/// Chosen: what waits for a rate is lost beyond so much of it; switches and modems hold some 10 to 100 ms.
const QUEUE: Nanos = Nanos::from_millis(100);
/// Chosen: a slow rate holds so many packets all the same.
const QUEUE_PACKETS: f64 = 30.0;
/// A packet of the largest size.
const PACKET_BYTES: f64 = 1_500.0;

/// Chosen: packets that follow one another as closely have the same delay, as those of a message queue behind the same others;
/// drawn for each, the delay of a large message would be the longest of many.
const TRAIN_GAP: Nanos = Nanos::from_micros(50);
/// Chosen: so long at most; queues change within some milliseconds.
const TRAIN: Nanos = Nanos::from_millis(1);

/// What an engine shall do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Hand it on at this time.
    Deliver {
        /// When.
        at: Nanos,
        /// Twice.
        twice: bool,
    },
    /// Forget it.
    Lose(Loss),
    /// Forget it, and answer with a reset that arrives at this time.
    Reset(Nanos),
}

/// Why a packet is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// By chance.
    Chance,
    /// The queue in front of a rate is full.
    Queue,
    /// In a blackhole.
    Blackhole,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its length, all headers included.
    pub bytes: u64,
    /// It belongs to the handshake: its SYN is set.
    pub handshake: bool,
}

/// Who does what a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The engine of packets.
    Way,
    /// The end of the stream.
    End,
}

impl Policy {
    /// What is done to packets on their way, and what is done to the stream at the server's end of it.
    ///
    /// # Errors
    /// The first rule that neither can do.
    pub fn for_packets(&self) -> Result<(Self, Self), Refused> {
        let (mut way, mut end) = (Vec::new(), Vec::new());
        if self.loss > 0.0 {
            way.push(Rule::new(Effect::Loss(self.loss)));
        }
        for rule in &self.rules {
            match rule.place()? {
                Place::Way => way.push(rule.clone()),
                Place::End => end.push(rule.clone()),
            }
        }
        let (way, mut end) = (Self::new(way, self.seed), Self::new(end, self.seed));
        // TCP's own round trip is real; those of TLS are not made by anybody here.
        let (round_trips, cpu) = self.handshake;
        end.handshake = (0, cpu + way.median_round_trip() * f64::from(round_trips.saturating_sub(1)));
        Ok((way, end))
    }

    fn median_round_trip(&self) -> Nanos {
        let mut time = Nanos::ZERO;
        for rule in &self.rules {
            if let Effect::Delay { delay, .. } = &rule.effect {
                time += delay.median() * Direction::ALL.into_iter().filter(|one| rule.covers(*one)).count() as f64;
            }
        }
        time
    }

    /// A packet came in `direction`: what to do with it.
    pub fn pass_packet(&mut self, flow: &mut Flow, direction: Direction, now: Nanos, packet: Kind) -> Fate {
        let d = direction.index();
        let (mut at, mut twice) = (now, false);
        let follows = flow.sides[d].follows(now);
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            let state = &mut flow.rules[index];
            if !state.affected || !rule.covers(direction) || !rule.is_on(now) {
                continue;
            }
            match rule.effect {
                Effect::Loss(share) if flow.rngs[d].random::<f64>() < share => return Fate::Lose(Loss::Chance),
                Effect::LossBursts { share, mean_packets } => {
                    let loses = loses(state.losing[d], share, mean_packets, flow.rngs[d].random());
                    state.losing[d] = Some(loses);
                    if loses {
                        return Fate::Lose(Loss::Chance);
                    }
                }
                Effect::Duplicate(share) => twice |= flow.rngs[d].random::<f64>() < share,
                Effect::Delay { ref delay, correlation } => {
                    let time = state.delay[d].filter(|_| follows).unwrap_or_else(|| {
                        state.jitter[d].next(delay, correlation, flow.rngs[d].sample(StandardNormal))
                    });
                    state.delay[d] = Some(time);
                    at += time;
                }
                Effect::Rate { bytes_per_sec, each } => {
                    let free_at = if each { &mut state.free_at[d] } else { &mut self.free_at[index][d] };
                    let queue = QUEUE.max(Nanos::from_secs_f64(QUEUE_PACKETS * PACKET_BYTES / bytes_per_sec));
                    if *free_at - at > queue {
                        return Fate::Lose(Loss::Queue);
                    }
                    *free_at = at.max(*free_at) + Nanos::from_secs_f64(packet.bytes as f64 / bytes_per_sec);
                    at = *free_at;
                }
                Effect::Stall { .. } => at = at.max(rule.until),
                Effect::Blackhole { at: Point::Connect, .. } if !packet.handshake => {}
                Effect::Blackhole { .. } => return Fate::Lose(Loss::Blackhole),
                Effect::Reset { after, .. } if packet.handshake && direction == Direction::Upstream => {
                    let back = self.packet_delay(flow, Direction::Downstream, at, now);
                    return Fate::Reset(back + after);
                }
                _ => {}
            }
        }
        let side = &mut flow.sides[d];
        side.last_arrival = at.max(side.last_arrival);
        Fate::Deliver { at: side.last_arrival, twice }
    }

    /// When a packet without a size arrives that sets out at `at`.
    fn packet_delay(&self, flow: &mut Flow, direction: Direction, mut at: Nanos, now: Nanos) -> Nanos {
        let d = direction.index();
        for (rule, state) in self.rules.iter().zip(&mut flow.rules) {
            if let Effect::Delay { delay, correlation } = &rule.effect
                && state.affected
                && rule.covers(direction)
                && rule.is_on(now)
            {
                at += state.jitter[d].next(delay, *correlation, flow.rngs[d].sample(StandardNormal));
            }
        }
        at
    }
}

impl Side {
    /// Whether a packet that comes now belongs to the train of the one before.
    fn follows(&mut self, now: Nanos) -> bool {
        let follows = now - self.last_packet < TRAIN_GAP && now - self.train_begun < TRAIN;
        self.last_packet = now;
        if !follows {
            self.train_begun = now;
        }
        follows
    }
}

/// Whether the next packet is lost, of a chain that stays in either state for a geometric time.
///
/// # Source
/// Paper: Gilbert, "Capacity of a burst-noise channel" (1960), with nothing lost in the good state and all in the bad.
fn loses(before: Option<bool>, share: f64, mean_packets: f64, draw: f64) -> bool {
    let recovers = 1.0 / mean_packets;
    match before {
        None => draw < share,
        Some(true) => draw >= recovers,
        Some(false) => draw < recovers * share / (1.0 - share),
    }
}

impl Rule {
    /// Who does it.
    fn place(&self) -> Result<Place, Refused> {
        let plain = self.over_bytes == 0;
        let on_the_way = match (&self.effect, self.effect.point()) {
            (Effect::Loss(_) | Effect::LossBursts { .. } | Effect::Duplicate(_), _) if plain => true,
            (Effect::Loss(_) | Effect::LossBursts { .. } | Effect::Duplicate(_), _) => {
                return Err(self.refused("a packet does not know how much of a message went before it"));
            }
            (_, Some(Point::Connect)) => return self.check_handshake().map(|()| Place::Way),
            (Effect::Delay { .. } | Effect::Rate { .. } | Effect::Stall { .. }, None)
            | (Effect::Blackhole { closes_after: None, .. }, Some(Point::Any)) => plain,
            _ => false,
        };
        Ok(if on_the_way { Place::Way } else { Place::End })
    }

    /// Whether it can happen instead of an answer to the handshake.
    fn check_handshake(&self) -> Result<(), Refused> {
        Err(self.refused(match &self.effect {
            _ if self.over_bytes > 0 => "a handshake has no message",
            Effect::Blackhole { closes_after: Some(_), .. } => {
                "there is no connection to close; its schedule can end, with `to 40s`"
            }
            Effect::Reset { .. } if self.direction == Some(Direction::Downstream) => {
                "the server's side of a handshake cannot be reset before it is there"
            }
            Effect::Blackhole { .. } | Effect::Reset { .. } => return Ok(()),
            _ => "at the handshake there can be a blackhole, a reset, or a delay",
        }))
    }

    fn refused(&self, why: &'static str) -> Refused {
        Refused { what: self.effect.word(), instead: "cannot be done so", why }
    }
}

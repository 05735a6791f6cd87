//! The decisions about packets, and the division of rules between packets and streams.
//!
//! Rules about the network apply to packets. Rules about bytes, messages or the end of a connection are faults of a server:
//! a stream engine at the server's end applies them.

use rand::RngExt;
use rand_distr::StandardNormal;
use splitcost_model::quantity::Nanos;

use super::flow::DirectionState;
use super::{Direction, Effect, Flow, Handshake, Point, Policy, Refused, Rule};

/// The longest wait in the queue in front of a rate. Packets beyond it are lost.
///
/// Chosen: the queues of switches and modems hold between 10 and 100 ms.
const QUEUE: Nanos = Nanos::from_millis(100);
/// The fewest packets that the queue holds, even for a slow rate.
///
/// Chosen: at a slow rate, 100 ms hold fewer packets than the initial window of TCP.
const QUEUE_PACKETS: f64 = 30.0;
/// The size of the largest packet.
///
/// Chosen: the size on most links.
const PACKET_BYTES: f64 = 1_500.0;

/// The longest gap between two packets of a train, which have the same delay.
///
/// Chosen: the packets of a message wait in the same queues. With a draw for each packet, the delay of a large message would
/// be the longest of many draws.
const TRAIN_GAP: Nanos = Nanos::from_micros(50);
/// The longest duration of a train.
///
/// Chosen: queues change within a few milliseconds.
const TRAIN: Nanos = Nanos::from_millis(1);

/// The decision about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketVerdict {
    /// Deliver the packet.
    Deliver {
        /// The time of the delivery.
        at: Nanos,
        /// True when the packet is delivered twice.
        twice: bool,
    },
    /// Drop the packet.
    Lose(LossCause),
    /// Drop the packet, and answer with a reset that arrives at this time.
    Reset(Nanos),
}

/// The cause of a lost packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// A random loss.
    Chance,
    /// The queue in front of a rate is full.
    Queue,
    /// A blackhole.
    Blackhole,
}

/// The properties of a packet that a policy depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHeader {
    /// The length of the packet, including all headers.
    pub bytes: u64,
    /// True for packets of the handshake, which have the flag SYN.
    pub is_handshake: bool,
}

/// The engine that applies a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AppliedBy {
    /// The packet engine.
    Network,
    /// The stream engine at the server's end.
    Server,
}

impl Policy {
    /// Divides the policy into the part for packets in the network, and the part for the stream at the server's end.
    ///
    /// # Errors
    /// Returns the first rule that neither engine can apply.
    pub fn for_packets(&self) -> Result<(Self, Self), Refused> {
        let (mut network, mut server) = (Vec::new(), Vec::new());
        if self.loss > 0.0 {
            network.push(Rule::new(Effect::Loss(self.loss)));
        }
        for rule in &self.rules {
            match rule.applied_by()? {
                AppliedBy::Network => network.push(rule.clone()),
                AppliedBy::Server => server.push(rule.clone()),
            }
        }
        let (network, mut server) = (Self::new(network, self.seed), Self::new(server, self.seed));
        // The round trip of the TCP handshake is real. Nobody makes the round trips of a TLS handshake.
        let Handshake { round_trips, cpu } = self.handshake;
        let of_tls = network.median_round_trip() * f64::from(round_trips.saturating_sub(1));
        server.handshake = Handshake { round_trips: 0, cpu: cpu + of_tls };
        Ok((network, server))
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

    /// Decides about a packet that was sent in `direction`.
    pub fn pass_packet(
        &mut self,
        flow: &mut Flow,
        direction: Direction,
        now: Nanos,
        packet: PacketHeader,
    ) -> PacketVerdict {
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
                Effect::Loss(share) if flow.rngs[d].random::<f64>() < share => {
                    return PacketVerdict::Lose(LossCause::Chance);
                }
                Effect::LossBursts { share, mean_packets } => {
                    let loses = loses(state.losing[d], share, mean_packets, flow.rngs[d].random());
                    state.losing[d] = Some(loses);
                    if loses {
                        return PacketVerdict::Lose(LossCause::Chance);
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
                        return PacketVerdict::Lose(LossCause::Queue);
                    }
                    *free_at = at.max(*free_at) + Nanos::from_secs_f64(packet.bytes as f64 / bytes_per_sec);
                    at = *free_at;
                }
                Effect::Stall { .. } => at = at.max(rule.until),
                Effect::Blackhole { at: Point::Connect, .. } if !packet.is_handshake => {}
                Effect::Blackhole { .. } => return PacketVerdict::Lose(LossCause::Blackhole),
                Effect::Reset { after, .. } if packet.is_handshake && direction == Direction::Upstream => {
                    let back = self.packet_delay(flow, Direction::Downstream, at, now);
                    return PacketVerdict::Reset(back + after);
                }
                _ => {}
            }
        }
        let side = &mut flow.sides[d];
        side.last_arrival = at.max(side.last_arrival);
        PacketVerdict::Deliver { at: side.last_arrival, twice }
    }

    /// Returns the arrival of a packet without a size that is sent at `at`.
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

impl DirectionState {
    /// Returns true if a packet that is sent now belongs to the train of the previous one.
    fn follows(&mut self, now: Nanos) -> bool {
        let follows = now - self.last_packet < TRAIN_GAP && now - self.train_begun < TRAIN;
        self.last_packet = now;
        if !follows {
            self.train_begun = now;
        }
        follows
    }
}

/// Decides if the next packet is lost, by a Markov chain whose stay in each state has a geometric distribution.
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
    /// Returns the engine that applies the rule.
    fn applied_by(&self) -> Result<AppliedBy, Refused> {
        let plain = self.over_bytes == 0;
        let in_network = match (&self.effect, self.effect.point()) {
            (Effect::Loss(_) | Effect::LossBursts { .. } | Effect::Duplicate(_), _) if plain => true,
            (Effect::Loss(_) | Effect::LossBursts { .. } | Effect::Duplicate(_), _) => {
                return Err(self.refused("a packet does not show the size of its message"));
            }
            (_, Some(Point::Connect)) => return self.check_handshake().map(|()| AppliedBy::Network),
            (Effect::Delay { .. } | Effect::Rate { .. } | Effect::Stall { .. }, None)
            | (Effect::Blackhole { closes_after: None, .. }, Some(Point::Any)) => plain,
            _ => false,
        };
        Ok(if in_network { AppliedBy::Network } else { AppliedBy::Server })
    }

    /// Checks that the effect can replace an answer to the handshake.
    fn check_handshake(&self) -> Result<(), Refused> {
        Err(self.refused(match &self.effect {
            _ if self.over_bytes > 0 => "a handshake carries no message",
            Effect::Blackhole { closes_after: Some(_), .. } => {
                "there is no connection to close; give the schedule an end instead, such as `to 40s`"
            }
            Effect::Reset { .. } if self.direction == Some(Direction::Downstream) => {
                "the server's side of a connection does not exist before the handshake"
            }
            Effect::Blackhole { .. } | Effect::Reset { .. } => return Ok(()),
            _ => "only a blackhole, a reset or a delay is possible at the handshake",
        }))
    }

    fn refused(&self, why: &'static str) -> Refused {
        Refused { what: self.effect.word(), instead: "is not possible with these words", why }
    }
}

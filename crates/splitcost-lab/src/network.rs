//! The emulated links between the services of a rehearsal.

use std::time::Instant;

use splitcost_link::policy::{Effect, Point, Policy, Rule};
use splitcost_link::stream::{Address, LinkId, Spec};
use splitcost_link::{Emulator, Engine};
use splitcost_model::emulation::Emulation;
use splitcost_model::link::{Delay, Link};
use splitcost_model::policy::Fault;
use splitcost_model::quantity::Nanos;
use splitcost_model::split::Split;

use crate::Result;

/// The links of a split, each in front of a service for one of the others.
pub(crate) struct Network {
    emulator: Emulator,
    roads: Vec<Road>,
}

/// A link from one service to another.
struct Road {
    caller: String,
    callee: String,
    link: Link,
    id: LinkId,
    listens: Address,
    policy: Policy,
    opened: Instant,
}

impl Network {
    /// Opens the links of a split whose services are called at these ports: the links that add something, or all links if
    /// a fault is to be injected.
    pub(crate) fn open(
        split: &Split,
        services: &[(&str, u16)],
        fault: Option<Fault>,
        seed: u64,
    ) -> Result<Option<Self>> {
        let all = fault.is_some();
        if split.links.are_loopback() && !all {
            return Ok(None);
        }
        let emulator = start(split, fault)?;
        let mut roads = Vec::new();
        for (number, &(caller, _)) in services.iter().enumerate() {
            for &(other, port) in services.iter().filter(|(other, _)| *other != caller) {
                let link = split.links.between(caller, other).clone();
                if link.is_loopback() && !all {
                    continue;
                }
                let policy = Policy::of(&link, Vec::new(), seed.wrapping_add(number as u64));
                let to = Address::Tcp(([127, 0, 0, 1], port).into());
                let listen = emulator.any_address();
                let opened = Instant::now();
                let (id, listens) = emulator.open(Spec { listen, to: vec![to], policy: policy.clone() })?;
                roads.push(Road {
                    caller: caller.to_owned(),
                    callee: other.to_owned(),
                    link,
                    id,
                    listens,
                    policy,
                    opened,
                });
            }
        }
        Ok(Some(Self { emulator, roads }))
    }

    /// Returns the address at which `from` reaches `to`, if there is a link between them.
    pub(crate) fn address(&self, from: &str, to: &str) -> Option<String> {
        let road = self.roads.iter().find(|road| road.caller == from && road.callee == to)?;
        Some(road.listens.to_string())
    }

    /// Injects a fault into every link: it begins after `after` and lasts for `lasts`.
    pub(crate) fn fail(&self, fault: Fault, after: Nanos, lasts: Nanos) -> Result<()> {
        let Some((effect, share)) = effect(fault) else { return Ok(()) };
        for road in &self.roads {
            let from = Nanos::from_secs_f64(road.opened.elapsed().as_secs_f64()) + after;
            let rule = Rule { share, from, until: from + lasts, ..Rule::new(effect.clone()) };
            self.emulator.change(road.id, road.policy.with([rule]))?;
        }
        Ok(())
    }

    /// Returns the work of the links so far; links that carried nothing are left out.
    pub(crate) fn emulations(&self) -> Result<Vec<Emulation>> {
        let mut found = Vec::new();
        for road in &self.roads {
            let tally = self.emulator.tally(road.id)?;
            if tally.accepted == 0 {
                continue;
            }
            found.push(Emulation {
                listen: road.caller.clone(),
                to: road.callee.clone(),
                profile: road.link.name.clone(),
                left_out: self.emulator.engine().left_out(&road.link),
                secs: road.opened.elapsed().as_secs_f64(),
                ..tally.emulation(self.emulator.realtime())
            });
        }
        Ok(found)
    }
}

/// Starts the engine that the links of a split need: the packet engine if packets are lost, else the stream engine. Loss
/// that a profile contains is left out if making a network device is not permitted.
fn start(split: &Split, fault: Option<Fault>) -> Result<Emulator> {
    if matches!(fault, Some(Fault::Loss(_))) {
        return Ok(Emulator::start(Engine::Packet)?);
    }
    let lossy =
        split.links.between.iter().map(|(_, link)| link).chain([&split.links.default]).any(|link| link.loss > 0.0);
    if lossy && let Ok(emulator) = Emulator::start(Engine::Packet) {
        return Ok(emulator);
    }
    Ok(Emulator::start(Engine::Stream)?)
}

/// Returns the effect of a fault on a link, and the share of connections that it affects; `None` for a fault inside a
/// service.
fn effect(fault: Fault) -> Option<(Effect, f64)> {
    let silent = Effect::Blackhole { at: Point::Any, closes_after: None };
    match fault {
        Fault::Slow(_) | Fault::PoolExhausted => None,
        Fault::Silent => Some((silent, 1.0)),
        Fault::HalfBad(share) => Some((silent, share)),
        Fault::Down => Some((Effect::Down, 1.0)),
        Fault::Loss(share) => Some((Effect::Loss(share), 1.0)),
        Fault::BrownOut(delay) => Some((Effect::Delay { delay: Delay::Constant(delay), correlation: 0.0 }, 1.0)),
    }
}

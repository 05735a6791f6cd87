//! The links of a split in the form that the engine uses.

use splitcost_model::link::Link;
use splitcost_model::policy::Fault;
use splitcost_model::quantity::Nanos;
use splitcost_model::split::Split;

use crate::compile::Crossing;
use crate::program::{LinkTiming, Network};

/// Time after which the load generator gives a request up, during a fault.
///
/// Spec: `Plan::deadline` of `splitcost-load`.
pub const PATIENCE: Nanos = Nanos::from_millis(10_000);

/// The pairs of services that call each other: indices into [`Split::service_names`], the smaller first.
pub(super) struct ServicePairs(Vec<(u16, u16)>);

impl ServicePairs {
    pub(super) fn of<'a>(crossings: impl Iterator<Item = &'a Crossing>) -> Self {
        let mut pairs: Vec<(u16, u16)> = crossings.map(pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self(pairs)
    }

    /// Returns the index of a crossing's link.
    pub(super) fn link_of(&self, crossing: &Crossing) -> u16 {
        self.0.binary_search(&pair(crossing)).map_or(u16::MAX, |index| index as u16)
    }

    /// Returns the link of each pair.
    pub(super) fn links<'a>(&self, split: &'a Split) -> Vec<&'a Link> {
        let names = split.service_names();
        self.0
            .iter()
            .map(|&(one, other)| split.links.between(names[usize::from(one)], names[usize::from(other)]))
            .collect()
    }

    /// Returns the links, the policy and the fault for the engine, which runs `slow` times as fast as the machine.
    pub(super) fn network(&self, split: &Split, slow: f64, fault: Option<(Fault, Nanos, Nanos)>) -> Network {
        let faster = 1.0 / slow;
        let scaled = |time: Nanos| (time * faster).as_nanos();
        Network {
            links: self.links(split).into_iter().map(|link| scale(link, faster)).collect(),
            calls: split.calls.scale(faster),
            // Without a fault, what takes longer is a response time as well.
            patience_nanos: fault.map(|_| scaled(PATIENCE)),
            fault: fault.map(|(fault, from, until)| (fault_scaled(fault, faster), scaled(from), scaled(until))),
        }
    }
}

fn pair(crossing: &Crossing) -> (u16, u16) {
    let (from, to) = (crossing.caller_service, crossing.callee_service);
    (from.min(to), from.max(to))
}

fn scale(link: &Link, factor: f64) -> LinkTiming {
    let sidecars = link.sidecars.as_ref();
    LinkTiming {
        delay: link.one_way_delay.scale(factor),
        correlation: link.correlation,
        loss: link.loss,
        // A request and its response pass each proxy once.
        proxy_nanos: sidecars.map(|sidecars| (sidecars.cpu_per_request * (factor / 2.0)).as_nanos()),
        proxy_delay: sidecars.map_or(splitcost_model::link::Delay::Constant(Nanos::ZERO), |sidecars| {
            sidecars.one_way_delay.scale(factor)
        }),
    }
}

fn fault_scaled(fault: Fault, factor: f64) -> Fault {
    match fault {
        Fault::BrownOut(delay) => Fault::BrownOut(delay * factor),
        fault => fault,
    }
}

//! Calls between services that need work, and those that are never answered, with their places in the app's code.

use std::collections::BTreeMap;

use splitcost_model::boundary::{InRehearsal, Readiness};
use splitcost_model::estimate::{self, CannotCross};
use splitcost_model::recording::site::CallSites;
use splitcost_model::recording::{FunctionId, ModuleId, Recording};
use splitcost_model::split::Split;

use crate::compile::{Compiled, Crossing, Message};

const NEEDS_WRITES: &str = "the call needs writes that are not committed yet";

/// The places of a split's calls.
pub(super) struct SplitSites<'a> {
    recording: &'a Recording,
    pub(super) calls: CallSites<'a>,
}

impl<'a> SplitSites<'a> {
    pub(super) fn of(recording: &'a Recording) -> Self {
        Self { recording, calls: CallSites::of(recording) }
    }

    /// Returns the calls between services that need work before they can cross, most per request first.
    pub(super) fn cannot_cross(&self, compiled: &Compiled, requests: usize) -> Vec<CannotCross> {
        let mut counts: BTreeMap<(ModuleId, FunctionId, Readiness, InRehearsal), u64> = BTreeMap::new();
        for crossing in compiled.crossings.iter().flatten().filter(|c| !matches!(c.message, Message::Statement(_))) {
            let Crossing { caller, function, readiness, in_rehearsal, .. } = *crossing;
            if in_rehearsal != InRehearsal::Crosses {
                *counts.entry((caller, function, readiness, in_rehearsal)).or_default() += 1;
            }
        }
        let mut list: Vec<CannotCross> = counts
            .into_iter()
            .map(|((caller, function, readiness, in_rehearsal), count)| {
                let (file, line) = self.calls.of_call(caller, function, None);
                CannotCross {
                    caller: self.recording.modules[caller as usize].clone(),
                    callee: self.recording.function_name(&self.recording.functions[function as usize]),
                    readiness,
                    reason: match in_rehearsal {
                        InRehearsal::NeedsWrites => NEEDS_WRITES.to_owned(),
                        InRehearsal::NeedsWork | InRehearsal::Crosses => self.calls.reason(function),
                    },
                    file,
                    line,
                    calls_per_request: count as f64 / requests.max(1) as f64,
                }
            })
            .collect();
        let by_count = |a: &CannotCross, b: &CannotCross| b.calls_per_request.total_cmp(&a.calls_per_request);
        list.sort_by(|a, b| by_count(a, b).then_with(|| a.callee.cmp(&b.callee)));
        list
    }

    /// Returns calls between services with their names and places.
    pub(super) fn hops(&self, hops: &[crate::compile::Hop], endpoints: &[String], split: &Split) -> Vec<estimate::Hop> {
        let names = split.service_names();
        let name = |service: u16| names[usize::from(service)].to_owned();
        let hop = |hop: &crate::compile::Hop| {
            let endpoint = &endpoints[hop.endpoint as usize];
            let (file, line) = self.calls.of_call(hop.caller, hop.function, Some(endpoint));
            estimate::Hop {
                endpoint: endpoint.clone(),
                caller_service: name(hop.caller_service),
                callee_service: name(hop.callee_service),
                callee: self.recording.function_name(&self.recording.functions[hop.function as usize]),
                file,
                line,
            }
        };
        hops.iter().map(hop).collect()
    }

    /// Returns the calls that are never answered, with the calls that lead there.
    pub(super) fn call_backs(
        &self,
        compiled: &Compiled,
        endpoints: &[String],
        split: &Split,
    ) -> Vec<estimate::CallBack> {
        let found = compiled.call_backs.iter();
        found
            .map(|call_back| estimate::CallBack {
                endpoint: endpoints[call_back.endpoint as usize].clone(),
                path: self.hops(&call_back.path, endpoints, split),
            })
            .collect()
    }
}

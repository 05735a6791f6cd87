//! The cost of findings by a recording: the calls made at their places, and the time of those calls.
//!
//! Only calls between modules are recorded. A finding is priced by the first call on its way that is among them, or
//! else, as an upper bound, by the function that it is in. A place that was never reached has no price, which is not a price of zero.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use splitcost_model::finding::{Basis, Bound, Cost, Finding, Location, Price};
use splitcost_model::recording::{Call, FunctionId, Recording, Request, Via};
use splitcost_model::split::Prices;

use crate::summary::calm_phase;

/// Rules about what holds the event loop: their time is the time that it is held.
const HOLDING: [&str; 4] = ["SC101", "SC102", "SC103", "SC502"];
const REQUESTS: f64 = 1e6;
const MILLIS_PER_HOUR: f64 = 3.6e6;

/// Prices findings, and puts the worst first: those whose call was recorded by the time per request, then those with an
/// upper bound, then those that were not seen.
pub fn price(findings: &mut [Finding], recording: &Recording, prices: &Prices) {
    let calls = Calls::of(recording);
    for finding in &mut *findings {
        finding.price = Some(calls.price(finding, prices));
    }
    findings.sort_by(|a, b| rank(b).0.cmp(&rank(a).0).then(rank(b).1.total_cmp(&rank(a).1)));
}

fn rank(finding: &Finding) -> (u8, f64) {
    match &finding.price {
        Some(Price::Seen(cost)) => (if cost.basis == Basis::Function { 1 } else { 2 }, cost.overall_millis_per_request),
        _ => (0, 0.0),
    }
}

/// A recorded call: which request's, and which of its calls.
type At = (u32, u32);

/// The calls of a recording, by what they call.
struct Calls<'r> {
    recording: &'r Recording,
    by_function: FxHashMap<FunctionId, Vec<At>>,
    /// Requests per endpoint, failed ones left out.
    requests: BTreeMap<&'r str, u64>,
    /// Requests whose times are used, where they hold such a call.
    calm: Option<u32>,
}

/// Calls that stand for a finding.
struct Matched {
    calls: Vec<At>,
    /// Of these, the share that was made at the finding's place.
    share: f64,
    basis: Basis,
    bound: Bound,
}

impl<'r> Calls<'r> {
    fn of(recording: &'r Recording) -> Self {
        let mut by_function: FxHashMap<FunctionId, Vec<At>> = FxHashMap::default();
        let mut requests = BTreeMap::new();
        for (index, request) in (0_u32..).zip(&recording.requests).filter(|(_, request)| !recording.has_failed(request))
        {
            *requests.entry(request.endpoint.as_str()).or_default() += 1;
            for (call, made) in (0_u32..).zip(&request.calls) {
                by_function.entry(made.function).or_default().push((index, call));
            }
        }
        Self { recording, by_function, requests, calm: calm_phase(recording).1 }
    }

    fn price(&self, finding: &Finding, prices: &Prices) -> Price {
        let holds = HOLDING.contains(&finding.code.as_str());
        match self.matched(finding, holds) {
            Ok(matched) => Price::Seen(self.cost(&matched, holds, prices)),
            Err(reason) => Price::NotSeen { reason },
        }
    }

    /// The first call on the way that was recorded, or the function that the finding is in.
    fn matched(&self, finding: &Finding, holds: bool) -> Result<Matched, String> {
        let own = self.functions(&finding.function, &finding.location.path);
        let mut before = own.clone();
        for (step, next) in finding.way.iter().zip(finding.way.iter().skip(1)) {
            let targets = self.functions(&next.function, &next.location.path);
            let mut calls = self.calls_of(&targets);
            let module = self.owner(&step.function);
            calls.retain(|at| {
                let caller = self.caller(*at);
                // A function that is only called within its module is not recorded: its module stands for it.
                let is_on_the_way = if before.is_empty() {
                    Some(self.recording.functions[caller as usize].module) == module
                } else {
                    before.contains(&caller)
                };
                is_on_the_way && !(holds && self.call(*at).via == Via::Thread)
            });
            let share = self.share_at(&calls, &step.location);
            if share == Some(0.0) {
                let who = if before.is_empty() { "its module" } else { "its function" };
                return Err(format!("{who} made such calls, but no sampled one came from this line"));
            }
            if !calls.is_empty() {
                let basis = if share.is_some() { Basis::CallSite } else { Basis::Caller };
                let bound = if step == &finding.way[0] { Bound::Exact } else { Bound::AtLeast };
                return Ok(Matched { calls, share: share.unwrap_or(1.0), basis, bound });
            }
            before.extend(targets);
        }
        let calls = self.calls_of(&own);
        if calls.is_empty() {
            return Err(self.reason(finding));
        }
        Ok(Matched { calls, share: 1.0, basis: Basis::Function, bound: Bound::AtMost })
    }

    fn calls_of(&self, functions: &FxHashSet<FunctionId>) -> Vec<At> {
        functions.iter().filter_map(|function| self.by_function.get(function)).flatten().copied().collect()
    }

    /// Of the calls whose call site was sampled, the share made at a place; `None` where none was sampled.
    fn share_at(&self, calls: &[At], place: &Location) -> Option<f64> {
        let sites =
            calls.iter().filter_map(|at| self.call(*at).arguments.as_ref()).filter(|site| !site.file.is_empty());
        let (mut sampled, mut here) = (0_u64, 0_u64);
        for site in sites {
            sampled += 1;
            let lines = place.line..=place.end_line;
            here += u64::from(lines.contains(&site.line) && alike(&site.file, &place.path) > 0);
        }
        (sampled > 0).then(|| here as f64 / sampled as f64)
    }

    fn cost(&self, matched: &Matched, holds: bool, prices: &Prices) -> Cost {
        let is_calm = |at: &&At| self.calm.is_some() && self.request(**at).phase == self.calm;
        let mut timed: Vec<&At> = matched.calls.iter().filter(is_calm).collect();
        if timed.is_empty() {
            timed = matched.calls.iter().collect();
        }
        let millis = |call: &Call| {
            let on_thread = call.segments.iter().filter(|segment| !segment.suspended).map(|segment| segment.wall);
            if holds { on_thread.sum() } else { call.wall() }.as_millis_f64()
        };
        let mean =
            |of: &dyn Fn(&Call) -> f64| timed.iter().map(|at| of(self.call(**at))).sum::<f64>() / timed.len() as f64;
        let (millis_per_call, cpu_per_call) = (mean(&millis), mean(&|call| call.cpu().as_millis_f64()));
        let mut per_endpoint: BTreeMap<&str, f64> = BTreeMap::new();
        for at in &matched.calls {
            *per_endpoint.entry(&self.request(*at).endpoint).or_default() += matched.share;
        }
        let rate = |endpoint: &str, calls: f64| calls / self.requests.get(endpoint).map_or(1.0, |count| *count as f64);
        let worst = per_endpoint.iter().map(|(endpoint, calls)| (*endpoint, rate(endpoint, *calls)));
        let (endpoint, calls) = worst.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let requests: u64 = self.requests.values().sum();
        let overall = matched.calls.len() as f64 * matched.share / requests as f64;
        // A loop that is held serves nobody: that time is paid for as if it were CPU time.
        let paid_millis = if holds { millis_per_call } else { cpu_per_call };
        let function = matched.calls.first().map_or(0, |at| self.call(*at).function);
        Cost {
            basis: matched.basis,
            bound: matched.bound,
            function: self.name(function),
            holds_event_loop: holds,
            endpoint: endpoint.to_owned(),
            calls_per_request: calls,
            millis_per_request: calls * millis_per_call,
            overall_calls_per_request: overall,
            overall_millis_per_request: overall * millis_per_call,
            usd_per_million_requests: overall * paid_millis * REQUESTS / MILLIS_PER_HOUR * prices.usd_per_vcpu_hour,
        }
    }

    fn reason(&self, finding: &Finding) -> String {
        let entered = self.owner(&finding.function).filter(|module| {
            let functions = self.recording.functions.iter().zip(0_u32..);
            let mut own = functions.filter(|(function, _)| function.module == *module);
            own.any(|(_, id)| self.by_function.contains_key(&id))
        });
        match entered {
            Some(module) => format!(
                "no call across modules led there; calls within {} are not recorded",
                self.recording.modules[module as usize]
            ),
            None => "no request entered its module".to_owned(),
        }
    }

    fn request(&self, (request, _): At) -> &'r Request {
        &self.recording.requests[request as usize]
    }

    fn call(&self, at: At) -> &'r Call {
        &self.request(at).calls[at.1 as usize]
    }

    fn caller(&self, at: At) -> FunctionId {
        self.request(at).calls[self.call(at).parent as usize].function
    }

    fn name(&self, function: FunctionId) -> String {
        self.recording.function_name(&self.recording.functions[function as usize])
    }

    /// The module that a function of this dotted path belongs to.
    fn owner(&self, path: &str) -> Option<u32> {
        let modules = self.recording.modules.iter().zip(0_u32..).skip(1);
        let within = |name: &str| path.strip_prefix(&name.replace(':', ".")).is_some_and(|rest| rest.starts_with('.'));
        modules.filter(|(name, _)| within(name)).max_by_key(|(name, _)| name.len()).map(|(_, id)| id)
    }

    /// The recorded functions that a function of this dotted path, in this file, may be: those whose file is most alike.
    fn functions(&self, path: &str, file: &str) -> FxHashSet<FunctionId> {
        let mut best = (1, FxHashSet::default());
        for (function, id) in self.recording.functions.iter().zip(0_u32..) {
            let qualname = function.qualname.replace(".<locals>", "");
            let is_named_so = path.strip_suffix(qualname.as_str()).is_some_and(|module| module.ends_with('.'));
            let alike = if is_named_so { alike(&function.file, file) } else { 0 };
            if alike > best.0 {
                best = (alike, FxHashSet::default());
            }
            if alike > 0 && alike == best.0 {
                best.1.insert(id);
            }
        }
        best.1
    }
}

/// Returns the number of last components that two paths share.
fn alike(a: &str, b: &str) -> usize {
    a.rsplit('/').zip(b.rsplit('/')).take_while(|(a, b)| a == b).count()
}

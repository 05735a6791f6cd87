//! The rules, one short file each, and what they share.

use std::collections::BTreeMap;

use splitcost_model::finding::{CallStep, Confidence, Finding, Location};
use twox_hash::XxHash64;

use crate::effect::{CallerIndex, Effect, Spread, has};
use crate::form::{Constant, Expr, ExprId, Loop, Range, ScopeKind};
use crate::library::Traits;
use crate::resolve::{CallEdge, CallManner, CallSite, Callee, Resolution};
use crate::source::SourceFile;
use crate::value::{ScopeNumber, Symbol, Value, Values};

mod blocking_call_in_thread;
mod blocking_in_async;
mod call_in_loop;
mod client_per_call;
mod grpc_in_async_misuse;
mod http2_not_spoken;
mod missing_timeout;
mod object_dict_in_response;
mod serial_awaits;
mod slow_json;
mod unbounded_response;
mod unencodable_value;
mod unsafe_retry;

/// A rule: its code, its name and its documentation page.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The code, such as `SC101`.
    pub code: &'static str,
    /// The name, such as `blocking-http-in-async`.
    pub name: &'static str,
    /// The documentation page in Markdown: what the rule finds, why that is bad, an example, what to use instead, and when
    /// the code is acceptable.
    pub page: &'static str,
    pub(crate) find: fn(&Context<'_>, &Rule, &mut Vec<Finding>),
}

/// All rules, ordered by code.
pub const RULES: &[Rule] = &[
    blocking_in_async::HTTP,
    blocking_in_async::DATABASE,
    blocking_in_async::WAIT,
    blocking_call_in_thread::RULE,
    call_in_loop::REMOTE,
    call_in_loop::QUERY,
    serial_awaits::RULE,
    missing_timeout::RULE,
    unsafe_retry::RULE,
    client_per_call::RULE,
    slow_json::RULE,
    unencodable_value::RULE,
    object_dict_in_response::RULE,
    unbounded_response::RULE,
    http2_not_spoken::RULE,
    grpc_in_async_misuse::RULE,
];

/// The resolved program, and the effects that several rules need.
pub(crate) struct Context<'a> {
    pub(crate) resolution: &'a Resolution<'a>,
    sources: &'a [SourceFile],
    blocking_http: Effect,
    blocking_database: Effect,
    blocking_wait: Effect,
    remote: Effect,
    query: Effect,
    pause: Effect,
    /// For each place, whether a request may reach it.
    on_request: Vec<bool>,
}

/// The traits of blocking calls to other services.
pub(crate) const HTTP: Traits = Traits::BLOCKING_HTTP.or(Traits::BLOCKING_GRPC);
/// The traits of calls to other services.
pub(crate) const REMOTE: Traits = HTTP.or(Traits::AWAITED_REMOTE);
/// The traits of exchanges with a database.
pub(crate) const QUERY: Traits = Traits::BLOCKING_DATABASE.or(Traits::AWAITED_DATABASE);

impl<'a> Context<'a> {
    pub(crate) fn new(resolution: &'a Resolution<'a>, sources: &'a [SourceFile]) -> Self {
        let blocking = || {
            let steps = CallerIndex::of(resolution, Spread::Blocking);
            [HTTP, Traits::BLOCKING_DATABASE, Traits::BLOCKING_WAIT]
                .map(|traits| Effect::of(resolution, &steps, traits))
        };
        let everywhere = || {
            let steps = CallerIndex::of(resolution, Spread::Everywhere);
            [REMOTE, QUERY, Traits::PAUSE].map(|traits| Effect::of(resolution, &steps, traits))
        };
        let ([blocking_http, blocking_database, blocking_wait], [remote, query, pause]) =
            rayon::join(blocking, everywhere);
        Self {
            blocking_http,
            blocking_database,
            blocking_wait,
            remote,
            query,
            pause,
            on_request: on_request(resolution),
            resolution,
            sources,
        }
    }

    /// Returns all functions and lambdas.
    fn functions(&self) -> impl Iterator<Item = ScopeNumber> {
        let program = self.resolution.program;
        (0..program.places() as ScopeNumber)
            .filter(move |place| matches!(program.scope(*place).kind, ScopeKind::Function | ScopeKind::Lambda))
    }

    fn sites(&self, place: ScopeNumber) -> &[CallSite] {
        &self.resolution.sites[place as usize]
    }

    fn location(&self, place: ScopeNumber, range: Range) -> Location {
        self.sources[self.resolution.program.file_of(place) as usize].location(range)
    }

    fn name(&self, callee: Callee) -> String {
        match callee {
            Callee::Inside(place) => self.resolution.program.path(place),
            Callee::Outside(outside) => self.resolution.path(outside).to_owned(),
        }
    }

    /// Returns a finding in a function, with the call path to the call that it is about.
    fn finding(
        &self,
        rule: &Rule,
        place: ScopeNumber,
        range: Range,
        message: String,
        way: &[(ScopeNumber, &CallEdge)],
    ) -> Finding {
        let program = self.resolution.program;
        let one_target = |place: &ScopeNumber, edge: &CallEdge| {
            let alike = self.resolution.edges[*place as usize].iter().filter(|other| other.range == edge.range);
            let is_other = |other: &&CallEdge| match (other.callee, edge.callee) {
                (Callee::Inside(wrapper), Callee::Inside(function)) => {
                    wrapper != function && !self.resolution.is_wrapper(wrapper, function)
                }
                (Callee::Inside(_), Callee::Outside(_)) => true,
                (Callee::Outside(_), _) => false,
            };
            !alike.into_iter().any(|other| is_other(&other))
        };
        let certain = way.iter().all(|(place, edge)| one_target(place, edge));
        let steps = way.iter().map(|(place, edge)| CallStep {
            location: self.location(*place, edge.range),
            function: program.path(*place),
            callee: self.name(edge.callee),
        });
        let location = self.location(place, range);
        let function = program.path(place);
        let fingerprint = format!("{}\n{function}\n{}", rule.code, location.text.trim());
        Finding {
            code: rule.code.to_owned(),
            name: rule.name.to_owned(),
            fingerprint: format!("{:016x}", XxHash64::oneshot(0, fingerprint.as_bytes())),
            location,
            function,
            message,
            help: None,
            way: if way.len() > 1 { steps.collect() } else { Vec::new() },
            confidence: if certain { Confidence::Certain } else { Confidence::Possible },
            price: None,
        }
    }

    /// Returns an argument of a call by its name.
    fn keyword(&self, place: ScopeNumber, site: &CallSite, name: &str) -> Option<ExprId> {
        let scope = self.resolution.program.scope(place);
        let program = self.resolution.program;
        scope.calls[site.call as usize]
            .keywords
            .iter()
            .find(|(key, _)| key.is_some_and(|key| program.symbols.text(program.symbol(place, key)) == name))
            .map(|(_, value)| *value)
    }

    /// Returns whether a call passes arguments by `**`.
    fn has_rest(&self, place: ScopeNumber, site: &CallSite) -> bool {
        let call = &self.resolution.program.scope(place).calls[site.call as usize];
        call.keywords.iter().any(|(key, _)| key.is_none())
    }

    fn is_none(&self, place: ScopeNumber, expr: ExprId) -> bool {
        matches!(self.resolution.program.scope(place).exprs[expr as usize], Expr::Constant(Constant::None))
    }

    /// Returns whether a function answers requests: whether it has the decorator of a route.
    fn is_route(&self, place: ScopeNumber) -> bool {
        is_route(self.resolution, place)
    }
}

fn is_route(resolution: &Resolution<'_>, place: ScopeNumber) -> bool {
    resolution.decorators(place).any(|value| match value {
        Value::Outside(outside) | Value::Made(outside) => resolution.traits(outside).has(Traits::ROUTE),
        _ => false,
    })
}

/// Returns, for each place, whether a route reaches it.
fn on_request(resolution: &Resolution<'_>) -> Vec<bool> {
    let program = resolution.program;
    let mut reached = vec![false; program.places()];
    let mut pending: Vec<ScopeNumber> =
        (0..program.places() as ScopeNumber).filter(|place| is_route(resolution, *place)).collect();
    while let Some(place) = pending.pop() {
        if std::mem::replace(&mut reached[place as usize], true) {
            continue;
        }
        for edge in &resolution.edges[place as usize] {
            if let Callee::Inside(callee) = edge.callee {
                pending.push(callee);
            }
        }
    }
    reached
}

/// Returns whether a loop counts, by `range` or `itertools.count`, rather than goes through elements.
fn counts(resolution: &Resolution<'_>, place: ScopeNumber, round: &Loop) -> bool {
    let scope = resolution.program.scope(place);
    let Some(Expr::Call(call)) = round.iter.map(|iter| &scope.exprs[iter as usize]) else { return false };
    let mut callees = resolution.edges[place as usize].iter().filter(|edge| edge.call == Some(*call));
    callees.any(|edge| match edge.callee {
        Callee::Outside(outside) => matches!(resolution.path(outside), "builtins.range" | "itertools.count"),
        Callee::Inside(_) => false,
    })
}

/// The number of findings of a rule that are shown for one call. Chosen: three show where to fix the code.
const MAX_PATHS_TO_ONE_CALL: usize = 3;

/// Keeps the findings with the shortest call paths among those of a rule that lead to the same call. The first of them
/// says how many were left out.
pub(crate) fn fold(findings: &mut Vec<Finding>) {
    let mut by_end: BTreeMap<(String, String, u32, u32), Vec<usize>> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        if let Some(CallStep { location, .. }) = finding.way.last() {
            let end = (finding.code.clone(), location.path.clone(), location.line, location.column);
            by_end.entry(end).or_default().push(index);
        }
    }
    let mut is_left_out = vec![false; findings.len()];
    for mut alike in by_end.into_values().filter(|alike| alike.len() > MAX_PATHS_TO_ONE_CALL) {
        alike.sort_by_key(|index| findings[*index].way.len());
        for index in &alike[MAX_PATHS_TO_ONE_CALL..] {
            is_left_out[*index] = true;
        }
        let more = alike.len() - MAX_PATHS_TO_ONE_CALL;
        let first = &mut findings[alike[0]];
        first.message = format!("{}; {more} more places lead to the same call", first.message);
    }
    let mut left_out = is_left_out.into_iter();
    findings.retain(|_| !left_out.next().unwrap_or(false));
}

/// Returns whether an edge leads to an effect, directly or through functions.
fn leads_to(context: &Context<'_>, place: ScopeNumber, edge: &CallEdge, effect: &Effect, traits: Traits) -> bool {
    match edge.callee {
        _ if edge.manner == CallManner::Dispatched => false,
        Callee::Outside(outside) => has(context.resolution, place, edge, outside, traits),
        Callee::Inside(callee) => effect.is_in(callee),
    }
}

/// Returns the values of an argument, by its position or its name.
fn argument(site: &CallSite, position: usize, name: Option<Symbol>) -> Option<&Values> {
    site.positional
        .get(position)
        .or_else(|| site.named.iter().find(|(key, _)| Some(*key) == name).map(|(_, values)| values))
}

//! The rules: one short file each.

use std::collections::BTreeMap;

use splitcost_model::finding::{Confidence, Finding, Location, Step};
use twox_hash::XxHash64;

use crate::effect::{Effect, Spread, Steps, has};
use crate::evaluate::{Callee, Edge, Evaluation, Manner, Site};
use crate::form::{Constant, Expr, ExprId, Kind, Loop, Range};
use crate::library::Traits;
use crate::source::Source;
use crate::value::{Place, Symbol, Value, Values};

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

/// A rule: its code and name, and its documentation page.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// As `SC101`.
    pub code: &'static str,
    /// As `blocking-http-in-async`.
    pub name: &'static str,
    /// What, why it hurts, example, instead, when it is fine: Markdown.
    pub page: &'static str,
    pub(crate) find: fn(&Context<'_>, &Rule, &mut Vec<Finding>),
}

/// All rules, by their codes.
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

/// What rules look at.
pub(crate) struct Context<'a> {
    pub(crate) evaluation: &'a Evaluation<'a>,
    sources: &'a [Source],
    blocking_http: Effect,
    blocking_database: Effect,
    blocking_wait: Effect,
    remote: Effect,
    query: Effect,
    pause: Effect,
    /// Functions that a request may reach.
    on_request: Vec<bool>,
}

pub(crate) const HTTP: Traits = Traits::BLOCKING_HTTP.or(Traits::BLOCKING_GRPC);
pub(crate) const REMOTE: Traits = HTTP.or(Traits::AWAITED_REMOTE);
pub(crate) const QUERY: Traits = Traits::BLOCKING_DATABASE.or(Traits::AWAITED_DATABASE);

impl<'a> Context<'a> {
    pub(crate) fn new(evaluation: &'a Evaluation<'a>, sources: &'a [Source]) -> Self {
        let blocking = || {
            let steps = Steps::of(evaluation, Spread::Blocking);
            [HTTP, Traits::BLOCKING_DATABASE, Traits::BLOCKING_WAIT]
                .map(|traits| Effect::of(evaluation, &steps, traits))
        };
        let everywhere = || {
            let steps = Steps::of(evaluation, Spread::Everywhere);
            [REMOTE, QUERY, Traits::PAUSE].map(|traits| Effect::of(evaluation, &steps, traits))
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
            on_request: on_request(evaluation),
            evaluation,
            sources,
        }
    }

    /// All functions and lambdas.
    fn functions(&self) -> impl Iterator<Item = Place> {
        let program = self.evaluation.program;
        (0..program.places() as Place)
            .filter(move |place| matches!(program.scope(*place).kind, Kind::Function | Kind::Lambda))
    }

    fn sites(&self, place: Place) -> &[Site] {
        &self.evaluation.sites[place as usize]
    }

    fn location(&self, place: Place, range: Range) -> Location {
        self.sources[self.evaluation.program.file_of(place) as usize].location(range)
    }

    fn name(&self, callee: Callee) -> String {
        match callee {
            Callee::Inside(place) => self.evaluation.program.path(place),
            Callee::Outside(outside) => self.evaluation.path(outside).to_owned(),
        }
    }

    /// A finding in a function, with the way to what hurts.
    fn finding(&self, rule: &Rule, place: Place, range: Range, message: String, way: &[(Place, &Edge)]) -> Finding {
        let program = self.evaluation.program;
        let one_target = |place: &Place, edge: &Edge| {
            let alike = self.evaluation.edges[*place as usize].iter().filter(|other| other.range == edge.range);
            let is_other = |other: &&Edge| match (other.callee, edge.callee) {
                (Callee::Inside(wrapper), Callee::Inside(function)) => {
                    wrapper != function && !self.evaluation.is_wrapper(wrapper, function)
                }
                (Callee::Inside(_), Callee::Outside(_)) => true,
                (Callee::Outside(_), _) => false,
            };
            !alike.into_iter().any(|other| is_other(&other))
        };
        let certain = way.iter().all(|(place, edge)| one_target(place, edge));
        let steps = way.iter().map(|(place, edge)| Step {
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

    /// An argument of a call, by its name.
    fn keyword(&self, place: Place, site: &Site, name: &str) -> Option<ExprId> {
        let scope = self.evaluation.program.scope(place);
        let program = self.evaluation.program;
        scope.calls[site.call as usize]
            .keywords
            .iter()
            .find(|(key, _)| key.is_some_and(|key| program.symbols.text(program.symbol(place, key)) == name))
            .map(|(_, value)| *value)
    }

    /// Whether a call is given more arguments by `**`.
    fn has_rest(&self, place: Place, site: &Site) -> bool {
        let call = &self.evaluation.program.scope(place).calls[site.call as usize];
        call.keywords.iter().any(|(key, _)| key.is_none())
    }

    fn is_none(&self, place: Place, expr: ExprId) -> bool {
        matches!(self.evaluation.program.scope(place).exprs[expr as usize], Expr::Constant(Constant::None))
    }

    /// Whether a function answers requests: a route's decorator says so.
    fn is_route(&self, place: Place) -> bool {
        is_route(self.evaluation, place)
    }
}

fn is_route(evaluation: &Evaluation<'_>, place: Place) -> bool {
    evaluation.decorators(place).any(|value| match value {
        Value::Outside(outside) | Value::Made(outside) => evaluation.traits(outside).has(Traits::ROUTE),
        _ => false,
    })
}

/// What routes and coroutines with parameters reach.
fn on_request(evaluation: &Evaluation<'_>) -> Vec<bool> {
    let program = evaluation.program;
    let mut reached = vec![false; program.places()];
    let mut pending: Vec<Place> = (0..program.places() as Place).filter(|place| is_route(evaluation, *place)).collect();
    while let Some(place) = pending.pop() {
        if std::mem::replace(&mut reached[place as usize], true) {
            continue;
        }
        for edge in &evaluation.edges[place as usize] {
            if let Callee::Inside(callee) = edge.callee {
                pending.push(callee);
            }
        }
    }
    reached
}

/// Whether a loop counts rather than goes through elements.
fn counts(evaluation: &Evaluation<'_>, place: Place, round: &Loop) -> bool {
    let scope = evaluation.program.scope(place);
    let Some(Expr::Call(call)) = round.iter.map(|iter| &scope.exprs[iter as usize]) else { return false };
    let mut callees = evaluation.edges[place as usize].iter().filter(|edge| edge.call == Some(*call));
    callees.any(|edge| match edge.callee {
        Callee::Outside(outside) => matches!(evaluation.path(outside), "builtins.range" | "itertools.count"),
        Callee::Inside(_) => false,
    })
}

/// Chosen: who sees three ways to the same place knows where to mend it.
const MAX_WAYS: usize = 3;

/// Of a rule's findings whose ways end at the same place, the shortest ones; the first says how many there are.
pub(crate) fn fold(findings: &mut Vec<Finding>) {
    let mut by_end: BTreeMap<(String, String, u32, u32), Vec<usize>> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        if let Some(Step { location, .. }) = finding.way.last() {
            let end = (finding.code.clone(), location.path.clone(), location.line, location.column);
            by_end.entry(end).or_default().push(index);
        }
    }
    let mut is_left_out = vec![false; findings.len()];
    for mut alike in by_end.into_values().filter(|alike| alike.len() > MAX_WAYS) {
        alike.sort_by_key(|index| findings[*index].way.len());
        for index in &alike[MAX_WAYS..] {
            is_left_out[*index] = true;
        }
        let more = alike.len() - MAX_WAYS;
        let first = &mut findings[alike[0]];
        first.message = format!("{}; {more} more such places lead there", first.message);
    }
    let mut left_out = is_left_out.into_iter();
    findings.retain(|_| !left_out.next().unwrap_or(false));
}

/// Whether an edge leads to an effect, by itself or through functions.
fn leads_to(context: &Context<'_>, place: Place, edge: &Edge, effect: &Effect, traits: Traits) -> bool {
    match edge.callee {
        _ if edge.manner == Manner::Dispatched => false,
        Callee::Outside(outside) => has(context.evaluation, place, edge, outside, traits),
        Callee::Inside(callee) => effect.is_in(callee),
    }
}

/// The values of an argument.
fn argument(site: &Site, position: usize, name: Option<Symbol>) -> Option<&Values> {
    site.positional
        .get(position)
        .or_else(|| site.named.iter().find(|(key, _)| Some(*key) == name).map(|(_, values)| values))
}

//! The judgement of a split, in one plain sentence, by the thresholds in this file.
//!
//! Each threshold is tried three times: on the point estimates, and on both ends of the intervals. A measured difference that
//! is not beyond the noise counts as none, except at the end that speaks against the split. If the two ends lie more than one
//! class apart, the sentence says that there is no verdict, and what would settle it.

use std::collections::BTreeSet;

use splitcost_model::audit::Audit;
use splitcost_model::database::Database;
use splitcost_model::estimate::{CallBack, CrossingCost, EstimatedEndpoint, Hop, Quantile, ServiceWork};
use splitcost_model::number::{count, factor, number, short};
use splitcost_model::split::MAIN_SERVICE;
use splitcost_model::study::{Change, EndpointComparison, Origin, Ratios, SplitStudy, Verdict, VerdictClass};

/// An endpoint this many times slower is a reason not to split, if [`PROHIBITIVE_ADDED_MS`] holds too.
///
/// Chosen: teams live with a doubled response time more often than with a tripled one.
pub const PROHIBITIVE_SLOWDOWN: f64 = 3.0;
/// Added milliseconds below which no slowdown is a reason not to split.
///
/// Chosen: two frames of a screen at 100 Hz; users of a page do not see less.
pub const PROHIBITIVE_ADDED_MS: f64 = 20.0;
/// An endpoint this many times slower is a cost, if [`COSTLY_ADDED_MS`] holds too.
///
/// Chosen: a quarter is more than releases usually differ by.
pub const COSTLY_SLOWDOWN: f64 = 1.25;
/// Added milliseconds below which a slowdown is no cost worth a word.
///
/// Chosen: less than the jitter of one mobile or office network hop.
pub const COSTLY_ADDED_MS: f64 = 5.0;
/// Throughput left at saturation, as a share of the monolith's, at or below which a split is not worth it.
///
/// Chosen: half means twice the machines for the same work.
pub const PROHIBITIVE_SATURATION: f64 = 0.5;
/// The same share, at or below which a split costs something.
///
/// Chosen: a fifth less is usually an instance more.
pub const COSTLY_SATURATION: f64 = 0.8;
/// The same share, at or above which a split buys something.
///
/// Chosen: the mirror image of [`COSTLY_SATURATION`].
pub const GAINING_SATURATION: f64 = 1.2;
/// Cores busy beyond the monolith's at which a split costs something, if they are a quarter more as well.
///
/// Chosen: half a core is the smallest step most platforms sell.
pub const COSTLY_CORES: f64 = 0.5;
/// Share of requests below which an endpoint decides nothing.
///
/// Chosen: a route that fewer than one request in a hundred uses may be slow.
pub const DECIDING_SHARE: f64 = 0.01;
/// Calls per request from which batching is the remedy to name.
///
/// Chosen: below three there is little to batch.
pub const BATCHABLE_CALLS_PER_REQUEST: f64 = 3.0;

/// Share of an endpoint's requests that fail, from which on the split is out of the question.
///
/// Chosen: services promise 99 % of answers at the very least.
pub const FAILING_SHARE: f64 = 0.01;
/// The share of the calls between services that must carry data of measured size before a boundary can be called cheap.
///
/// Chosen: what one call in ten costs is seldom more than what the intervals leave open.
pub const MEASURED_SHARE: f64 = 0.9;

/// The share of the recorded work of a service's modules that must run there before its boundary can be called possible.
///
/// Chosen: with less than half, most of the work stays where it was, and the split buys little of what it is for.
pub const WORK_SHARE: f64 = 0.5;

/// Judges a split by its measurements, or if it was not run as a whole, by its prediction.
pub fn judge(split: &SplitStudy) -> Verdict {
    if let Some(call_back) = split.estimate.call_backs.first() {
        return never_answered(split, call_back);
    }
    if !split.estimate.circular_wait.is_empty() {
        return stands_still(split);
    }
    if let Some(endpoint) = times_out(split) {
        return fails(split, endpoint);
    }
    let slowdowns = slowdowns(split);
    if let Some(Missing { reason, remedy }) = missing(split) {
        let sentence = format!("No verdict on {}: {reason}. To get one, {remedy}.", quoted(&split.name));
        return Verdict { class: VerdictClass::Undecided, sentence };
    }
    let [best, middle, worst] =
        [Bound::Best, Bound::Middle, Bound::Worst].map(|bound| class_at(split, &slowdowns, bound));
    let undecided = worst as i32 - best as i32 > 1;
    let class = if undecided { VerdictClass::Undecided } else { middle };

    let culprit = culprit(&slowdowns);
    let reasons = reasons(split, culprit);
    let caveat = if undecided {
        let remedy = settles(split, &slowdowns, culprit);
        format!(", the intervals reach from “{}” to “{}”; {remedy}", words(best), words(worst))
    } else if best == worst {
        String::new()
    } else {
        let other = if best == middle { worst } else { best };
        format!(" (within the intervals, “{}” is possible too)", words(other))
    };
    let sentence = format!("{} {reasons}: {}{caveat}.", subject(split), conclusion(split, class, culprit));
    Verdict { class, sentence }
}

/// Returns true where requests are never answered, which needs no figures.
pub(crate) fn never_ends(split: &SplitStudy) -> bool {
    !(split.estimate.call_backs.is_empty() && split.estimate.circular_wait.is_empty())
}

/// The reason why the data do not suffice for a judgement, and what would change that: both without a full stop.
struct Missing {
    reason: String,
    remedy: String,
}

/// Returns the reason why the data do not suffice for a judgement, if there is one.
pub fn lacks_evidence(split: &SplitStudy) -> Option<String> {
    missing(split).map(|missing| missing.reason)
}

fn missing(split: &SplitStudy) -> Option<Missing> {
    let missing = |reason: String, remedy: &str| Some(Missing { reason, remedy: remedy.to_owned() });
    let audit = split.rehearsal.as_ref().map(|rehearsal| &rehearsal.audit);
    if let Some(audit) = audit.filter(|audit| !audit.holds()) {
        return missing(
            failed_audit(audit),
            "let the app start from the state that it was recorded in (`setup` in the settings), or record it anew, and \
             rehearse it again",
        );
    }
    let answers = split.rehearsal.as_ref().and_then(|rehearsal| rehearsal.answers.as_ref());
    if let Some(answers) = answers.filter(|answers| !answers.holds()) {
        return missing(
            answers.in_words(),
            "give the calls what their answers depend on, or leave the endpoints out of the workload, and rehearse it again",
        );
    }
    if never_ends(split) || times_out(split).is_some() {
        return None;
    }
    let slowdowns = slowdowns(split);
    if slowdowns.is_empty() {
        let count = split.comparison.endpoints.len();
        return missing(
            format!("none of {count} endpoints has response times of both the monolith and the split"),
            "record requests that are answered (`splitcost show` lists those that failed)",
        );
    }
    let class = class_at(split, &slowdowns, Bound::Middle);
    if class < VerdictClass::Prohibitive
        && let Some(reason) = does_not_separate(split)
    {
        return missing(
            reason,
            "record requests that use the service's own functions, or draw its boundary around that work",
        );
    }
    let evidence = split.estimate.evidence;
    if class <= VerdictClass::Cheap && evidence.measured_share() < MEASURED_SHARE {
        let reason = format!(
            "only {} of {} calls per request between services carry data whose size was measured{}",
            short(evidence.measured_per_request),
            short(evidence.calls_per_request),
            split.cannot_cross.first().map(|call| format!(" ({}: {})", call.callee, call.reason)).unwrap_or_default()
        );
        return missing(
            reason,
            "let the other calls carry plain data, or give their values an adapter in the settings",
        );
    }
    None
}

/// Returns what would settle a judgement whose intervals are too wide: the figure that leaves it open, and how to narrow it.
fn settles(split: &SplitStudy, slowdowns: &[Slowdown], culprit: &Slowdown) -> String {
    let open = |slowdown: &Slowdown| {
        let [best, worst] = [Bound::Best, Bound::Worst].map(|bound| slowdown.class(bound));
        worst as i32 - best as i32
    };
    let widest =
        slowdowns.iter().chain([culprit]).max_by_key(|slowdown| open(slowdown)).filter(|widest| open(widest) > 0);
    let (figure, change) = match (widest, saturation(split)) {
        (Some(Slowdown { endpoint, figure, change, .. }), _) => {
            (format!("the time of {} {}", endpoint.name, phrase(*figure)), change)
        }
        (None, Some(change)) => ("its saturation".to_owned(), change),
        (None, None) => return "more requests settle it".to_owned(),
    };
    let [(before, low), (least, high)] = [Bound::Best, Bound::Worst].map(|bound| at(change, bound));
    let range = format!("{figure}, now {} to {} the monolith's", factor(low / before), factor(high / least));
    match change.origin {
        Origin::Predicted => {
            format!("a rehearsal settles it, or more recorded requests: {range}, has to be known better")
        }
        Origin::Measured => {
            format!("a smaller --precision with a larger --budget settles it: {range}, has to be known better")
        }
    }
}

/// Returns the reason why the boundary of a service does not separate its work from the rest, if there is one.
fn does_not_separate(split: &SplitStudy) -> Option<String> {
    let share = |work: &&ServiceWork| work.share().unwrap_or_default();
    let least = split.estimate.work.iter().min_by(|a, b| share(a).total_cmp(&share(b)))?;
    let modules = split.modules_of(&least.service);
    let words = least.in_words(modules);
    match least.share() {
        None => Some(words),
        Some(share) if share < WORK_SHARE => {
            Some(format!("the boundary of {} does not separate its work: {words}", least.service))
        }
        Some(_) => None,
    }
}

fn failed_audit(audit: &Audit) -> String {
    let counts = format!(
        "for the same requests {} calls between services per request were predicted and {} were answered",
        short(audit.predicted_per_request),
        short(audit.answered_per_request)
    );
    match audit.differences.first() {
        Some(worst) => format!(
            "{counts}; the largest difference is {} from {} in {}, {} predicted and {} answered: {}",
            worst.site.callee,
            worst.site.caller,
            worst.site.endpoint,
            short(worst.predicted_per_request),
            short(worst.answered_per_request),
            worst.cause
        ),
        None => counts,
    }
}

/// A split whose requests wait for themselves.
fn never_answered(split: &SplitStudy, call_back: &CallBack) -> Verdict {
    let module = call_back.path.last().and_then(|hop| hop.callee.split(':').next()).unwrap_or_default();
    let sentence = format!(
        "{} never answers {}: {}. Do not split here before the first of these calls is awaited, or every service has a copy of \
         {module} (copied = [\"{module}\"]).",
        subject(split),
        call_back.endpoint,
        path_in_words(call_back)
    );
    Verdict { class: VerdictClass::Prohibitive, sentence }
}

/// A split whose requests wait for each other.
fn stands_still(split: &SplitStudy) -> Verdict {
    let circle = &split.estimate.circular_wait;
    let modules: BTreeSet<&str> = circle.iter().filter_map(|hop| hop.callee.split(':').next()).collect();
    let sentence = format!(
        "{} stands still as soon as requests overlap: {}. Do not split here before one of these calls is awaited, or every \
         service has a copy of {}.",
        subject(split),
        circle_in_words(circle),
        modules.into_iter().collect::<Vec<_>>().join(" or "),
    );
    Verdict { class: VerdictClass::Prohibitive, sentence }
}

/// Returns the endpoint that fails most, if calls between services take longer than their timeout too often. Only a split
/// that was not measured as a whole is judged by this prediction.
fn times_out(split: &SplitStudy) -> Option<&EstimatedEndpoint> {
    let is_measured = split.rehearsal.is_some() && split.estimate.as_rehearsed.is_none();
    let endpoints = &split.estimate.endpoints;
    let total: u64 = endpoints.iter().map(|endpoint| endpoint.requests).sum();
    endpoints
        .iter()
        .filter(|endpoint| !is_measured && endpoint.requests as f64 >= DECIDING_SHARE * total as f64)
        .filter(|endpoint| endpoint.timed_out_share >= FAILING_SHARE)
        .max_by(|a, b| a.timed_out_share.total_cmp(&b.timed_out_share))
}

/// A split whose calls take longer than their timeout.
fn fails(split: &SplitStudy, endpoint: &EstimatedEndpoint) -> Verdict {
    let sentence = format!(
        "{} fails {} % of the requests of {}, as calls between services take longer than their timeout (predicted): do not \
         split here with this timeout (`calls` in the settings of the split).",
        subject(split),
        short(100.0 * endpoint.timed_out_share),
        endpoint.name,
    );
    Verdict { class: VerdictClass::Prohibitive, sentence }
}

/// Returns the path of a call that is never answered, in words.
pub fn path_in_words(call_back: &CallBack) -> String {
    let hops: Vec<String> = call_back.path.iter().map(hop_in_words).collect();
    let blocked = call_back.path.first().map(|hop| hop.caller_service.as_str()).unwrap_or_default();
    format!("{}, while the event loop of {blocked} waits for the first of these calls", hops.join(", "))
}

/// Returns calls by which requests wait for each other, in words.
pub fn circle_in_words(circle: &[Hop]) -> String {
    let hops: Vec<String> = circle.iter().map(|hop| format!("{} for {}", hop_in_words(hop), hop.endpoint)).collect();
    format!("{}, each while the event loop that the other needs waits for the answer", join(&hops))
}

fn hop_in_words(hop: &Hop) -> String {
    format!("{} calls {} in {} ({}:{})", hop.caller_service, hop.callee, hop.callee_service, hop.file, hop.line)
}

/// Recorded requests of an endpoint from which on its 99th percentile decides.
///
/// Chosen: ten requests lie beyond it. With fewer, one late request is the percentile.
pub const P99_REQUESTS: u64 = 1_000;

/// Measured requests of an endpoint in each arm from which on its 90th percentile decides, where the 99th is not claimed.
///
/// Chosen: fifty requests lie beyond it, as beyond a 99th percentile that is claimed.
pub const P90_REQUESTS: u64 = 500;

/// An endpoint's time before and after.
struct Slowdown<'a> {
    endpoint: &'a EndpointComparison,
    figure: Figure,
    change: Change,
    /// The change was measured, and is not beyond the noise.
    is_noise: bool,
}

impl Slowdown<'_> {
    /// Returns its class at a bound. What is not beyond the noise is no slowdown, except at the worst end of the interval.
    fn class(&self, bound: Bound) -> VerdictClass {
        if self.is_noise && bound != Bound::Worst { VerdictClass::Cheap } else { slowdown_class(&self.change, bound) }
    }
}

/// A time that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// The median of lone requests.
    Alone,
    /// The median under load, where lone requests are not known.
    Median,
    /// A high percentile under load.
    Tail(Quantile),
}

/// Every endpoint that decides, alone and, with enough requests, at a high percentile under load.
fn slowdowns(split: &SplitStudy) -> Vec<Slowdown<'_>> {
    let endpoints = &split.comparison.endpoints;
    let total: u64 = endpoints.iter().map(|endpoint| endpoint.requests).sum();
    let decides = |e: &&EndpointComparison| total == 0 || e.requests as f64 >= DECIDING_SHARE * total as f64;
    endpoints
        .iter()
        .filter(decides)
        .flat_map(|endpoint| {
            let alone = endpoint.alone_ms.map(|change| (Figure::Alone, change));
            let first = alone.or_else(|| Some((Figure::Median, endpoint.p50_ms?)));
            let all = first.into_iter().chain(tail(split, endpoint)).filter(|(_, change)| change.before.value > 0.0);
            all.map(move |(figure, change)| {
                let ratios = match figure {
                    Figure::Alone => &endpoint.ratios.alone,
                    Figure::Median => &endpoint.ratios.p50,
                    Figure::Tail(quantile) => endpoint.ratios.at(quantile),
                };
                Slowdown { endpoint, figure, change, is_noise: is_noise(&change, ratios) }
            })
        })
        .collect()
}

/// Returns the highest percentile of an endpoint for which there are enough requests.
fn tail(split: &SplitStudy, endpoint: &EndpointComparison) -> Option<(Figure, Change)> {
    let claimed = |change: &Change| change.origin == Origin::Measured || endpoint.requests >= P99_REQUESTS;
    let p99 = endpoint.p99_ms.filter(claimed).map(|change| (Figure::Tail(Quantile::P99), change));
    p99.or_else(|| {
        let mut measured = split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.endpoints);
        let requests = measured.find(|measured| measured.name == endpoint.name)?.requests;
        let p90 = endpoint.p90_ms.filter(|change| change.origin == Origin::Measured)?;
        (requests.monolith.min(requests.split) >= P90_REQUESTS).then_some((Figure::Tail(Quantile::P90), p90))
    })
}

/// Ends of the intervals that a threshold is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// The ends that favour the split.
    Best,
    /// The point estimates.
    Middle,
    /// The ends that speak against it.
    Worst,
}

/// The values before and after at a bound, for a number of which more is worse.
fn at(change: &Change, bound: Bound) -> (f64, f64) {
    match bound {
        Bound::Best => (change.before.high, change.after.low),
        Bound::Middle => (change.before.value, change.after.value),
        Bound::Worst => (change.before.low, change.after.high),
    }
}

fn class_at(split: &SplitStudy, slowdowns: &[Slowdown], bound: Bound) -> VerdictClass {
    let mut class = slowdowns.iter().map(|s| s.class(bound)).max().unwrap_or(VerdictClass::Cheap);
    let ratios = &split.comparison.ratios;
    let counts = |change: &&Change, ratios: &Ratios| bound == Bound::Worst || !is_noise(change, ratios);
    if let Some(cores) = split.comparison.cores.as_ref().filter(|cores| counts(cores, &ratios.cores)) {
        let (before, after) = at(cores, bound);
        if after - before >= COSTLY_CORES && after >= COSTLY_SLOWDOWN * before {
            class = class.max(VerdictClass::Costly);
        }
    }
    if let Some(saturation) = saturation(split).filter(|saturation| counts(saturation, &ratios.saturation)) {
        // More is better here, so the good end is where the cost's bad end would be.
        let (before, after) = match bound {
            Bound::Best => at(saturation, Bound::Worst),
            Bound::Middle => at(saturation, Bound::Middle),
            Bound::Worst => at(saturation, Bound::Best),
        };
        let share = after / before;
        if share <= PROHIBITIVE_SATURATION {
            class = class.max(VerdictClass::Prohibitive);
        } else if share <= COSTLY_SATURATION {
            class = class.max(VerdictClass::Costly);
        } else if share >= GAINING_SATURATION && class == VerdictClass::Cheap {
            class = VerdictClass::Gains;
        }
    }
    class
}

fn slowdown_class(change: &Change, bound: Bound) -> VerdictClass {
    let (before, after) = at(change, bound);
    let (ratio, added) = (after / before, after - before);
    if ratio >= PROHIBITIVE_SLOWDOWN && added >= PROHIBITIVE_ADDED_MS {
        VerdictClass::Prohibitive
    } else if ratio >= COSTLY_SLOWDOWN && added >= COSTLY_ADDED_MS {
        VerdictClass::Costly
    } else {
        VerdictClass::Cheap
    }
}

/// The slowdown to name: of the worst kind, the median before the tail, then the largest factor.
fn culprit<'a>(slowdowns: &'a [Slowdown<'a>]) -> &'a Slowdown<'a> {
    let mut worst = &slowdowns[0];
    for candidate in &slowdowns[1..] {
        let rank = |s: &Slowdown| (s.class(Bound::Middle), !matches!(s.figure, Figure::Tail(_)), !s.is_noise);
        let (a, b) = (rank(candidate), rank(worst));
        if a > b || (a == b && candidate.change.ratio > worst.change.ratio) {
            worst = candidate;
        }
    }
    worst
}

fn saturation(split: &SplitStudy) -> Option<&Change> {
    split.comparison.saturation.as_ref().filter(|change| change.before.value > 0.0)
}

/// Returns true if a change was measured and is not beyond the noise.
fn is_noise(change: &Change, ratios: &Ratios) -> bool {
    change.origin == Origin::Measured && ratios.is_noise()
}

/// `pricing as its own service`.
fn subject(split: &SplitStudy) -> String {
    let own: Vec<&str> = split.services.iter().map(|s| s.name.as_str()).filter(|name| *name != MAIN_SERVICE).collect();
    match own.as_slice() {
        [] => format!("Split {}", quoted(&split.name)),
        [one] => format!("{one} as its own service"),
        [rest @ .., last] => format!("splitting off {} and {last}", rest.join(", ")),
    }
}

fn quoted(name: &str) -> String {
    format!("“{name}”")
}

/// The effects of the split: the endpoint that suffers most, cores, saturation, and calls that cannot cross.
fn reasons(split: &SplitStudy, culprit: &Slowdown) -> String {
    let change = culprit.change;
    let origin = change.origin;
    // A number of another origin than the first one says so.
    let other = |number: Origin| if number == origin { String::new() } else { format!(" ({})", number.name()) };
    let times = format!("{} → {} ms, {}", number(change.before.value), number(change.after.value), origin.name());
    let (endpoint, phrase) = (&culprit.endpoint.name, phrase(culprit.figure));
    let mut parts: Vec<String> = cut_transactions(split).into_iter().collect();
    parts.push(if culprit.is_noise {
        format!("makes no endpoint slower {phrase} beyond the noise (at worst {endpoint}: {times})")
    } else if change.ratio >= 1.05 {
        format!("makes {endpoint} {} slower {phrase} ({times})", factor(change.ratio))
    } else if change.ratio > 0.95 {
        format!("leaves every endpoint about as fast {phrase} (at worst {endpoint}: {times})")
    } else {
        format!("makes every endpoint faster {phrase} (least {endpoint}: {times})")
    });
    let ratios = &split.comparison.ratios;
    let counts = |cores: &Change| cores.added.abs() >= 0.05 && !is_noise(cores, &ratios.cores);
    if let Some(cores) = split.comparison.cores.filter(counts) {
        let word = if cores.added > 0.0 { "more" } else { "fewer" };
        let load = short(split.estimate.load_reqs_per_sec);
        let added = cores.added.abs();
        parts.push(format!("needs {added:.1} {word} cores at {load} requests/s{}", other(cores.origin)));
    }
    if let Some(saturation) = saturation(split) {
        let (before, after) = (number(saturation.before.value), number(saturation.after.value));
        parts.push(if (0.95..1.05).contains(&saturation.ratio) || is_noise(saturation, &ratios.saturation) {
            format!("saturates as before, at {after} requests/s{}", other(saturation.origin))
        } else {
            format!("saturates at {after} instead of {before} requests/s{}", other(saturation.origin))
        });
    }
    let evidence = split.estimate.evidence;
    if evidence.calls_per_request > 0.0 {
        let calls = match short(evidence.calls_per_request) {
            one if one == "1" => "1 call".to_owned(),
            calls => format!("{calls} calls"),
        };
        let of = |part: f64| if part >= evidence.calls_per_request { "all".to_owned() } else { short(part) };
        parts.push(format!(
            "makes {calls} between services per request ({} of measured size, {} rehearsable)",
            of(evidence.measured_per_request),
            of(evidence.rehearsed_per_request)
        ));
    }
    match split.cannot_cross.len() {
        0 => {}
        1 => parts.push("has one call site that cannot cross as it is".to_owned()),
        n => parts.push(format!("has {} call sites that cannot cross as they are", count(n as u64))),
    }
    join(&parts)
}

/// The transactions that a database for each service cuts, in words.
fn cut_transactions(split: &SplitStudy) -> Option<String> {
    let cut = split.data.cut_transactions.first().filter(|_| split.database == Database::PerService)?;
    let owners: Vec<String> =
        cut.owners.iter().map(|owner| format!("{} of {}", owner.tables.join(", "), owner.service)).collect();
    let place = cut.sites.first().map(|site| format!(", {}:{}", site.file, site.line)).unwrap_or_default();
    let others = match split.data.cut_transactions.len() - 1 {
        0 => String::new(),
        others => format!("; {} more such transactions", count(others as u64)),
    };
    Some(format!("cuts the transaction of {} that writes {}{place}{others},", cut.endpoint, join(&owners)))
}

fn phrase(figure: Figure) -> &'static str {
    match figure {
        Figure::Alone => "when alone",
        Figure::Median => "at the median",
        Figure::Tail(Quantile::P90) => "at the 90th percentile",
        Figure::Tail(_) => "at the 99th percentile",
    }
}

/// The class in the words of a sentence.
fn words(class: VerdictClass) -> &'static str {
    match class {
        VerdictClass::Gains => "worth considering",
        VerdictClass::Cheap => "costs little",
        VerdictClass::Costly => "has its price",
        VerdictClass::Prohibitive => "do not split",
        VerdictClass::Undecided => "no verdict",
    }
}

/// `a, b and c`.
fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn conclusion(split: &SplitStudy, class: VerdictClass, culprit: &Slowdown) -> String {
    let remedy = dearest_call(split, &culprit.endpoint.name).and_then(remedy);
    match class {
        VerdictClass::Gains => "worth considering, for the throughput".to_owned(),
        VerdictClass::Cheap => "worth considering, the boundary costs little".to_owned(),
        VerdictClass::Costly => match remedy {
            Some(remedy) => format!("possible at this price, better once {remedy}"),
            None => "possible at this price".to_owned(),
        },
        VerdictClass::Prohibitive => match remedy {
            Some(remedy) => format!("do not split here before {remedy}"),
            None => "do not split here".to_owned(),
        },
        VerdictClass::Undecided => "no verdict".to_owned(),
    }
}

/// The call that costs this endpoint most, or the dearest of all.
fn dearest_call<'a>(split: &'a SplitStudy, endpoint: &str) -> Option<&'a CrossingCost> {
    let calls = &split.estimate.calls;
    calls
        .iter()
        .filter(|call| call.endpoint == endpoint)
        .max_by(|a, b| a.added_ms_per_request.total_cmp(&b.added_ms_per_request))
        .or_else(|| calls.first())
}

/// Returns what would make a call cheaper; nothing for one that is made once.
fn remedy(call: &CrossingCost) -> Option<String> {
    let callee = &call.callee;
    if call.calls_per_request >= BATCHABLE_CALLS_PER_REQUEST {
        Some(format!("{callee} is batched ({} calls per request)", short(call.calls_per_request)))
    } else if call.blocks_event_loop {
        Some(format!("{callee} is awaited (it blocks the event loop)"))
    } else if call.calls_per_request > 1.0 {
        Some(format!("{callee} is called less (it adds {} ms per request)", number(call.added_ms_per_request)))
    } else {
        None
    }
}

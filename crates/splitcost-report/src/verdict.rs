//! Whether a split is worth it, in one plain sentence, by thresholds that stand here.
//!
//! Each threshold is tried three times: on the point estimates, and on both ends of the 90 % intervals. Where the two ends
//! lie more than one step apart, the sentence says that there is no verdict.

use splitcost_model::evaluation::{CrossingCost, EndpointEvaluation, SplitEvaluation};

use crate::effect::{Bound, Effect, Quantile, Source};
use crate::number::{count, factor, number, short};

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

/// What a split amounts to; later is worse, [`Kind::Undecided`] apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It costs little, and more requests a second fit through.
    Gains,
    /// It costs little.
    Cheap,
    /// It costs something.
    Costly,
    /// It costs too much as the code is.
    Prohibitive,
    /// The intervals, or missing numbers, do not allow a verdict.
    Undecided,
}

impl Kind {
    /// A few words for a heading.
    pub fn label(self) -> &'static str {
        match self {
            Self::Gains => "Worth considering",
            Self::Cheap => "Costs little",
            Self::Costly => "Has its price",
            Self::Prohibitive => "Do not split here yet",
            Self::Undecided => "No verdict",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Gains => "worth considering",
            Self::Cheap => "costs little",
            Self::Costly => "has its price",
            Self::Prohibitive => "do not split",
            Self::Undecided => "no verdict",
        }
    }
}

/// A judgement and the sentence that gives its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it amounts to.
    pub kind: Kind,
    /// The reasons, as one sentence.
    pub sentence: String,
}

/// The verdict on a split, as one plain sentence.
pub fn sentence(split: &SplitEvaluation) -> String {
    judge(split).sentence
}

/// Judges a split by what was measured, or where nothing was measured, by what was predicted.
pub fn judge(split: &SplitEvaluation) -> Verdict {
    let slowdowns = slowdowns(split);
    if slowdowns.is_empty() {
        let sentence = format!(
            "No verdict on {}: no endpoint has response times of both the monolith and the split.",
            quoted(&split.name)
        );
        return Verdict { kind: Kind::Undecided, sentence };
    }
    let [best, middle, worst] =
        [Bound::Best, Bound::Middle, Bound::Worst].map(|bound| kind_at(split, &slowdowns, bound));
    let undecided = worst as i32 - best as i32 > 1;
    let kind = if undecided { Kind::Undecided } else { middle };

    let culprit = culprit(&slowdowns);
    let (reasons, source) = reasons(split, culprit);
    let caveat = if undecided {
        let remedy = match source {
            Source::Simulated => "rehearse it, or record more requests",
            Source::Measured => "rehearse it for longer",
        };
        format!(", the 90 % intervals reach from “{}” to “{}”; {remedy}", best.words(), worst.words())
    } else if best == worst {
        String::new()
    } else {
        let other = if best == middle { worst } else { best };
        format!(" (within the 90 % intervals, “{}” is possible too)", other.words())
    };
    let sentence = format!("{} {reasons}: {}{caveat}.", subject(split), conclusion(split, kind, culprit));
    Verdict { kind, sentence }
}

/// Recorded requests of an endpoint from which on its 99th percentile decides.
///
/// Chosen: ten requests lie beyond it. With fewer, one late request is the percentile.
pub const P99_REQUESTS: u64 = 1_000;

/// An endpoint's quantile before and after.
struct Slowdown<'a> {
    endpoint: &'a EndpointEvaluation,
    quantile: Quantile,
    effect: Effect,
}

/// Every endpoint that decides, at the median and, with enough requests, at the 99th percentile.
fn slowdowns(split: &SplitEvaluation) -> Vec<Slowdown<'_>> {
    let total: u64 = split.endpoints.iter().map(|e| e.requests).sum();
    let decides = |e: &&EndpointEvaluation| total == 0 || e.requests as f64 >= DECIDING_SHARE * total as f64;
    split
        .endpoints
        .iter()
        .filter(decides)
        .flat_map(|endpoint| {
            let p99 = (endpoint.requests >= P99_REQUESTS).then_some(Quantile::P99);
            std::iter::once(Quantile::P50).chain(p99).filter_map(move |quantile| {
                let effect = Effect::of_endpoint(endpoint, quantile)?;
                (effect.before.value > 0.0).then_some(Slowdown { endpoint, quantile, effect })
            })
        })
        .collect()
}

fn kind_at(split: &SplitEvaluation, slowdowns: &[Slowdown], bound: Bound) -> Kind {
    let mut kind = slowdowns.iter().map(|s| slowdown_kind(&s.effect, bound)).max().unwrap_or(Kind::Cheap);
    if let Some(cores) = Effect::of_pairs(split.baseline_cores, split.cores) {
        let (before, after) = cores.at(bound);
        if after - before >= COSTLY_CORES && after >= COSTLY_SLOWDOWN * before {
            kind = kind.max(Kind::Costly);
        }
    }
    if let Some(saturation) = saturation(split) {
        // More is better here, so the good end is where the cost's bad end would be.
        let (before, after) = saturation.at(match bound {
            Bound::Best => Bound::Worst,
            Bound::Middle => Bound::Middle,
            Bound::Worst => Bound::Best,
        });
        let share = after / before;
        if share <= PROHIBITIVE_SATURATION {
            kind = kind.max(Kind::Prohibitive);
        } else if share <= COSTLY_SATURATION {
            kind = kind.max(Kind::Costly);
        } else if share >= GAINING_SATURATION && kind == Kind::Cheap {
            kind = Kind::Gains;
        }
    }
    kind
}

fn slowdown_kind(effect: &Effect, bound: Bound) -> Kind {
    let (before, after) = effect.at(bound);
    let (ratio, added) = (after / before, after - before);
    if ratio >= PROHIBITIVE_SLOWDOWN && added >= PROHIBITIVE_ADDED_MS {
        Kind::Prohibitive
    } else if ratio >= COSTLY_SLOWDOWN && added >= COSTLY_ADDED_MS {
        Kind::Costly
    } else {
        Kind::Cheap
    }
}

/// The slowdown to name: of the worst kind, the median before the tail, then the largest factor.
fn culprit<'a>(slowdowns: &'a [Slowdown<'a>]) -> &'a Slowdown<'a> {
    let mut worst = &slowdowns[0];
    for candidate in &slowdowns[1..] {
        let rank = |s: &Slowdown| (slowdown_kind(&s.effect, Bound::Middle), s.quantile == Quantile::P50);
        let (a, b) = (rank(candidate), rank(worst));
        if a > b || (a == b && candidate.effect.ratio() > worst.effect.ratio()) {
            worst = candidate;
        }
    }
    worst
}

fn saturation(split: &SplitEvaluation) -> Option<Effect> {
    Effect::of_pairs(split.baseline_saturation_reqs_per_sec, split.saturation_reqs_per_sec)
        .filter(|effect| effect.before.value > 0.0)
}

/// `pricing as its own service`.
fn subject(split: &SplitEvaluation) -> String {
    let own: Vec<&str> = split
        .services
        .iter()
        .map(|s| s.name.as_str())
        .filter(|name| *name != splitcost_model::split::MAIN_SERVICE)
        .collect();
    match own.as_slice() {
        [] => format!("Split {}", quoted(&split.name)),
        [one] => format!("{one} as its own service"),
        [rest @ .., last] => format!("splitting off {} and {last}", rest.join(", ")),
    }
}

fn quoted(name: &str) -> String {
    format!("“{name}”")
}

/// What the split does: the endpoint hit hardest, cores, saturation, and what cannot cross.
fn reasons(split: &SplitEvaluation, culprit: &Slowdown) -> (String, Source) {
    let effect = culprit.effect;
    let source = effect.source;
    // A number from elsewhere than the first one says so.
    let origin = |other: Source| if other == source { String::new() } else { format!(" ({})", other.word()) };
    let times = format!("{} → {} ms, {}", number(effect.before.value), number(effect.after.value), source.word());
    let (endpoint, phrase) = (&culprit.endpoint.name, culprit.quantile.phrase());
    let mut parts = vec![if effect.ratio() >= 1.05 {
        format!("makes {endpoint} {} slower {phrase} ({times})", factor(effect.ratio()))
    } else if effect.ratio() > 0.95 {
        format!("leaves every endpoint about as fast {phrase} (at worst {endpoint}: {times})")
    } else {
        format!("makes every endpoint faster {phrase} (least {endpoint}: {times})")
    }];
    if let Some(cores) = Effect::of_pairs(split.baseline_cores, split.cores) {
        let added = cores.after.value - cores.before.value;
        if added.abs() >= 0.05 {
            let word = if added > 0.0 { "more" } else { "fewer" };
            let at = short(split.load_reqs_per_sec);
            parts.push(format!(
                "needs {added:.1} {word} cores at {at} requests/s{}",
                origin(cores.source),
                added = added.abs()
            ));
        }
    }
    if let Some(saturation) = saturation(split) {
        let (before, after) = (number(saturation.before.value), number(saturation.after.value));
        parts.push(if (0.95..1.05).contains(&saturation.ratio()) {
            format!("saturates as before, at {after} requests/s{}", origin(saturation.source))
        } else {
            format!("saturates at {after} instead of {before} requests/s{}", origin(saturation.source))
        });
    }
    match split.cannot_cross.len() {
        0 => {}
        1 => parts.push("has one call site that cannot cross as it is".to_owned()),
        n => parts.push(format!("has {} call sites that cannot cross as they are", count(n as u64))),
    }
    (join(&parts), source)
}

/// `a, b and c`.
fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn conclusion(split: &SplitEvaluation, kind: Kind, culprit: &Slowdown) -> String {
    let remedy = dearest_call(split, &culprit.endpoint.name).map(remedy);
    match kind {
        Kind::Gains => "worth considering, for the throughput".to_owned(),
        Kind::Cheap => "worth considering, the boundary costs little".to_owned(),
        Kind::Costly => match remedy {
            Some(remedy) => format!("possible at this price, better once {remedy}"),
            None => "possible at this price".to_owned(),
        },
        Kind::Prohibitive => match remedy {
            Some(remedy) => format!("do not split here before {remedy}"),
            None => "do not split here".to_owned(),
        },
        Kind::Undecided => "no verdict".to_owned(),
    }
}

/// The call that costs this endpoint most, or the dearest of all.
fn dearest_call<'a>(split: &'a SplitEvaluation, endpoint: &str) -> Option<&'a CrossingCost> {
    split
        .calls
        .iter()
        .filter(|call| call.endpoint == endpoint)
        .max_by(|a, b| a.added_ms_per_request.total_cmp(&b.added_ms_per_request))
        .or_else(|| split.calls.first())
}

fn remedy(call: &CrossingCost) -> String {
    let callee = &call.callee;
    if call.calls_per_request >= BATCHABLE_CALLS_PER_REQUEST {
        format!("{callee} is batched ({} calls per request)", short(call.calls_per_request))
    } else if call.blocks_event_loop {
        format!("{callee} is awaited (it blocks the event loop)")
    } else {
        format!("{callee} is called less (it adds {} ms per request)", number(call.added_ms_per_request))
    }
}

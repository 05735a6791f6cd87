//! The phases of a rehearsal under load: blocks of a second, in shuffled order.

use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::{Plan, Stop};
use splitcost_model::estimate::{Figures, LOAD_SHARE, ResponseTimes};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::{Bootstrap, Interval, quantiles_of_counts};

use super::{Conditions, Deployment};
use crate::Result;
use crate::disturbance::Used;
use crate::drive::{Driven, Driver};

/// Load before each block, which wakes an app that was idle while others were measured.
///
/// Chosen: more than the time that caches take, a sixth of the block.
const SETTLE_SECS: f64 = 0.15;
/// Many short blocks rather than few long ones: the machine changes its speed within seconds.
///
/// Chosen: a hundred times the response time of an app that answers in milliseconds.
const OPEN_SECS: f64 = 0.9;
/// Chosen: a hundred requests and more, where a request takes milliseconds.
pub(super) const CLOSED_SECS: (f64, f64) = (0.4, 4.0);
/// Requests per place in a closed loop, without the warm-up.
///
/// Measured: threads that share a GIL end nearly together, so a window of two turns counts one or two of them: 27
/// requests/s instead of 38 (examples/shop, `GET /users/{id}/orders` behind `pricing`, 2 cores, November 2026).
pub(super) const CLOSED_TURNS: f64 = 4.0;
/// Cores that processes of others may keep busy, in the mean. More during a block and right after it, while nothing of ours runs,
/// and the block is discarded and repeated, as often as there are blocks. A database server of the app is busy during the block
/// only.
///
/// Chosen: beside a tenth of a core each on two cores, figures stay within their intervals.
const STRANGERS_CORES: f64 = 0.2;
/// The time after a block in which nothing of ours runs.
///
/// Chosen: four ticks of the clock by which the kernel counts, of each core, are the cores above.
const IDLE: Duration = Duration::from_millis(200);
/// The least rate of arrivals, where nothing was answered at saturation.
const LEAST_RATE: f64 = 0.1;
/// Chosen: smooth at the size of a plot.
const DISTRIBUTION_POINTS: usize = 100;

/// Planned seconds of the blocks of so many splits.
pub(super) fn planned_secs(splits: usize, rounds: u32) -> f64 {
    let splits = splits as f64;
    let round = (splits + 2.0) * (CLOSED_SECS.0 + SETTLE_SECS) + 3.0 * splits * (OPEN_SECS + SETTLE_SECS);
    f64::from(rounds) * round
}

/// A deployment, and how long a block at its saturation is.
pub(super) struct Arm {
    pub(super) deployment: Deployment,
    pub(super) closed_secs: f64,
}

/// The blocks of one split under load.
pub(super) struct UnderLoad {
    pub(super) rate_reqs_per_sec: f64,
    pub(super) monolith: Vec<Driven>,
    pub(super) split: Vec<Driven>,
    /// Those of the second monolith.
    pub(super) control: Vec<Driven>,
}

/// The blocks of a rehearsal.
pub(super) struct Blocks {
    /// By arm, at saturation.
    pub(super) saturation: Vec<Vec<Driven>>,
    /// By split.
    pub(super) under_load: Vec<UnderLoad>,
    pub(super) disturbed: Disturbed,
}

impl Blocks {
    /// Returns the reason to doubt the numbers, where the load generator was too slow.
    pub(super) fn doubtful(&self) -> Option<String> {
        if self.disturbed.kept > 0 {
            return Some(format!(
                "{}; saturation and the figures under load are doubtful, those of lone requests hold",
                self.disturbed.in_words()
            ));
        }
        let all = self.under_load.iter().flat_map(|of| of.monolith.iter().chain(&of.split).chain(&of.control));
        let reasons: Vec<String> = all.filter_map(|run| run.outcome.invalid()).collect();
        let first = reasons.first()?;
        let runs = if reasons.len() == 1 { "run of the rehearsal is" } else { "runs of the rehearsal are" };
        Some(format!("{} {runs} doubtful; the first: {first}", reasons.len()))
    }
}

/// Measures the saturation of the arms, of which the first is the monolith and the last a second one, and then each split at
/// a share of it beside both.
pub(super) fn measure(driver: &mut Driver<'_>, arms: &mut [Arm], conditions: &Conditions<'_>) -> Result<Blocks> {
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    let (closed, open) = (arms.len(), 3 * (arms.len() - 2));
    let blocks = conditions.rounds.saturating_mul((closed + open) as u32);
    let mut disturbed = Disturbed { blocks, spare: blocks, ..Disturbed::default() };
    let concurrency = usize::try_from(conditions.concurrency).unwrap_or(1).max(1);
    let mut saturation: Vec<Vec<Driven>> = arms.iter().map(|_| Vec::new()).collect();
    for round in 0..conditions.rounds {
        let mut order: Vec<usize> = (0..arms.len()).collect();
        order.shuffle(&mut rng);
        for nth in order {
            driver.say(format!("rehearse: saturation, round {} of {}", round + 1, conditions.rounds));
            let secs = arms[nth].closed_secs;
            let warm_up = Nanos::from_secs_f64(secs / CLOSED_TURNS);
            let plan = Plan { warm_up, ..Plan::closed(concurrency, after(secs)) };
            saturation[nth].push(block(driver, arms, nth, round, (plan, secs), &mut disturbed)?);
        }
    }
    let control = arms.len() - 1;
    let reached = |nth: usize| throughput(&saturation[nth], conditions.seed).map_or(0.0, |interval| interval.value);
    let share = |split: usize| (LOAD_SHARE * reached(0).min(reached(split))).max(LEAST_RATE);
    let mut rates: Vec<f64> =
        (1..control).map(|split| conditions.rate_reqs_per_sec.unwrap_or_else(|| share(split))).collect();
    if conditions.shares_load {
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        rates.fill(least);
    }
    let none = |rate_reqs_per_sec| UnderLoad {
        rate_reqs_per_sec,
        monolith: Vec::new(),
        split: Vec::new(),
        control: Vec::new(),
    };
    let mut under_load: Vec<UnderLoad> = rates.into_iter().map(none).collect();
    for round in 0..conditions.rounds {
        let mut order: Vec<(usize, usize)> =
            (0..under_load.len()).flat_map(|split| [(split, 0), (split, split + 1), (split, control)]).collect();
        order.shuffle(&mut rng);
        for (split, nth) in order {
            driver.say(format!("rehearse: under load, round {} of {}", round + 1, conditions.rounds));
            let plan = Plan::open(under_load[split].rate_reqs_per_sec, after(OPEN_SECS));
            let run = block(driver, arms, nth, round, (plan, OPEN_SECS), &mut disturbed)?;
            let of = &mut under_load[split];
            let runs = match nth {
                0 => &mut of.monolith,
                nth if nth == control => &mut of.control,
                _ => &mut of.split,
            };
            runs.push(run);
        }
    }
    Ok(Blocks { saturation, under_load, disturbed })
}

/// The blocks that processes of others disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Disturbed {
    /// All blocks.
    blocks: u32,
    /// Blocks that may still be discarded and repeated.
    spare: u32,
    discarded: u32,
    /// Disturbed blocks that were kept, as none could be repeated any more.
    kept: u32,
    /// The most cores that processes of others kept busy during a block.
    most_cores: f64,
}

impl Disturbed {
    /// Notes a block, and returns true if it is discarded.
    fn discards(&mut self, strangers_cores: f64) -> bool {
        if strangers_cores <= STRANGERS_CORES {
            return false;
        }
        self.most_cores = self.most_cores.max(strangers_cores);
        if self.spare == 0 {
            self.kept += 1;
            return false;
        }
        self.spare -= 1;
        self.discarded += 1;
        true
    }

    /// Returns what was done about it, in words without a full stop; nothing if there was no disturbance.
    pub(super) fn in_words(self) -> String {
        let Self { blocks, discarded, kept, most_cores, .. } = self;
        let kept = if kept > 0 { format!(", and {kept} were kept that could not be repeated") } else { String::new() };
        format!(
            "other processes used more than {STRANGERS_CORES} cores, {most_cores:.1} at most: of {blocks} blocks under load {discarded} \
             were discarded and repeated{kept}"
        )
    }

    pub(super) fn is_some(self) -> bool {
        self.discarded > 0
    }
}

/// Drives one arm, with the requests that all arms get in this round, until no others disturb it.
fn block(
    driver: &mut Driver<'_>,
    arms: &mut [Arm],
    nth: usize,
    round: u32,
    (plan, secs): (Plan, f64),
    disturbed: &mut Disturbed,
) -> Result<Driven> {
    let plan = Plan { seed_offset: 100 + u64::from(round), ..plan };
    let settle = Plan { seed_offset: 2, ..Plan::closed(2, after(SETTLE_SECS)) };
    let used = |arms: &[Arm]| Used::now(arms.iter().map(|arm| arm.deployment.cpu()).sum());
    loop {
        let done_secs = driver.step.done_secs;
        let (mut apps, targets) = arms[nth].deployment.parts();
        driver.run(&mut apps, &targets, &settle, SETTLE_SECS)?;
        let before = used(arms);
        let (mut apps, targets) = arms[nth].deployment.parts();
        let run = driver.run(&mut apps, &targets, &plan, secs)?;
        driver.cancel.check()?;
        let ended = used(arms);
        let mut strangers_cores = ended.strangers_cores(&before);
        if strangers_cores > STRANGERS_CORES {
            std::thread::sleep(IDLE);
            strangers_cores = strangers_cores.min(used(arms).strangers_cores(&ended));
        }
        if !disturbed.discards(strangers_cores) {
            return Ok(run);
        }
        driver.step.done_secs = done_secs;
    }
}

/// Returns the figures of one arm, from its blocks at saturation and under load.
pub(super) fn figures(saturation: &[Driven], under_load: &[Driven], seed: u64) -> Figures {
    Figures {
        saturation_reqs_per_sec: throughput(saturation, seed),
        cpu_secs_per_request: cpu_per_request(under_load, seed),
        cores: cores(under_load, seed),
    }
}

/// Returns the response times of one endpoint.
pub(super) fn response(runs: &[Driven], endpoint: usize, seed: u64) -> Option<ResponseTimes> {
    let times = Times::of(runs, endpoint);
    let [p50_ms, p90_ms, p99_ms] =
        Bootstrap::ninety(seed).intervals(runs.len(), |picked| times.quantiles_ms(picked, [0.5, 0.9, 0.99]))?;
    Some(ResponseTimes { p50_ms, p90_ms, p99_ms, distribution: distribution(runs, endpoint) })
}

/// Response times of one endpoint in all rounds.
struct Times {
    rounds: usize,
    /// Time, round and count, by time.
    counts: Vec<(Nanos, usize, u64)>,
}

impl Times {
    fn of(runs: &[Driven], endpoint: usize) -> Self {
        let of_round = |(round, run): (usize, &Driven)| {
            let counts: Vec<(Nanos, u64)> = run.outcome.endpoints[endpoint].response.counts().collect();
            counts.into_iter().map(move |(time, count)| (time, round, count))
        };
        let mut counts: Vec<(Nanos, usize, u64)> = runs.iter().enumerate().flat_map(of_round).collect();
        counts.sort_unstable();
        Self { rounds: runs.len(), counts }
    }

    /// Ascending quantiles over the picked rounds; `None` when these hold no request.
    fn quantiles_ms<const N: usize>(&self, picked: &[usize], wanted: [f64; N]) -> Option<[f64; N]> {
        let mut weights = vec![0_u64; self.rounds];
        for round in picked {
            weights[*round] += 1;
        }
        let buckets = self.counts.iter().map(|(time, round, count)| (time.as_millis_f64(), weights[*round] * count));
        quantiles_of_counts(buckets, wanted)
    }
}

fn distribution(runs: &[Driven], endpoint: usize) -> Vec<(f64, f64)> {
    let mut histograms = runs.iter().map(|run| &run.outcome.endpoints[endpoint].response);
    let Some(mut merged) = histograms.next().cloned() else { return Vec::new() };
    histograms.for_each(|histogram| merged.merge(histogram));
    let curve = merged.cumulative(DISTRIBUTION_POINTS);
    curve.into_iter().map(|(duration, share)| (duration.as_millis_f64(), share)).collect()
}

fn throughput(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.outcome.ok_in_window as f64, run.outcome.window.as_secs_f64()))
}

fn cpu_per_request(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.cpu.as_secs_f64(), (run.outcome.ok() + run.outcome.failed()) as f64))
}

fn cores(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.cpu.as_secs_f64(), run.outcome.window.as_secs_f64()))
}

/// The ratio of two sums over rounds.
fn ratio(runs: &[Driven], seed: u64, parts: impl Fn(&Driven) -> (f64, f64)) -> Option<Interval> {
    Bootstrap::ninety(seed).interval(runs.len(), |picked| {
        let sum = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        let (part, whole) = picked.iter().map(|round| parts(&runs[*round])).fold((0.0, 0.0), sum);
        (whole > 0.0).then_some(part / whole)
    })
}

pub(super) fn after(secs: f64) -> Stop {
    Stop::After(Nanos::from_secs_f64(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbed_blocks_are_repeated_as_often_as_there_are_blocks() {
        let mut disturbed = Disturbed { blocks: 2, spare: 2, ..Disturbed::default() };
        let discards = [0.1, 0.9, 1.5, 0.2, 0.3].map(|cores| disturbed.discards(cores));
        assert_eq!(discards, [false, true, true, false, false]);
        assert_eq!(
            disturbed.in_words(),
            "other processes used more than 0.2 cores, 1.5 at most: of 2 blocks under load 2 were discarded and repeated, and \
             1 were kept that could not be repeated"
        );
    }

    #[test]
    fn quantiles_are_taken_over_the_picked_rounds() {
        let counts = [(1, 0, 50), (2, 1, 50), (3, 0, 50), (4, 1, 50)];
        let counts = counts.map(|(millis, round, count)| (Nanos::from_millis(millis), round, count)).to_vec();
        let times = Times { rounds: 3, counts };
        assert_eq!(times.quantiles_ms(&[0, 1, 2], [0.5, 0.9]), Some([2.0, 4.0]));
        assert_eq!(times.quantiles_ms(&[0, 0, 0], [0.5, 0.9]), Some([1.0, 3.0]));
        assert_eq!(times.quantiles_ms(&[2, 2, 2], [0.5, 0.9]), None);
    }
}

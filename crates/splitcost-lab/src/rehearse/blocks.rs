//! The phases of a rehearsal under load: rounds of blocks of a second, in shuffled order.

use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::{Outcome, Plan, Stop, Workload};
use splitcost_model::course::Precision;
use splitcost_model::estimate::{Arms, Figures, LOAD_SHARE, ResponseTimes};
use splitcost_model::quantity::Nanos;
use splitcost_model::rehearsal::RehearsedEndpoint;
use splitcost_model::statistics::{Bootstrap, Interval, quantiles_of_counts};

use super::{Conditions, Deployment, half_width, matters};
use crate::Result;
use crate::drive::{Driven, Driver};
use crate::machine::{Reading, Referee};

/// Load before each block, which wakes an app that was idle while others were measured.
///
/// Chosen: more than the time that caches take, a sixth of the block.
const SETTLE_SECS: f64 = 0.15;
/// Seconds of a block in open loop: at least this, and at most. Many short blocks rather than few long ones: the machine
/// changes its speed within seconds.
///
/// Chosen: a hundred times the response time of an app that answers in milliseconds.
const OPEN_SECS: (f64, f64) = (0.9, 5.0);
/// The slowest median in a block in open loop, at least this many times.
const OPEN_MEDIANS: f64 = 20.0;
/// Chosen: a hundred requests and more, where a request takes milliseconds.
pub(super) const CLOSED_SECS: (f64, f64) = (0.4, 4.0);
/// Requests per place in a closed loop, without the warm-up.
///
/// Measured: threads that share a GIL end nearly together, so a window of two turns counts one or two of them: 27
/// requests/s instead of 38 (examples/shop, `GET /users/{id}/orders` behind `pricing`, 2 cores, November 2026).
pub(super) const CLOSED_TURNS: f64 = 4.0;
/// Rounds at least, as far as the time allows.
///
/// Chosen: the interval of a median of fewer values is their range, and hides how far others lie.
const LEAST_ROUNDS: usize = 6;
/// Rounds, however little time there is.
///
/// Chosen: one round has no interval.
const FEWEST_ROUNDS: usize = 2;
/// Times that a block is measured, until the machine is fit beside it. After these, the whole round is given up.
///
/// Chosen: a second or two after each; what takes longer may take minutes.
const TRIES: u32 = 4;
/// The precision of the p50 under load in terms of that of other figures, and the share of the cores that others may keep busy
/// in terms of it. A database server of the app is busy during the block only, and does not count.
///
/// Chosen: a core has as many requests as others leave it time for.
pub(super) const UNDER_LOAD: f64 = 2.0;
/// The least rate of arrivals, where nothing was answered at saturation.
const LEAST_RATE: f64 = 0.1;
/// Requests that must lie beyond a percentile in each arm before it is claimed.
///
/// Chosen: the relative error of their number is a seventh.
const BEYOND: f64 = 50.0;
/// Chosen: smooth at the size of a plot.
const DISTRIBUTION_POINTS: usize = 100;

/// Planned seconds of the fewest rounds of so many splits.
pub(super) fn fewest_secs(splits: usize) -> f64 {
    let splits = splits as f64;
    let round = (splits + 2.0) * (CLOSED_SECS.0 + SETTLE_SECS) + 3.0 * splits * (OPEN_SECS.0 + SETTLE_SECS);
    FEWEST_ROUNDS as f64 * round
}

/// A deployment, and how long a block at its saturation is.
pub(super) struct Arm {
    pub(super) deployment: Deployment,
    pub(super) closed_secs: f64,
}

/// A block to measure: the position of its arm, its load and its seconds.
type Block = (usize, Plan, f64);

/// The blocks of a rehearsal. The first arm is the monolith, the last one a second monolith, and the others are splits.
pub(super) struct Blocks<'a> {
    conditions: &'a Conditions<'a>,
    workload: &'a Workload,
    rng: ChaCha8Rng,
    pub(super) referee: Referee,
    /// The machine was not fit for the fewest rounds when it was late.
    pub(super) gave_up: bool,
    open_secs: f64,
    /// By round and arm.
    saturation: Vec<Vec<Driven>>,
    /// By split.
    under_load: Vec<UnderLoad>,
    /// Half the width of each split's ratio, as a share.
    saturation_widths: Vec<f64>,
}

/// The rounds of one split under load.
struct UnderLoad {
    rate_reqs_per_sec: f64,
    /// In each, the monolith, the split and the second monolith.
    rounds: Vec<Vec<Driven>>,
    /// Half the width of the ratio of medians of each endpoint that matters, as a share, with the endpoint.
    widths: Vec<(usize, f64)>,
}

impl<'a> Blocks<'a> {
    /// `slowest_secs` is the time of a lone request to the slowest endpoint.
    pub(super) fn new(workload: &'a Workload, conditions: &'a Conditions<'a>, slowest_secs: f64) -> Self {
        Self {
            conditions,
            workload,
            rng: ChaCha8Rng::seed_from_u64(conditions.seed),
            referee: Referee::new(UNDER_LOAD * conditions.precision),
            gave_up: false,
            open_secs: (OPEN_MEDIANS * slowest_secs).clamp(OPEN_SECS.0, OPEN_SECS.1),
            saturation: Vec::new(),
            under_load: Vec::new(),
            saturation_widths: Vec::new(),
        }
    }

    /// Returns the time for the whole rehearsal.
    pub(super) fn budget(&self) -> Duration {
        self.conditions.budget
    }

    /// Returns true while more rounds at saturation would help, or fewer exist than the statistics need. The latter alone
    /// counts when it is late.
    pub(super) fn wants_saturation(&self, is_late: bool) -> bool {
        let is_wide = self.saturation_widths.iter().any(|width| *width > self.conditions.precision);
        !self.gave_up && wants_more(self.saturation.len(), is_wide, is_late)
    }

    /// The same under load, which is a share of the saturation.
    pub(super) fn wants_load(&self, is_late: bool) -> bool {
        let known = self.saturation.len() >= if is_late { FEWEST_ROUNDS } else { LEAST_ROUNDS };
        known && !self.gave_up && (self.under_load.is_empty() || self.next_split(is_late).is_some())
    }

    /// Returns the split that has fewest rounds among those that want more.
    fn next_split(&self, is_late: bool) -> Option<usize> {
        let wanted = UNDER_LOAD * self.conditions.precision;
        let wants = |of: &UnderLoad| wants_more(of.rounds.len(), of.widths.iter().any(|(_, w)| *w > wanted), is_late);
        let splits = (0..self.under_load.len()).filter(|split| wants(&self.under_load[*split]));
        splits.min_by_key(|split| self.under_load[*split].rounds.len())
    }

    /// Measures a round at saturation.
    pub(super) fn saturate(&mut self, driver: &mut Driver<'_>, arms: &mut [Arm], is_late: bool) -> Result<()> {
        let number = self.saturation.len();
        driver.say(format!("rehearse: saturation, round {}", number + 1));
        let concurrency = usize::try_from(self.conditions.concurrency).unwrap_or(1).max(1);
        let of = |nth: usize| {
            let secs = arms[nth].closed_secs;
            let warm_up = Nanos::from_secs_f64(secs / CLOSED_TURNS);
            (nth, Plan { warm_up, ..Plan::closed(concurrency, after(secs)) }, secs)
        };
        let blocks = (0..arms.len()).map(of).collect();
        if let Some(round) = self.round(driver, arms, number, blocks, is_late)? {
            self.saturation.push(round);
            let splits = 1..arms.len() - 1;
            self.saturation_widths = splits.filter_map(|split| self.saturation_ratio(split)).map(half_width).collect();
        }
        Ok(())
    }

    /// Measures a round of a split under load, beside both monoliths.
    pub(super) fn load(&mut self, driver: &mut Driver<'_>, arms: &mut [Arm], is_late: bool) -> Result<()> {
        if self.under_load.is_empty() {
            let none = |rate_reqs_per_sec| UnderLoad { rate_reqs_per_sec, rounds: Vec::new(), widths: Vec::new() };
            self.under_load = self.rates(arms.len()).into_iter().map(none).collect();
        }
        let Some(split) = self.next_split(is_late) else { return Ok(()) };
        let UnderLoad { rate_reqs_per_sec, ref rounds, .. } = self.under_load[split];
        let number = rounds.len();
        driver.say(format!("rehearse: under load, round {}", number + 1));
        let secs = self.open_secs;
        let plan = Plan::open(rate_reqs_per_sec, after(secs));
        let blocks = [0, split + 1, arms.len() - 1].map(|nth| (nth, plan.clone(), secs)).to_vec();
        if let Some(round) = self.round(driver, arms, number, blocks, is_late)? {
            self.under_load[split].rounds.push(round);
            let endpoints = (0..self.workload.requests().len()).filter(|nth| matters(self.workload, *nth));
            self.under_load[split].widths = endpoints
                .filter_map(|nth| Some((nth, half_width(self.under_load[split].ratio(nth, self.conditions.seed)?))))
                .collect();
        }
        Ok(())
    }

    /// Returns the arrival rate for each split.
    fn rates(&self, arms: usize) -> Vec<f64> {
        let seed = self.conditions.seed;
        let reached = |rounds: &[Vec<&Driven>]| throughput(rounds, seed).map_or(0.0, |interval| interval.value);
        let monolith = reached(&self.monolith());
        let share =
            |split: usize| (LOAD_SHARE * monolith.min(reached(&of_arm(&self.saturation, split)))).max(LEAST_RATE);
        let given = self.conditions.rate_reqs_per_sec;
        let mut rates: Vec<f64> = (1..arms - 1).map(|split| given.unwrap_or_else(|| share(split))).collect();
        if self.conditions.shares_load {
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            rates.fill(least);
        }
        rates
    }

    /// Returns both monoliths' blocks at saturation, by round.
    fn monolith(&self) -> Vec<Vec<&Driven>> {
        self.saturation.iter().map(|round| round.first().into_iter().chain(round.last()).collect()).collect()
    }

    fn saturation_ratio(&self, split: usize) -> Option<Interval> {
        let split = of_arm(&self.saturation, split);
        divided(self.conditions.seed, &split, &self.monolith(), |runs| Some(throughput_of(runs)))
    }

    /// Measures the blocks of a round in random order, and returns them in that in which they are given; `None` if the machine
    /// was not fit for one of them.
    fn round(
        &mut self,
        driver: &mut Driver<'_>,
        arms: &mut [Arm],
        number: usize,
        blocks: Vec<Block>,
        is_late: bool,
    ) -> Result<Option<Vec<Driven>>> {
        let mut blocks: Vec<(usize, Block)> = blocks.into_iter().enumerate().collect();
        blocks.shuffle(&mut self.rng);
        let mut measured = Vec::new();
        for (place, block) in blocks {
            let Some(run) = self.block(driver, arms, number, block)? else {
                self.gave_up |= is_late;
                return Ok(None);
            };
            measured.push((place, run));
        }
        measured.sort_by_key(|(place, _)| *place);
        Ok(Some(measured.into_iter().map(|(_, run)| run).collect()))
    }

    /// Drives one arm, with the requests that all arms get in this round, until the machine is fit beside it; `None` if it
    /// stays unfit.
    fn block(
        &mut self,
        driver: &mut Driver<'_>,
        arms: &mut [Arm],
        number: usize,
        (nth, plan, secs): Block,
    ) -> Result<Option<Driven>> {
        let plan = Plan { seed_offset: 100 + number as u64, ..plan };
        let settle = Plan { seed_offset: 2, ..Plan::closed(2, after(SETTLE_SECS)) };
        for _ in 0..TRIES {
            let (mut apps, targets) = arms[nth].deployment.parts();
            driver.run(&mut apps, &targets, &settle, SETTLE_SECS)?;
            let began = Reading::now();
            let run = driver.run(&mut apps, &targets, &plan, secs)?;
            driver.cancel.check()?;
            if self.referee.accepts(&began, &run.outcome) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Returns the number of blocks that count.
    pub(super) fn count(&self) -> u64 {
        let under_load = self.under_load.iter().flat_map(|of| &of.rounds);
        self.saturation.iter().chain(under_load).map(|round| round.len() as u64).sum()
    }

    /// Returns the precision of saturation and of medians under load, of the splits with these names.
    pub(super) fn precisions<'b>(&'b self, names: &'b [&'b str]) -> impl Iterator<Item = Precision> + 'b {
        let precision = self.conditions.precision;
        let saturation = self.saturation_widths.iter().zip(names).map(move |(reached, name)| Precision {
            figure: format!("saturation of {name}"),
            reached: *reached,
            wanted: precision,
        });
        let under_load = self.under_load.iter().zip(names).flat_map(move |(of, name)| {
            of.widths.iter().map(move |(nth, reached)| Precision {
                figure: format!("p50 under load of {}, {name}", self.workload.requests()[*nth].name()),
                reached: *reached,
                wanted: UNDER_LOAD * precision,
            })
        });
        saturation.chain(under_load)
    }

    /// Returns what was measured of a split. Figures for which there were too few rounds are absent.
    pub(super) fn of_split(&self, split: usize) -> Measured {
        let seed = self.conditions.seed;
        let none = UnderLoad { rate_reqs_per_sec: 0.0, rounds: Vec::new(), widths: Vec::new() };
        let under_load = self.under_load.get(split).filter(|of| of.rounds.len() >= FEWEST_ROUNDS).unwrap_or(&none);
        let saturation = Some(&self.saturation).filter(|rounds| rounds.len() >= FEWEST_ROUNDS);
        let saturated = saturation.map_or_else(Vec::new, |rounds| of_arm(rounds, split + 1));
        let monoliths = if saturated.is_empty() { Vec::new() } else { self.monolith() };
        let [first, second] = [0, saturation.map_or(0, |rounds| rounds[0].len() - 1)]
            .map(|arm| saturation.map_or_else(Vec::new, |rounds| of_arm(rounds, arm)));
        let arms = under_load.arms();
        Measured {
            load_reqs_per_sec: under_load.rate_reqs_per_sec,
            figures: Arms {
                monolith: figures(&monoliths, &arms.monolith, seed),
                split: figures(&saturated, &arms.split, seed),
            },
            saturation_ratio: divided(seed, &saturated, &monoliths, |runs| Some(throughput_of(runs))),
            saturation_noise: divided(seed, &second, &first, |runs| Some(throughput_of(runs))),
            endpoints: self
                .workload
                .requests()
                .iter()
                .enumerate()
                .map(|(nth, request)| under_load.endpoint(request.name(), nth, seed))
                .collect(),
        }
    }

    /// Returns the reason to doubt the figures under load, where the load generator was late: so late that its delay is no small
    /// part of the times that are claimed.
    pub(super) fn late(&self) -> Option<String> {
        let mut reasons = self.under_load.iter().flat_map(|of| {
            let claims_p99 = (0..self.workload.requests().len()).any(|nth| of.claims_p99(nth));
            let Arms { monolith, split } = of.arms();
            [monolith, split]
                .map(|rounds| merged(rounds.into_iter().flatten())?.invalid_up_to(if claims_p99 { 0.99 } else { 0.9 }))
        });
        let reason = reasons.find_map(|reason| reason)?;
        Some(format!("figures under load are doubtful: {reason}"))
    }
}

/// The results of the blocks for a split.
pub(super) struct Measured {
    pub(super) load_reqs_per_sec: f64,
    pub(super) figures: Arms<Figures>,
    pub(super) saturation_ratio: Option<Interval>,
    pub(super) saturation_noise: Option<Interval>,
    pub(super) endpoints: Vec<RehearsedEndpoint>,
}

/// Returns true if so many rounds are too few.
fn wants_more(rounds: usize, is_wide: bool, is_late: bool) -> bool {
    if is_late { rounds < FEWEST_ROUNDS } else { rounds < LEAST_ROUNDS || is_wide }
}

/// Returns the blocks of one arm, by round.
fn of_arm(rounds: &[Vec<Driven>], arm: usize) -> Vec<Vec<&Driven>> {
    rounds.iter().map(|round| vec![&round[arm]]).collect()
}

fn merged<'a>(runs: impl IntoIterator<Item = &'a Driven>) -> Option<Outcome> {
    let mut runs = runs.into_iter();
    let mut all = runs.next()?.outcome.clone();
    runs.for_each(|run| all.merge(&run.outcome));
    Some(all)
}

impl UnderLoad {
    /// Returns the blocks by round; the monolith's are those of both copies.
    fn arms(&self) -> Arms<Vec<Vec<&Driven>>> {
        let monolith = self.rounds.iter().map(|round| vec![&round[0], &round[2]]).collect();
        Arms { monolith, split: of_arm(&self.rounds, 1) }
    }

    /// Returns the ratio of the medians of one endpoint.
    fn ratio(&self, endpoint: usize, seed: u64) -> Option<Interval> {
        let Arms { monolith, split } = self.arms();
        median_ratio(&split, &monolith, endpoint, seed)
    }

    /// Returns the requests to an endpoint that were answered as expected.
    fn requests(&self, endpoint: usize) -> Arms<u64> {
        let Arms { monolith, split } = self.arms();
        let [monolith, split] =
            [monolith, split].map(|rounds| rounds.iter().flatten().map(|run| run.outcome.endpoints[endpoint].ok).sum());
        Arms { monolith, split }
    }

    /// Returns true if enough requests lie beyond the 99th percentile in each arm.
    fn claims_p99(&self, endpoint: usize) -> bool {
        let Arms { monolith, split } = self.requests(endpoint);
        0.01 * monolith.min(split) as f64 >= BEYOND
    }

    fn endpoint(&self, name: &str, endpoint: usize, seed: u64) -> RehearsedEndpoint {
        let arms = self.arms();
        let requests = self.requests(endpoint);
        let claimed = self.claims_p99(endpoint);
        let response = |rounds: &[Vec<&Driven>]| {
            let times = response(rounds, endpoint, seed)?;
            Some(ResponseTimes { p99_ms: times.p99_ms.filter(|_| claimed), ..times })
        };
        let failed = arms.split.iter().flatten().map(|run| run.outcome.endpoints[endpoint].failed.total());
        RehearsedEndpoint {
            name: name.to_owned(),
            failed_requests: failed.sum(),
            response: Arms { monolith: response(&arms.monolith), split: response(&arms.split) },
            requests,
            ratio: self.ratio(endpoint, seed),
            noise: median_ratio(&of_arm(&self.rounds, 2), &of_arm(&self.rounds, 0), endpoint, seed),
        }
    }
}

/// Returns a figure of one arm divided by that of another in the same rounds, which are resampled together.
fn divided(
    seed: u64,
    this: &[Vec<&Driven>],
    by: &[Vec<&Driven>],
    figure: impl Fn(&[&Driven]) -> Option<f64>,
) -> Option<Interval> {
    let of = |rounds: &[Vec<&Driven>], picked: &[usize]| {
        let runs: Vec<&Driven> = picked.iter().flat_map(|round| rounds[*round].iter().copied()).collect();
        figure(&runs).filter(|value| *value > 0.0)
    };
    Bootstrap::ninety(seed).interval(this.len(), |picked| Some(of(this, picked)? / of(by, picked)?))
}

/// Returns the median of an endpoint in one arm divided by that in another, in the same rounds.
fn median_ratio(this: &[Vec<&Driven>], by: &[Vec<&Driven>], endpoint: usize, seed: u64) -> Option<Interval> {
    let [this, by] = [this, by].map(|rounds| Times::of(rounds, endpoint));
    Bootstrap::ninety(seed).interval(this.rounds, |picked| {
        let [[this], [by]] = [this.quantiles_ms(picked, [0.5])?, by.quantiles_ms(picked, [0.5])?];
        (by > 0.0).then(|| this / by)
    })
}

/// Returns the figures of one arm, from its blocks at saturation and under load.
fn figures(saturation: &[Vec<&Driven>], under_load: &[Vec<&Driven>], seed: u64) -> Figures {
    Figures {
        saturation_reqs_per_sec: throughput(saturation, seed),
        cpu_secs_per_request: cpu_per_request(under_load, seed),
        cores: cores(under_load, seed),
    }
}

/// Returns the response times of one endpoint.
fn response(rounds: &[Vec<&Driven>], endpoint: usize, seed: u64) -> Option<ResponseTimes> {
    let times = Times::of(rounds, endpoint);
    let [p50_ms, p90_ms, p99_ms] =
        Bootstrap::ninety(seed).intervals(rounds.len(), |picked| times.quantiles_ms(picked, [0.5, 0.9, 0.99]))?;
    Some(ResponseTimes { p50_ms, p90_ms, p99_ms: Some(p99_ms), distribution: distribution(rounds, endpoint) })
}

/// Response times of one endpoint in all rounds.
struct Times {
    rounds: usize,
    /// Time, round and count, by time.
    counts: Vec<(Nanos, usize, u64)>,
}

impl Times {
    fn of(rounds: &[Vec<&Driven>], endpoint: usize) -> Self {
        let of_round = |(round, runs): (usize, &Vec<&Driven>)| {
            let counts = runs.iter().flat_map(|run| run.outcome.endpoints[endpoint].response.counts());
            let counts: Vec<(Nanos, usize, u64)> = counts.map(|(time, count)| (time, round, count)).collect();
            counts
        };
        let mut counts: Vec<(Nanos, usize, u64)> = rounds.iter().enumerate().flat_map(of_round).collect();
        counts.sort_unstable();
        Self { rounds: rounds.len(), counts }
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

fn distribution(rounds: &[Vec<&Driven>], endpoint: usize) -> Vec<(f64, f64)> {
    let mut histograms = rounds.iter().flatten().map(|run| &run.outcome.endpoints[endpoint].response);
    let Some(mut merged) = histograms.next().cloned() else { return Vec::new() };
    histograms.for_each(|histogram| merged.merge(histogram));
    let curve = merged.cumulative(DISTRIBUTION_POINTS);
    curve.into_iter().map(|(duration, share)| (duration.as_millis_f64(), share)).collect()
}

fn throughput(rounds: &[Vec<&Driven>], seed: u64) -> Option<Interval> {
    ratio(rounds, seed, |run| (run.outcome.ok_in_window as f64, run.outcome.window.as_secs_f64()))
}

/// Returns the throughput of some blocks together.
fn throughput_of(runs: &[&Driven]) -> f64 {
    let ok: u64 = runs.iter().map(|run| run.outcome.ok_in_window).sum();
    let window: Nanos = runs.iter().map(|run| run.outcome.window).sum();
    if window.is_zero() { 0.0 } else { ok as f64 / window.as_secs_f64() }
}

fn cpu_per_request(rounds: &[Vec<&Driven>], seed: u64) -> Option<Interval> {
    ratio(rounds, seed, |run| (run.cpu.as_secs_f64(), (run.outcome.ok() + run.outcome.failed()) as f64))
}

fn cores(rounds: &[Vec<&Driven>], seed: u64) -> Option<Interval> {
    ratio(rounds, seed, |run| (run.cpu.as_secs_f64(), run.outcome.window.as_secs_f64()))
}

/// The ratio of two sums over rounds.
fn ratio(rounds: &[Vec<&Driven>], seed: u64, parts: impl Fn(&Driven) -> (f64, f64)) -> Option<Interval> {
    Bootstrap::ninety(seed).interval(rounds.len(), |picked| {
        let sum = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        let runs = picked.iter().flat_map(|round| &rounds[*round]);
        let (part, whole) = runs.map(|run| parts(run)).fold((0.0, 0.0), sum);
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
    fn rounds_go_on_until_they_are_precise_or_it_is_late() {
        for (rounds, is_wide, is_late, expected) in [
            (FEWEST_ROUNDS - 1, false, true, true),
            (FEWEST_ROUNDS, true, true, false),
            (LEAST_ROUNDS - 1, false, false, true),
            (LEAST_ROUNDS, false, false, false),
            (10 * LEAST_ROUNDS, true, false, true),
        ] {
            assert_eq!(wants_more(rounds, is_wide, is_late), expected, "{rounds} {is_wide} {is_late}");
        }
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

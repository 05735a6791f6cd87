//! The phase of a rehearsal that sends lone requests, in pairs.
//!
//! # Source
//! Duet benchmarking (Bulej et al., ICPE'20): both sides run close together, and the pair is the unit of the statistics.
//! Randomised order: RMIT (Abedi & Brecht, ICPE'17).

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::{LoneClient, Targets, Workload};
use splitcost_model::estimate::Arms;
use splitcost_model::quantity::Nanos;
use splitcost_model::rehearsal::AloneEndpoint;
use splitcost_model::statistics::{Bootstrap, Interval, median};

use super::Deployment;
use crate::app::App;
use crate::drive::Driver;
use crate::{Cancel, Result};

/// The seed of the requests: others than those of an audit and of the comparison of answers.
const SEED_OFFSET: u64 = 3_000;
/// Requests to each endpoint that are not measured.
///
/// Chosen: connections are open, and each process has run the code of the endpoint.
const WARM_UPS: u64 = 3;
/// Pairs of an endpoint at least, as far as the time allows.
///
/// Measured: two copies of the shop lay within 11 % at 40 pairs and within 4 % at 200, beside a compiler.
const LEAST_PAIRS: usize = 100;
/// Pairs of an endpoint, however little time has passed, that a bootstrap needs.
///
/// Chosen: the interval of a median of fewer values is their range.
const FEWEST_PAIRS: usize = 6;
/// Pairs of an endpoint at most.
const MOST_PAIRS: usize = 400;
/// Half the width of a ratio's interval, as a share, at which an endpoint has pairs enough.
const PRECISION: f64 = 0.03;
/// Time that a set of pairs takes, and pairs in it at most. CPU time is read before and after a set.
///
/// Chosen: reading takes milliseconds.
const SET: (Duration, u64) = (Duration::from_millis(300), 10);

/// The time for the pairs: its planned seconds for so many arms.
pub(crate) fn budget_secs(rounds: u32, arms: usize) -> f64 {
    // Chosen: 100 pairs of ten endpoints that take 10 ms, in the usual eight rounds.
    1.3 * f64::from(rounds) * arms as f64
}

/// Sends the same requests, one at a time, to all deployments in random order: to the monolith, which is the first, to the
/// splits, and to a second monolith, which is the last. Returns the lone requests of each split.
pub(crate) fn measure(
    driver: &mut Driver<'_>,
    deployments: &mut [&mut Deployment],
    budget_secs: f64,
    seed: u64,
) -> Result<Vec<Vec<AloneEndpoint>>> {
    let targets = deployments.iter_mut().map(|deployment| {
        let (mut apps, targets) = deployment.parts();
        driver.opened(&mut apps, &targets)
    });
    let targets: Vec<Targets> = targets.collect::<Result<_>>()?;
    let workload = driver.workload.in_turn();
    let mut clients: Vec<LoneClient<'_>> = targets.iter().map(|targets| LoneClient::new(&workload, targets)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut endpoints: Vec<Endpoint> = (0..workload.requests().len() as u64).map(Endpoint::new).collect();
    let (begun, base) = (Instant::now(), driver.step.done_secs);
    let budget = Duration::from_secs_f64(budget_secs);
    for endpoint in &mut endpoints {
        endpoint.warm_up(&workload, &mut clients, driver.cancel)?;
    }
    loop {
        let is_late = begun.elapsed() > budget;
        let mut due: Vec<&mut Endpoint> =
            endpoints.iter_mut().filter(|endpoint| endpoint.wants_more(is_late, seed)).collect();
        if due.is_empty() {
            break;
        }
        due.shuffle(&mut rng);
        for endpoint in due {
            driver.step.done_secs = base + begun.elapsed().as_secs_f64().min(budget_secs);
            driver.say("rehearse: one request at a time, to each in turn");
            endpoint.run_set(&workload, &mut clients, deployments, &mut rng, driver.cancel)?;
        }
    }
    driver.step.done_secs = base + budget_secs;
    for deployment in deployments.iter_mut() {
        deployment.parts().0.into_iter().try_for_each(App::check)?;
    }
    let splits = 1..deployments.len() - 1;
    let of_split = |split: usize| {
        let found = endpoints.iter().zip(workload.requests());
        found.filter_map(|(endpoint, request)| endpoint.summed_up(request.name(), split, seed)).collect()
    };
    Ok(splits.map(of_split).collect())
}

/// An endpoint's requests so far.
struct Endpoint {
    /// The position of its request in the workload, and thereby the first index of its requests.
    position: u64,
    /// The requests that were sent.
    turns: u64,
    /// The mean time of a request to all deployments.
    turn_secs: f64,
    pairs: Vec<Pair>,
    sets: Vec<Set>,
}

/// A request to each deployment: the response time in milliseconds, where it was answered as expected.
type Pair = Vec<Option<f64>>;

/// The use of each deployment by a set of pairs.
struct Set {
    pairs: f64,
    cpu_ms: Vec<f64>,
    switches: Vec<f64>,
}

impl Endpoint {
    fn new(position: u64) -> Self {
        Self { position, turns: 0, turn_secs: 0.0, pairs: Vec::new(), sets: Vec::new() }
    }

    fn next_index(&mut self, workload: &Workload) -> u64 {
        let index = self.turns * workload.requests().len() as u64 + self.position;
        self.turns += 1;
        index
    }

    fn warm_up(&mut self, workload: &Workload, clients: &mut [LoneClient<'_>], cancel: &Cancel) -> Result<()> {
        for _ in 0..WARM_UPS {
            let index = self.next_index(workload);
            let begun = Instant::now();
            for client in clients.iter_mut() {
                cancel.check()?;
                drop(client.send(SEED_OFFSET, index));
            }
            self.turn_secs = begun.elapsed().as_secs_f64();
        }
        Ok(())
    }

    /// Sends a set of requests to every deployment, each time in another order.
    fn run_set(
        &mut self,
        workload: &Workload,
        clients: &mut [LoneClient<'_>],
        deployments: &[&mut Deployment],
        rng: &mut ChaCha8Rng,
        cancel: &Cancel,
    ) -> Result<()> {
        let count = (SET.0.as_secs_f64() / self.turn_secs.max(1e-6)) as u64;
        let count = count.clamp(1, SET.1);
        let used = || -> Vec<(Nanos, u64)> { deployments.iter().map(|d| (d.cpu(), d.switches())).collect() };
        let before = used();
        let begun = Instant::now();
        let mut order: Vec<usize> = (0..clients.len()).collect();
        for _ in 0..count {
            let index = self.next_index(workload);
            order.shuffle(rng);
            let mut pair = vec![None; clients.len()];
            for &nth in &order {
                cancel.check()?;
                let answer = clients[nth].send(SEED_OFFSET, index).ok().filter(|answer| answer.is_expected);
                pair[nth] = answer.map(|answer| answer.response.as_millis_f64());
            }
            self.pairs.push(pair);
        }
        self.turn_secs = begun.elapsed().as_secs_f64() / count as f64;
        let after = used();
        let (cpu_ms, switches) = before
            .iter()
            .zip(&after)
            .map(|(before, after)| ((after.0 - before.0).as_millis_f64(), after.1.saturating_sub(before.1) as f64))
            .unzip();
        self.sets.push(Set { pairs: count as f64, cpu_ms, switches });
        Ok(())
    }

    /// Returns true while the time allows more pairs that would help, or fewer exist than the statistics need.
    fn wants_more(&self, is_late: bool, seed: u64) -> bool {
        let pairs = self.pairs.len();
        let wanted = if is_late { FEWEST_PAIRS } else { LEAST_PAIRS };
        if is_late || !(LEAST_PAIRS..MOST_PAIRS).contains(&pairs) {
            return pairs < wanted;
        }
        let last = self.pairs[0].len() - 1;
        let is_wide = |nth: usize| {
            let ratio = self.ratio(nth, seed);
            ratio.is_some_and(|ratio| (ratio.high / ratio.low).ln() / 2.0 > PRECISION)
        };
        (1..=last).any(is_wide)
    }

    /// Returns the response time of a split divided by that of the monolith; of the second monolith, divided by that of the
    /// first.
    fn ratio(&self, nth: usize, seed: u64) -> Option<Interval> {
        let logs = self.pairs.iter().filter_map(|pair| log_ratio((nth, pair.len() - 1), |nth| pair[nth]));
        of_logs(&logs.collect::<Vec<_>>(), seed)
    }

    /// The same of the CPU time.
    fn cpu_ratio(&self, nth: usize, seed: u64) -> Option<Interval> {
        let logs =
            self.sets.iter().filter_map(|set| log_ratio((nth, set.cpu_ms.len() - 1), |nth| Some(set.cpu_ms[nth])));
        of_logs(&logs.filter(|log| log.is_finite()).collect::<Vec<_>>(), seed)
    }

    /// Returns the endpoint's lone requests to a split; `None` where no request was answered by all.
    fn summed_up(&self, name: &str, split: usize, seed: u64) -> Option<AloneEndpoint> {
        let last = self.pairs.first()?.len() - 1;
        let monolith = |pair: &Pair| Some((pair[0]? * pair[last]?).sqrt());
        let all = || self.pairs.iter().filter_map(|pair| Some((monolith(pair)?, pair[split]?)));
        let pairs: f64 = self.sets.iter().map(|set| set.pairs).sum();
        let sum = |nth: usize, of: fn(&Set) -> &Vec<f64>| self.sets.iter().map(|set| of(set)[nth]).sum::<f64>() / pairs;
        let per_request = |of| Arms { monolith: f64::midpoint(sum(0, of), sum(last, of)), split: sum(split, of) };
        Some(AloneEndpoint {
            name: name.to_owned(),
            pairs: all().count() as u64,
            failed_pairs: self.pairs.iter().filter(|pair| monolith(pair).is_some() && pair[split].is_none()).count()
                as u64,
            response_ms: Arms { monolith: median(all().map(|both| both.0))?, split: median(all().map(|both| both.1))? },
            ratio: self.ratio(split, seed)?,
            noise: self.ratio(last, seed)?,
            cpu_ms: per_request(|set| &set.cpu_ms),
            cpu_ratio: self.cpu_ratio(split, seed),
            cpu_noise: self.cpu_ratio(last, seed),
            switches: per_request(|set| &set.switches),
        })
    }
}

/// Returns the logarithm of the ratio of a deployment's figure to the monolith's, which is the geometric mean of its two copies',
/// the first and the last: each process is a little faster or slower than its like for as long as it runs. That of the last is
/// divided by that of the first.
fn log_ratio((nth, last): (usize, usize), of: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let [this, first, second] = [of(nth)?.ln(), of(0)?.ln(), of(last)?.ln()];
    Some(this - if nth == last { first } else { f64::midpoint(first, second) })
}

/// Returns the ratio whose logarithm is the median of these, with its interval.
fn of_logs(logs: &[f64], seed: u64) -> Option<Interval> {
    let log = Bootstrap::ninety(seed).interval(logs.len(), |picked| median(picked.iter().map(|&at| logs[at])))?;
    Some(log.map(f64::exp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(pairs: impl IntoIterator<Item = [Option<f64>; 3]>) -> Endpoint {
        let pairs: Vec<Pair> = pairs.into_iter().map(Vec::from).collect();
        let sets = pairs.iter().map(|_| Set { pairs: 1.0, cpu_ms: vec![1.0, 3.0, 1.0], switches: vec![2.0, 6.0, 2.0] });
        Endpoint { sets: sets.collect(), pairs, ..Endpoint::new(0) }
    }

    #[test]
    fn a_drift_of_the_machine_cancels() {
        // The machine gets ten times slower; the split takes twice as long all the time.
        let slow = |i: u32| f64::from(i) / 10.0;
        let found = endpoint((10..=100).map(|i| [Some(slow(i)), Some(2.0 * slow(i)), Some(slow(i))]));
        let alone = found.summed_up("GET /", 1, 1).unwrap();
        assert_eq!((alone.pairs, alone.failed_pairs), (91, 0));
        for end in [alone.ratio.value, alone.ratio.low, alone.ratio.high] {
            assert!((end - 2.0).abs() < 1e-9, "{:?}", alone.ratio);
        }
        assert!((alone.noise.low - 1.0).abs() < 1e-9 && alone.differs());
        assert!((alone.cpu_ratio.unwrap().value - 3.0).abs() < 1e-9);
        assert_eq!((alone.cpu_ms.split, alone.switches.split), (3.0, 6.0));
    }

    #[test]
    fn requests_that_the_split_fails_are_counted_and_in_no_ratio() {
        let found =
            endpoint([[Some(1.0), None, Some(1.0)], [Some(1.0), Some(3.0), Some(1.0)], [None, Some(9.0), Some(9.0)]]);
        let alone = found.summed_up("GET /", 1, 1).unwrap();
        assert_eq!((alone.pairs, alone.failed_pairs, alone.ratio.value.round()), (1, 1, 3.0));
        assert!(endpoint([[Some(1.0), None, Some(1.0)]]).summed_up("GET /", 1, 1).is_none());
    }

    #[test]
    fn pairs_are_sent_until_they_are_precise_or_the_time_is_up() {
        let steady = |count: usize| endpoint((0..count).map(|_| [Some(1.0), Some(2.0), Some(1.0)]));
        let noisy = |count: usize| {
            endpoint((0..count).map(|i| [Some(1.0), Some(if i % 2 == 0 { 1.0 } else { 4.0 }), Some(1.0)]))
        };
        assert!(steady(LEAST_PAIRS - 1).wants_more(false, 1));
        assert!(!steady(LEAST_PAIRS).wants_more(false, 1));
        assert!(noisy(LEAST_PAIRS).wants_more(false, 1) && !noisy(MOST_PAIRS).wants_more(false, 1));
        assert!(steady(FEWEST_PAIRS - 1).wants_more(true, 1) && !noisy(LEAST_PAIRS).wants_more(true, 1));
    }
}

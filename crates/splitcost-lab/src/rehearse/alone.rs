//! The phase of a rehearsal that sends lone requests, in pairs.
//!
//! # Source
//! Duet benchmarking (Bulej et al., ICPE'20): both sides run close together, and the pair is the unit of the statistics.
//! Randomised order: RMIT (Abedi & Brecht, ICPE'17).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::{LoneClient, Targets, Workload};
use splitcost_model::course::Precision;
use splitcost_model::estimate::Arms;
use splitcost_model::rehearsal::AloneEndpoint;
use splitcost_model::statistics::{Bootstrap, Interval, median};

use super::blocks::Arm;
use super::deployment::Traffic;
use super::{Conditions, half_width, matters};
use crate::app::App;
use crate::cpu::{GroupUse, groups_use};
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
/// Pairs of an endpoint, however little time there is, that a bootstrap needs.
///
/// Chosen: the interval of a median of fewer values is their range.
const FEWEST_PAIRS: usize = 6;
/// Pairs of an endpoint at most.
///
/// Measured: two copies of the shop lay within 3 %.
const MOST_PAIRS: usize = 400;
/// Pairs of an endpoint that a study keeps.
///
/// Chosen: more dots than these would hide each other in a plot.
const SAMPLE: usize = 100;
/// Time that a set of pairs takes, and pairs in it at most. CPU time is read before and after a set.
///
/// Chosen: reading takes milliseconds.
const SET: (Duration, u64) = (Duration::from_millis(300), 10);

/// The lone requests of a rehearsal: the same ones go to all arms, one at a time and in random order. The first arm is the
/// monolith, the last one a second monolith, and the others are splits.
pub(super) struct Alone<'a> {
    workload: &'a Workload,
    clients: Vec<LoneClient<'a>>,
    endpoints: Vec<Endpoint>,
    rng: ChaCha8Rng,
    seed: u64,
    precision: f64,
}

impl<'a> Alone<'a> {
    /// Opens the connections, and sends the requests that are not measured. `workload` gives the requests in turn.
    pub(super) fn begin(
        driver: &Driver<'_>,
        workload: &'a Workload,
        targets: &'a [Targets],
        conditions: &Conditions<'_>,
    ) -> Result<Self> {
        let mut alone = Self {
            workload,
            clients: targets.iter().map(|targets| LoneClient::new(workload, targets)).collect(),
            endpoints: (0..workload.requests().len() as u64).map(Endpoint::new).collect(),
            rng: ChaCha8Rng::seed_from_u64(conditions.seed),
            seed: conditions.seed,
            precision: conditions.precision,
        };
        for endpoint in &mut alone.endpoints {
            endpoint.warm_up(workload, &mut alone.clients, driver.cancel)?;
        }
        Ok(alone)
    }

    /// Returns the seconds that a lone request to the slowest endpoint takes.
    pub(super) fn slowest_secs(&self) -> f64 {
        self.endpoints.iter().map(|endpoint| endpoint.turn_secs).fold(0.0, f64::max) / self.clients.len() as f64
    }

    /// Returns true while more pairs would help, or fewer exist than the statistics need. The latter alone counts when it is
    /// late.
    pub(super) fn wants_more(&self, is_late: bool) -> bool {
        (0..self.endpoints.len()).any(|nth| self.is_due(nth, is_late))
    }

    fn is_due(&self, nth: usize, is_late: bool) -> bool {
        let endpoint = &self.endpoints[nth];
        let pairs = endpoint.pairs.len();
        if is_late || !(LEAST_PAIRS..MOST_PAIRS).contains(&pairs) {
            return pairs < if is_late { FEWEST_PAIRS } else { LEAST_PAIRS };
        }
        matters(self.workload, nth) && endpoint.half_width.is_some_and(|reached| reached > self.precision)
    }

    /// Sends a set of requests to each endpoint that wants more.
    pub(super) fn turn(&mut self, driver: &mut Driver<'_>, arms: &mut [Arm], is_late: bool) -> Result<()> {
        let mut due: Vec<usize> = (0..self.endpoints.len()).filter(|nth| self.is_due(*nth, is_late)).collect();
        due.shuffle(&mut self.rng);
        let before = traffic(arms)?;
        for nth in due {
            driver.say("rehearse: one request at a time, to each in turn");
            let endpoint = &mut self.endpoints[nth];
            endpoint.run_set(self.workload, &mut self.clients, arms, &mut self.rng, driver.cancel)?;
            endpoint.half_width = (1..self.clients.len() - 1)
                .filter_map(|split| endpoint.ratio(split, self.seed).map(half_width))
                .max_by(f64::total_cmp);
        }
        for arm in arms.iter_mut() {
            arm.deployment.parts().0.into_iter().try_for_each(App::check)?;
        }
        let after = traffic(arms)?;
        for (endpoint, request) in self.endpoints.iter_mut().zip(self.workload.requests()) {
            endpoint.note_traffic(request.name(), &before, &after);
        }
        Ok(())
    }

    /// Returns the precision of each endpoint that matters.
    pub(super) fn precisions(&self) -> impl Iterator<Item = Precision> {
        let requests = self.workload.requests().iter().enumerate().zip(&self.endpoints);
        requests.filter(|((nth, _), _)| matters(self.workload, *nth)).filter_map(|((_, request), endpoint)| {
            let figure = format!("{} when alone", request.name());
            Some(Precision { figure, reached: endpoint.half_width?, wanted: self.precision })
        })
    }

    /// Returns the lone requests of a split, which is the arm of this number.
    pub(super) fn of_split(&self, split: usize) -> Vec<AloneEndpoint> {
        let found = self.endpoints.iter().zip(self.workload.requests());
        found.filter_map(|(endpoint, request)| endpoint.summed_up(request.name(), split, self.seed)).collect()
    }
}

/// Returns what each split has sent between its services so far.
fn traffic(arms: &mut [Arm]) -> Result<Vec<BTreeMap<String, Traffic>>> {
    arms.iter_mut().map(|arm| arm.deployment.traffic()).collect()
}

/// Returns what the processes of each arm have used until now.
fn used(arms: &[Arm]) -> Vec<GroupUse> {
    let groups: Vec<Vec<u32>> = arms.iter().map(|arm| arm.deployment.groups().collect()).collect();
    let mut used = groups_use(&groups.concat()).into_iter();
    let sum = |groups: &Vec<u32>| {
        let of_arm = used.by_ref().take(groups.len());
        of_arm.fold(GroupUse::default(), |sum, one| GroupUse {
            cpu: sum.cpu + one.cpu,
            switches: sum.switches + one.switches,
        })
    };
    groups.iter().map(sum).collect()
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
    /// By deployment, its crossings and bytes per request in each turn.
    traffic: Vec<Vec<(f64, f64)>>,
    /// Half the width of the least precise ratio, as a share.
    half_width: Option<f64>,
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
        Self {
            position,
            turns: 0,
            turn_secs: 0.0,
            pairs: Vec::new(),
            sets: Vec::new(),
            traffic: Vec::new(),
            half_width: None,
        }
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
        arms: &[Arm],
        rng: &mut ChaCha8Rng,
        cancel: &Cancel,
    ) -> Result<()> {
        let count = (SET.0.as_secs_f64() / self.turn_secs.max(1e-6)) as u64;
        let count = count.clamp(1, SET.1);
        let before = used(arms);
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
        let after = used(arms);
        let (cpu_ms, switches) = before
            .iter()
            .zip(&after)
            .map(|(before, after)| {
                ((after.cpu - before.cpu).as_millis_f64(), after.switches.saturating_sub(before.switches) as f64)
            })
            .unzip();
        self.sets.push(Set { pairs: count as f64, cpu_ms, switches });
        Ok(())
    }

    /// Notes the crossings and bytes of the endpoint's requests between two reports.
    fn note_traffic(&mut self, name: &str, before: &[BTreeMap<String, Traffic>], after: &[BTreeMap<String, Traffic>]) {
        self.traffic.resize_with(after.len(), Vec::new);
        for ((all, before), after) in self.traffic.iter_mut().zip(before).zip(after) {
            let of = |reports: &BTreeMap<String, Traffic>| reports.get(name).copied().unwrap_or_default();
            let (earlier, later) = (of(before), of(after));
            if later.requests > earlier.requests {
                let requests = (later.requests - earlier.requests) as f64;
                let per_request = |later: u64, earlier: u64| later.saturating_sub(earlier) as f64 / requests;
                all.push((per_request(later.crossings, earlier.crossings), per_request(later.bytes, earlier.bytes)));
            }
        }
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
        let of_split = self.traffic.get(split).map_or(&[][..], Vec::as_slice);
        let traffic = |of: fn(&(f64, f64)) -> f64| median(of_split.iter().map(of)).unwrap_or_default();
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
            crossings: traffic(|(crossings, _)| *crossings),
            bytes: traffic(|(_, bytes)| *bytes),
            sample_ms: evenly(&all().collect::<Vec<_>>(), SAMPLE),
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

/// Returns at most `most` of the items, evenly spaced.
fn evenly<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    let count = all.len().min(most);
    (0..count).map(|nth| all[nth * all.len() / count]).collect()
}

/// Returns the ratio whose logarithm is the median of these, with its interval.
fn of_logs(logs: &[f64], seed: u64) -> Option<Interval> {
    let log = Bootstrap::ninety(seed).interval(logs.len(), |picked| median(picked.iter().map(|&at| logs[at])))?;
    Some(log.map(f64::exp))
}

#[cfg(test)]
mod tests {
    use splitcost_load::{Method, RequestSpec};

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
    fn a_sample_of_the_pairs_is_kept() {
        let found = endpoint((0..250).map(|i| [Some(1.0), Some(f64::from(i + 1)), Some(1.0)]));
        let sample = found.summed_up("GET /", 1, 1).unwrap().sample_ms;
        assert_eq!((sample.len(), sample[0], sample[99]), (100, (1.0, 1.0), (1.0, 248.0)));
        assert_eq!(evenly(&[1, 2, 3], 100), [1, 2, 3]);
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
        let spec = RequestSpec::new(Method::Get, "/");
        let workload = Workload::new(1, vec![spec]).unwrap().in_turn();
        let wants_more = |mut endpoint: Endpoint, is_late| {
            endpoint.half_width = endpoint.ratio(1, 1).map(half_width);
            let rng = ChaCha8Rng::seed_from_u64(1);
            let alone = Alone {
                workload: &workload,
                clients: Vec::new(),
                endpoints: vec![endpoint],
                rng,
                seed: 1,
                precision: 0.05,
            };
            alone.wants_more(is_late)
        };
        assert!(wants_more(steady(LEAST_PAIRS - 1), false));
        assert!(!wants_more(steady(LEAST_PAIRS), false));
        assert!(wants_more(noisy(LEAST_PAIRS), false) && !wants_more(noisy(MOST_PAIRS), false));
        assert!(wants_more(steady(FEWEST_PAIRS - 1), true) && !wants_more(noisy(LEAST_PAIRS), true));
    }

    #[test]
    fn crossings_and_bytes_are_the_median_of_what_the_services_reported() {
        let mut found = endpoint((0..6).map(|_| [Some(1.0), Some(2.0), Some(1.0)]));
        let reported = |requests, crossings, bytes| {
            let split = BTreeMap::from([("GET /".to_owned(), Traffic { requests, crossings, bytes })]);
            [BTreeMap::new(), split, BTreeMap::new()]
        };
        let reports = [reported(5, 10, 100), reported(7, 14, 300), reported(7, 14, 300), reported(9, 22, 900)];
        for pair in reports.windows(2) {
            found.note_traffic("GET /", &pair[0], &pair[1]);
        }
        let alone = found.summed_up("GET /", 1, 1).unwrap();
        assert_eq!((alone.crossings, alone.bytes), (3.0, 200.0));
    }
}

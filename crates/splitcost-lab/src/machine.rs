//! The machine while something is measured: the CPU time of others and of the host, and the waits of our processes.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use splitcost_load::Outcome;
use splitcost_model::course::{Covariates, Discarded};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::median;

use crate::cpu::{self, Process, TICKS_PER_SEC};
use crate::group;

/// The time after a block in which nothing of ours runs.
///
/// Chosen: at a tenth of the cores, four ticks of the clock by which the kernel counts, of each core.
const IDLE: Duration = Duration::from_millis(200);

/// The clocks of the machine at an instant.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    /// The time that all cores together have been busy.
    busy: Nanos,
    stolen: Nanos,
    /// CPU time of our processes.
    ours: Nanos,
    /// The time that our threads have waited for a core.
    waited: Nanos,
    pressure: Option<Nanos>,
    others: BTreeMap<i32, Other>,
}

/// A process of others.
#[derive(Clone, Debug, PartialEq)]
struct Other {
    name: String,
    ticks: u64,
    reaped_ticks: u64,
}

impl Reading {
    /// Reads the clocks. Ours are all processes that were started here, and this one.
    pub(crate) fn now() -> Self {
        let own = std::process::id().cast_signed();
        let groups = group::all();
        let (mut ours, mut waited) = (Nanos::ZERO, Nanos::ZERO);
        let mut others = BTreeMap::new();
        for (process, name) in cpu::processes() {
            if process.pid == own || groups.contains(&process.group) {
                ours += process.cpu();
                waited += process.waited();
            } else {
                let Process { pid, ticks, reaped_ticks, .. } = process;
                others.insert(pid, Other { name: lasting(&name).to_owned(), ticks, reaped_ticks });
            }
        }
        let [busy, stolen] = cores_used(&fs::read_to_string("/proc/stat").unwrap_or_default()).unwrap_or_default();
        let pressure = fs::read_to_string("/proc/pressure/cpu").ok().and_then(|text| waited_for_any_core(&text));
        Self { at: Instant::now(), busy, stolen, ours, waited, pressure, others }
    }

    /// Returns the machine's figures since then, without the lateness of a load generator.
    fn since(&self, earlier: &Self) -> Covariates {
        let secs = (self.at - earlier.at).as_secs_f64().max(1e-9);
        let mean = |now: Nanos, then: Nanos| (now - then).as_secs_f64() / secs;
        Covariates {
            others_cores: (mean(self.busy, earlier.busy) - mean(self.ours, earlier.ours)).max(0.0),
            stolen_cores: mean(self.stolen, earlier.stolen),
            waiting_threads: mean(self.waited, earlier.waited),
            pressure_share: self.pressure.zip(earlier.pressure).map(|(now, then)| mean(now, then)),
            lag_ms: None,
        }
    }

    /// Returns the name of the process of others that has used most of their CPU time since then, ended children included where
    /// no process alone has used as much; `None` if it is one of many.
    fn busiest(&self, earlier: &Self) -> Option<&str> {
        let spent_by_others = (self.busy - earlier.busy) - (self.ours - earlier.ours);
        let least = (0.5 * spent_by_others.as_secs_f64() * TICKS_PER_SEC) as u64;
        let used = |of: fn(&Other) -> u64| {
            let spent = self.others.iter().map(move |(pid, other)| {
                let before = earlier.others.get(pid).filter(|before| before.name == other.name).map_or(0, of);
                (of(other).saturating_sub(before), other.name.as_str())
            });
            spent.max().filter(|(ticks, _)| *ticks >= least.max(1))
        };
        used(|other| other.ticks).max(used(|other| other.reaped_ticks)).map(|(_, name)| name)
    }
}

/// Returns the part of a process's name that lasts: a worker of the kernel is named after what it does at the moment, as
/// `kworker/u8:2-writeback`.
fn lasting(name: &str) -> &str {
    name.split('-').next().filter(|worker| worker.starts_with("kworker/")).unwrap_or(name)
}

/// Returns the time that all cores together have been busy, and that the host took away.
///
/// # Source
/// proc(5), `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. The time of guests is part of user.
fn cores_used(stat: &str) -> Option<[Nanos; 2]> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields.as_slice() else { return None };
    Some([user + nice + system + irq + softirq, steal].map(|ticks| Nanos::from_secs_f64(ticks as f64 / TICKS_PER_SEC)))
}

/// Returns the time in which any thread of the machine has waited for a core.
///
/// # Source
/// The kernel's Documentation/accounting/psi.rst: `some … total=`, in microseconds.
fn waited_for_any_core(pressure: &str) -> Option<Nanos> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    line.split(' ').find_map(|field| field.strip_prefix("total=")?.parse().ok()).map(Nanos::from_micros)
}

/// A judge of blocks: measures the machine beside each, and discards those beside which it was not fit.
///
/// Bounds are fixed beforehand, and the result of a block is not looked at.
#[derive(Debug)]
pub(crate) struct Referee {
    /// Cores that others, or the host, may keep busy in the mean over a block.
    most_cores: f64,
    kept: Vec<Covariates>,
    discarded: BTreeMap<String, Discarded>,
}

impl Referee {
    /// Returns a judge that allows others a share of the machine's cores.
    pub(crate) fn new(share: f64) -> Self {
        Self { most_cores: share * cpu::cores() as f64, kept: Vec::new(), discarded: BTreeMap::new() }
    }

    /// Returns true if a block counts that began at a reading and has just ended.
    ///
    /// A database server of the app is a process of others, too, which is busy during the block only. So others must go on
    /// when nothing of ours runs.
    pub(crate) fn accepts(&mut self, began: &Reading, outcome: &Outcome) -> bool {
        let ended = Reading::now();
        let mut covariates = ended.since(began);
        if covariates.others_cores > self.most_cores {
            std::thread::sleep(IDLE);
            covariates.others_cores = covariates.others_cores.min(Reading::now().since(&ended).others_cores);
        }
        let lag = outcome.schedule_lag.quantile(0.99);
        self.judge(Covariates { lag_ms: lag.map(Nanos::as_millis_f64), ..covariates }, ended.busiest(began))
    }

    fn judge(&mut self, covariates: Covariates, busiest: Option<&str>) -> bool {
        let Covariates { others_cores, stolen_cores, .. } = covariates;
        let (cause, cores) = if others_cores > self.most_cores {
            let named = |name| format!("another process, `{name}`,");
            (busiest.map_or_else(|| "other processes".to_owned(), named), others_cores)
        } else if stolen_cores > self.most_cores {
            ("the host of this virtual machine".to_owned(), stolen_cores)
        } else {
            self.kept.push(covariates);
            return true;
        };
        let known = self.discarded.entry(cause.clone()).or_insert_with(|| Discarded { cause, ..Discarded::default() });
        known.blocks += 1;
        known.most_cores = known.most_cores.max(cores);
        false
    }

    /// Returns the discarded blocks by cause, the most frequent cause first.
    pub(crate) fn discarded(&self) -> Vec<Discarded> {
        let mut all: Vec<Discarded> = self.discarded.values().cloned().collect();
        all.sort_by_key(|discarded| std::cmp::Reverse(discarded.blocks));
        all
    }

    /// Returns the median of each figure over the blocks that count.
    pub(crate) fn machine(&self) -> Covariates {
        let of = |pick: fn(&Covariates) -> f64| median(self.kept.iter().map(pick)).unwrap_or_default();
        Covariates {
            others_cores: of(|c| c.others_cores),
            stolen_cores: of(|c| c.stolen_cores),
            waiting_threads: of(|c| c.waiting_threads),
            pressure_share: median(self.kept.iter().filter_map(|c| c.pressure_share)),
            lag_ms: median(self.kept.iter().filter_map(|c| c.lag_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_all_cores_is_read() {
        let stat = "cpu  100 20 30 4000 50 6 7 800 9 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(cores_used(stat), Some([Nanos::from_millis(1_630), Nanos::from_millis(8_000)]));
        assert_eq!(cores_used("cpu 1 2"), None);
        let pressure =
            "some avg10=99.01 avg60=90.95 avg300=62.36 total=1684\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(waited_for_any_core(pressure), Some(Nanos::from_micros(1_684)));
        assert_eq!(waited_for_any_core(""), None);
        let now = Reading::now();
        assert!(!now.busy.is_zero() && !now.ours.is_zero());
    }

    #[test]
    fn what_others_used_is_the_rest() {
        let clocks = |secs: u64, [busy, ours, waited, stolen]: [u64; 4]| Reading {
            busy: Nanos::from_millis(busy),
            ours: Nanos::from_millis(ours),
            waited: Nanos::from_millis(waited),
            stolen: Nanos::from_millis(stolen),
            pressure: Some(Nanos::from_millis(waited)),
            others: BTreeMap::new(),
            at: Instant::now() + Duration::from_secs(secs),
        };
        let before = Reading { at: Instant::now(), ..clocks(0, [500, 100, 7, 0]) };
        let after = Reading { at: before.at + Duration::from_secs(2), ..clocks(2, [2_500, 1_500, 407, 100]) };
        let found = after.since(&before);
        for (value, expected) in [
            (found.others_cores, 0.3),
            (found.waiting_threads, 0.2),
            (found.stolen_cores, 0.05),
            (found.pressure_share.unwrap(), 0.2),
        ] {
            assert!((value - expected).abs() < 1e-9, "{found:?}");
        }
        // Clock ticks may lag behind.
        assert!(Reading { busy: Nanos::from_millis(1_000), ..after }.since(&before).others_cores.abs() < 1e-9);
    }

    #[test]
    fn a_worker_of_the_kernel_keeps_its_name() {
        assert_eq!(
            ["kworker/u8:2-writeback", "kworker/0:0", "my-app"].map(lasting),
            ["kworker/u8:2", "kworker/0:0", "my-app"]
        );
    }

    #[test]
    fn the_busiest_process_of_others_is_named() {
        let other = |name: &str, ticks, reaped_ticks| Other { name: name.into(), ticks, reaped_ticks };
        let reading = |others: Vec<(i32, Other)>| Reading { others: others.into_iter().collect(), ..Reading::now() };
        let before = reading(vec![(1, other("init", 900, 0)), (2, other("make", 0, 50))]);
        let running =
            reading(vec![(1, other("init", 901, 0)), (2, other("make", 0, 60)), (3, other("cc1plus", 80, 0))]);
        assert_eq!(running.busiest(&before), Some("cc1plus"));
        // Compilers that have ended are known by who waited for them.
        let ended = reading(vec![(1, other("init", 901, 0)), (2, other("make", 1, 90))]);
        assert_eq!(ended.busiest(&before), Some("make"));
        assert_eq!(before.busiest(&before), None);
        let crowd = Reading { busy: before.busy + Nanos::from_millis(4_000), ..ended };
        assert_eq!(crowd.busiest(&before), None, "it is one of many");
    }

    #[test]
    fn blocks_beside_which_the_machine_was_not_fit_are_discarded() {
        let mut referee = Referee { most_cores: 0.2, kept: Vec::new(), discarded: BTreeMap::new() };
        let beside = |others_cores, stolen_cores| Covariates { others_cores, stolen_cores, ..Covariates::default() };
        let accepts = [(0.1, 0.1), (0.9, 0.0), (1.5, 0.9), (0.0, 0.3), (0.2, 0.0)]
            .map(|(others, stolen)| referee.judge(beside(others, stolen), Some("cc1plus")));
        assert_eq!(accepts, [true, false, false, false, true]);
        let discarded = |cause: &str, blocks, most_cores| Discarded { cause: cause.into(), blocks, most_cores };
        let expected =
            [discarded("another process, `cc1plus`,", 2, 1.5), discarded("the host of this virtual machine", 1, 0.3)];
        assert_eq!(referee.discarded(), expected);
        assert!((referee.machine().others_cores - 0.15).abs() < 1e-9);
    }
}

//! The CPU time that processes of others use while something is measured.

use std::fs;
use std::time::Instant;

use splitcost_model::quantity::Nanos;

use crate::cpu::{self, TICKS_PER_SEC};

/// The CPU time used until an instant: by all processes of the machine, and by ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    at: Instant,
    all: Nanos,
    ours: Nanos,
}

impl Used {
    /// Reads the clocks. `apps` is the CPU time of the processes that were started, to which this process's own is added.
    pub(crate) fn now(apps: Nanos) -> Self {
        let own = cpu::process_cpu(std::process::id()).unwrap_or_default();
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self { at: Instant::now(), all: busy(&stat).unwrap_or_default(), ours: apps + own }
    }

    /// Returns the cores that processes of others have kept busy since then, in the mean.
    pub(crate) fn strangers_cores(&self, since: &Self) -> f64 {
        let all = (self.all - since.all).as_secs_f64();
        let ours = (self.ours - since.ours).as_secs_f64();
        (all - ours).max(0.0) / (self.at - since.at).as_secs_f64().max(1e-9)
    }
}

/// Returns the time that all cores together have been busy.
///
/// # Source
/// proc(5), `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. The time of guests is part of user.
fn busy(stat: &str) -> Option<Nanos> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, ..] = fields.as_slice() else { return None };
    Some(Nanos::from_secs_f64((user + nice + system + irq + softirq) as f64 / TICKS_PER_SEC))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_all_cores_is_read() {
        let stat = "cpu  100 20 30 4000 50 6 7 800 9 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy(stat), Some(Nanos::from_millis(1_630)));
        assert_eq!(busy("cpu 1 2"), None);
        assert!(!Used::now(Nanos::ZERO).all.is_zero());
    }

    #[test]
    fn what_others_used_is_the_rest() {
        let before = Used { at: Instant::now(), all: Nanos::from_millis(500), ours: Nanos::from_millis(100) };
        let at = before.at + Duration::from_secs(1);
        let after = Used { at, all: Nanos::from_millis(1_500), ours: Nanos::from_millis(800) };
        assert!((after.strangers_cores(&before) - 0.3).abs() < 1e-9);
        // Clock ticks may lag behind.
        let late = Used { all: Nanos::from_millis(1_000), ..after };
        assert!(late.strangers_cores(&before).abs() < 1e-9);
    }
}

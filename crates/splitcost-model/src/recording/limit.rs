//! The number of processes and threads that run requests of an app at the same time.

use serde::{Deserialize, Serialize};

/// A number of processes or threads, and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The recording does not say it, or nothing was seen to which it applies.
    #[default]
    Unknown,
    /// The number that the server, or the library, is configured with.
    Configured(u32),
    /// The most that were seen at work at the same time.
    Observed(u32),
    /// Each request gets one of its own.
    Unlimited,
}

impl Limit {
    /// Returns the number, [`u32::MAX`] where there is no limit; `None` where it is unknown.
    pub fn count(self) -> Option<u32> {
        match self {
            Self::Unknown => None,
            Self::Configured(count) | Self::Observed(count) => Some(count),
            Self::Unlimited => Some(u32::MAX),
        }
    }

    /// Returns the one of two that says more: what is configured, the larger of equals.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let rank = |limit: Self| match limit {
            Self::Unknown => (0, 0),
            Self::Observed(count) => (1, count),
            Self::Configured(count) => (2, count),
            Self::Unlimited => (2, u32::MAX),
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// The processes and threads of an app that run requests at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits {
    /// The processes that take requests.
    pub processes: Limit,
    /// The threads of one process on which its WSGI server runs requests.
    pub server_threads: Limit,
    /// The threads of one process to which requests hand calls over: those of anyio's limiter, and of pools.
    pub pool_threads: Limit,
}

impl ServerLimits {
    /// The number of threads where it is unknown.
    ///
    /// Spec: anyio's default `CapacityLimiter`, 40.
    pub const USUAL_THREADS: u32 = 40;
    /// The largest number of processes.
    ///
    /// Chosen: an app with more of them on one host was not seen.
    const MOST_PROCESSES: u32 = 1_000;

    /// Returns the number of processes that take requests: one where it is unknown.
    pub fn processes(&self) -> u32 {
        self.processes.count().unwrap_or(1).clamp(1, Self::MOST_PROCESSES)
    }

    /// Returns the number of threads of one process on which its WSGI server runs requests.
    pub fn server_threads(&self) -> u32 {
        self.server_threads.count().unwrap_or(Self::USUAL_THREADS).max(1)
    }

    /// Returns the number of threads of one process to which requests hand calls over.
    pub fn pool_threads(&self) -> u32 {
        self.pool_threads.count().unwrap_or(Self::USUAL_THREADS).max(1)
    }

    /// Returns the processes and threads with the origin of each number: "2 processes (configured), 4 threads of …".
    pub fn in_words(&self) -> String {
        if *self == Self::default() {
            return format!("1 process with {} threads (assumed: the recording does not say)", Self::USUAL_THREADS);
        }
        let words = [
            in_words(self.processes, "process", "processes").unwrap_or_else(|| "1 process (assumed)".to_owned()),
            in_words(self.server_threads, "WSGI thread in each", "WSGI threads in each").unwrap_or_default(),
            in_words(
                self.pool_threads,
                "thread in each for calls handed over",
                "threads in each for calls handed over",
            )
            .unwrap_or_default(),
        ];
        let said: Vec<String> = words.into_iter().filter(|words| !words.is_empty()).collect();
        said.join(", ")
    }

    /// Returns the one of each two that says more.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            processes: self.processes.or(other.processes),
            server_threads: self.server_threads.or(other.server_threads),
            pool_threads: self.pool_threads.or(other.pool_threads),
        }
    }
}

fn in_words(limit: Limit, one: &str, many: &str) -> Option<String> {
    let things = if limit.count() == Some(1) { one } else { many };
    match limit {
        Limit::Unknown => None,
        Limit::Configured(count) => Some(format!("{count} {things} (configured)")),
        Limit::Observed(count) => Some(format!("{count} {things} (seen while recording)")),
        Limit::Unlimited => Some(format!("as many {things} as it takes (configured)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_says_where_it_comes_from() {
        let check = |processes, server_threads, pool_threads, expected: &str| {
            assert_eq!(ServerLimits { processes, server_threads, pool_threads }.in_words(), expected);
        };
        let [unknown, one, four] = [Limit::Unknown, Limit::Observed(1), Limit::Configured(4)];
        check(unknown, unknown, unknown, "1 process with 40 threads (assumed: the recording does not say)");
        check(one, four, unknown, "1 process (seen while recording), 4 WSGI threads in each (configured)");
        check(four, unknown, unknown, "4 processes (configured)");
        check(
            one,
            Limit::Unlimited,
            four,
            "1 process (seen while recording), as many WSGI threads in each as it takes (configured), 4 threads in each \
             for calls handed over (configured)",
        );
    }

    #[test]
    fn what_is_configured_says_more_than_what_was_seen() {
        let [unknown, seen, set] = [Limit::Unknown, Limit::Observed(9), Limit::Configured(4)];
        for (one, other, best) in [
            (unknown, seen, seen),
            (seen, set, set),
            (set, Limit::Configured(8), Limit::Configured(8)),
            (set, Limit::Unlimited, Limit::Unlimited),
        ] {
            assert_eq!((one.or(other), other.or(one)), (best, best));
        }
    }

    #[test]
    fn an_old_recording_says_nothing() {
        let meta: crate::recording::Meta = serde_json::from_str(
            r#"{"format_version": 2, "splitcost_version": "", "started_at": "", "command": [], "python_version": "",
                "recorder_mode": "", "machine": "", "phases": [], "troubles": []}"#,
        )
        .unwrap();
        assert_eq!(meta.limits, ServerLimits::default());
        assert_eq!((meta.limits.processes(), meta.limits.server_threads(), meta.limits.pool_threads()), (1, 40, 40));
    }
}

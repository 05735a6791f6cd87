//! Call policies (timeout, retries, retry budget, connections), and the faults of called services.
//!
//! Both have a text form, which the command line and the settings share: `1s + 2 retries + budget 20%`, `slow 10`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::Nanos;

/// The policy of a caller for its calls to another service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallPolicy {
    /// The time after which an attempt counts as failed; `None` waits forever.
    pub timeout: Option<Nanos>,
    /// The most attempts after the first one.
    pub retries: u32,
    /// The longest wait before the first retry. It doubles with each further retry, and the actual wait is drawn uniformly
    /// between zero and it (full jitter).
    ///
    /// # Source
    /// Paper: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub backoff: Nanos,
    /// The most retries per call on average; `None` is unlimited.
    pub budget: Option<f64>,
    /// The most connections to another service; `None` leaves the default of the stack.
    pub connections: Option<u32>,
}

impl CallPolicy {
    /// The default timeout.
    ///
    /// Chosen: the same as the deadline of the load generator.
    pub const TIMEOUT: Nanos = Nanos::from_millis(10_000);
    /// The default backoff.
    ///
    /// Chosen: gRPC's retry examples use 100 ms.
    pub const BACKOFF: Nanos = Nanos::from_millis(100);
    /// The number of retries that a full budget holds. A budget is full at first.
    ///
    /// Spec: gRPC's retry throttling (gRFC A6) begins with a full bucket, of 10 tokens in its example.
    pub const BUDGET_TOKENS: f64 = 10.0;

    /// Returns the wait before retry number `retry`, which begins at 1. `uniform` is a draw between 0 and 1.
    pub fn wait(&self, retry: u32, uniform: f64) -> Nanos {
        self.backoff * (f64::from(1_u32 << (retry - 1).min(16)) * uniform)
    }

    /// Returns the policy with its times multiplied by `factor`.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self { timeout: self.timeout.map(|timeout| timeout * factor), backoff: self.backoff * factor, ..self }
    }
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self { timeout: Some(Self::TIMEOUT), retries: 0, backoff: Self::BACKOFF, budget: None, connections: None }
    }
}

impl fmt::Display for CallPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timeout {
            Some(timeout) => write!(f, "{}", time(timeout))?,
            None => f.write_str("no timeout")?,
        }
        match self.retries {
            0 => {}
            1 => f.write_str(" + 1 retry")?,
            retries => write!(f, " + {retries} retries")?,
        }
        if self.retries > 0 && self.backoff != Self::BACKOFF {
            write!(f, " + backoff {}", time(self.backoff))?;
        }
        if let Some(budget) = self.budget {
            write!(f, " + budget {}%", budget * 100.0)?;
        }
        match self.connections {
            Some(connections) => write!(f, " + {connections} connections"),
            None => Ok(()),
        }
    }
}

/// The error for a text that is not a policy or a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedPolicy(String);

fn malformed<T>(text: impl Into<String>) -> Result<T, MalformedPolicy> {
    Err(MalformedPolicy(text.into()))
}

impl FromStr for CallPolicy {
    type Err = MalformedPolicy;

    fn from_str(text: &str) -> Result<Self, MalformedPolicy> {
        let mut policy = Self::default();
        for part in text.split('+').map(str::trim) {
            let words: Vec<&str> = part.split_whitespace().collect();
            match words[..] {
                ["no", "timeout"] => policy.timeout = None,
                ["timeout", time] => policy.timeout = Some(read_time(time)?),
                ["backoff", time] => policy.backoff = read_time(time)?,
                ["budget", share] => policy.budget = Some(read_share(share)?),
                [count, "retry" | "retries"] => policy.retries = read_count(count, 100)?,
                [count, "connection" | "connections"] => {
                    policy.connections = Some(read_count(count, 100_000)?).filter(|count| *count > 0);
                    if policy.connections.is_none() {
                        return malformed("calls need at least one connection");
                    }
                }
                [time] if time.starts_with(|c: char| c.is_ascii_digit()) => policy.timeout = Some(read_time(time)?),
                _ => {
                    return malformed(format!(
                        "{part:?} is not part of a policy; examples are `1s + 2 retries + backoff 50ms + budget 20% + 50 \
                         connections` and `no timeout`"
                    ));
                }
            }
        }
        if policy.timeout.is_some_and(Nanos::is_zero) {
            return malformed("a timeout of 0 makes every call fail");
        }
        if policy.budget.is_some() && policy.retries == 0 {
            return malformed("a budget limits retries, and the policy has none");
        }
        Ok(policy)
    }
}

impl TryFrom<String> for CallPolicy {
    type Error = MalformedPolicy;
    fn try_from(text: String) -> Result<Self, MalformedPolicy> {
        text.parse()
    }
}

impl From<CallPolicy> for String {
    fn from(policy: CallPolicy) -> Self {
        policy.to_string()
    }
}

/// A temporary fault of every service that others call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fault {
    /// Functions take this many times as long, without more CPU time.
    Slow(f64),
    /// Calls are accepted and never answered.
    Silent,
    /// The service does not listen.
    Down,
    /// This share of the packets is lost.
    Loss(f64),
    /// Each message takes this much longer.
    BrownOut(Nanos),
    /// Each message takes so much longer that calls need more connections than the pool has.
    PoolExhausted,
    /// Calls on this share of the connections are never answered. The other connections work, including those of health
    /// checks.
    HalfBad(f64),
}

impl Fault {
    /// The names of all faults.
    pub const NAMES: [&str; 7] = ["slow", "silent", "down", "loss", "brown-out", "pool-exhausted", "half-bad"];
}

/// A fault, and the load before, during and after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultPlan {
    /// The fault.
    pub fault: Fault,
    /// The duration of the load before the fault.
    pub before: Nanos,
    /// The duration of the fault.
    pub lasts: Nanos,
    /// The duration of the load after the fault.
    pub after: Nanos,
}

impl FaultPlan {
    /// The number of connections that calls need under [`Fault::PoolExhausted`], as a multiple of the pool.
    ///
    /// Chosen: the pool stays exhausted although arrivals are random.
    const BEYOND_POOL: f64 = 1.5;

    /// Returns the duration of the load.
    pub fn load(&self) -> Nanos {
        self.before + self.lasts + self.after
    }

    /// Returns the fault that is simulated or emulated. To exhaust a pool, this is a delay: by Little's law, calls need as
    /// many connections as calls begin during one call.
    pub fn made(&self, connections: Option<u32>, calls_per_sec: f64) -> Fault {
        match (self.fault, connections) {
            (Fault::PoolExhausted, Some(connections)) => {
                let round_trip_secs = Self::BEYOND_POOL * f64::from(connections) / calls_per_sec.max(1e-3);
                Fault::BrownOut(Nanos::from_secs_f64((round_trip_secs / 2.0).min(3_600.0)))
            }
            (fault, _) => fault,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(factor) => write!(f, "slow {factor}"),
            Self::Silent => f.write_str("silent"),
            Self::Down => f.write_str("down"),
            Self::Loss(share) => write!(f, "loss {}%", share * 100.0),
            Self::BrownOut(delay) => write!(f, "brown-out {}", time(*delay)),
            Self::PoolExhausted => f.write_str("pool-exhausted"),
            Self::HalfBad(share) => write!(f, "half-bad {}%", share * 100.0),
        }
    }
}

impl FromStr for Fault {
    type Err = MalformedPolicy;

    fn from_str(text: &str) -> Result<Self, MalformedPolicy> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let fault = match words[..] {
            ["slow"] => Self::Slow(10.0),
            ["slow", factor] => match factor.trim_start_matches(['x', '×']).parse::<f64>() {
                Ok(factor) if (1.0..=10_000.0).contains(&factor) => Self::Slow(factor),
                _ => return malformed(format!("{factor:?} is not a factor from 1 to 10000")),
            },
            ["silent"] => Self::Silent,
            ["down"] => Self::Down,
            ["loss"] => Self::Loss(0.01),
            ["loss", share] => Self::Loss(read_share(share)?),
            ["brown-out"] => Self::BrownOut(Nanos::from_millis(2_000)),
            ["brown-out", delay] => Self::BrownOut(read_time(delay)?),
            ["pool-exhausted"] => Self::PoolExhausted,
            ["half-bad"] => Self::HalfBad(0.5),
            ["half-bad", share] => Self::HalfBad(read_share(share)?),
            _ => return malformed(format!("{text:?} is not a fault; the faults are {}", Self::NAMES.join(", "))),
        };
        Ok(fault)
    }
}

impl TryFrom<String> for Fault {
    type Error = MalformedPolicy;
    fn try_from(text: String) -> Result<Self, MalformedPolicy> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

/// Formats a time as `1s`, `250ms` or `80us`.
fn time(time: Nanos) -> String {
    let micros = time.as_nanos() as f64 / 1e3;
    if micros >= 1e6 {
        format!("{}s", micros / 1e6)
    } else if micros >= 1e3 {
        format!("{}ms", micros / 1e3)
    } else {
        format!("{micros}us")
    }
}

fn read_time(text: &str) -> Result<Nanos, MalformedPolicy> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let unit = match &text[digits..] {
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        _ => return malformed(format!("{text:?} is not a time, such as 1s, 250ms or 80us")),
    };
    match text[..digits].parse::<f64>() {
        // A day is longer than any test.
        Ok(number) if number >= 0.0 && number * unit <= 86_400e9 => Ok(Nanos::from_nanos_f64(number * unit)),
        _ => malformed(format!("{text:?} is not a time up to one day")),
    }
}

fn read_share(text: &str) -> Result<f64, MalformedPolicy> {
    match text.strip_suffix('%').map(str::parse::<f64>) {
        Some(Ok(percent)) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => malformed(format!("{text:?} is not a share, such as 20%")),
    }
}

fn read_count(text: &str, most: u32) -> Result<u32, MalformedPolicy> {
    match text.parse() {
        Ok(count) if count <= most => Ok(count),
        _ => malformed(format!("{text:?} is not a whole number up to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = MalformedPolicy> + fmt::Display>(text: &str, expected: &str) {
        assert_eq!(text.parse::<T>().map_or_else(|error| error.to_string(), |known| known.to_string()), expected);
    }

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        for text in [
            "10s",
            "no timeout",
            "1s + 2 retries",
            "250ms + 1 retry + backoff 10ms + budget 20%",
            "no timeout + 50 connections",
        ] {
            check::<CallPolicy>(text, text);
        }
        check::<CallPolicy>("timeout 1.5s + 3 retries + backoff 100ms", "1.5s + 3 retries");
        check::<CallPolicy>("2 retries", "10s + 2 retries");
    }

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        for name in Fault::NAMES {
            let fault: Fault = name.parse().unwrap();
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        check::<Fault>("slow x4", "slow 4");
        check::<Fault>("half-bad 25%", "half-bad 25%");
    }

    #[test]
    fn invalid_texts_are_refused() {
        check::<CallPolicy>("0s", "a timeout of 0 makes every call fail");
        check::<CallPolicy>("1s + budget 20%", "a budget limits retries, and the policy has none");
        check::<CallPolicy>("1s + 0 connections", "calls need at least one connection");
        check::<CallPolicy>(
            "1 week",
            "\"1 week\" is not part of a policy; examples are `1s + 2 retries + backoff 50ms + budget 20% + 50 connections` \
             and `no timeout`",
        );
        check::<CallPolicy>("5m", "\"5m\" is not a time, such as 1s, 250ms or 80us");
        check::<Fault>("loss 120%", "\"120%\" is not a share, such as 20%");
        check::<Fault>(
            "earthquake",
            "\"earthquake\" is not a fault; the faults are slow, silent, down, loss, brown-out, pool-exhausted, half-bad",
        );
    }

    #[test]
    fn the_longest_wait_doubles_with_each_retry() {
        let policy = CallPolicy { retries: 3, ..CallPolicy::default() };
        assert_eq!([1, 2, 3].map(|retry| policy.wait(retry, 1.0)), [100, 200, 400].map(Nanos::from_millis));
        assert_eq!((policy.wait(2, 0.0), policy.wait(2, 0.5)), (Nanos::ZERO, Nanos::from_millis(100)));
        let longest = policy.wait(100, 1.0);
        assert_eq!(longest, policy.wait(17, 1.0), "the wait stays finite");
    }

    #[test]
    fn a_pool_is_exhausted_by_a_delay_according_to_littles_law() {
        let time = Nanos::from_millis(1_000);
        let plan = FaultPlan { fault: Fault::PoolExhausted, before: time, lasts: time, after: time };
        assert_eq!(plan.load(), Nanos::from_millis(3_000));
        // 200 calls/s that take 0.75 s each need 150 connections: one and a half times the pool.
        assert_eq!(plan.made(Some(100), 200.0), Fault::BrownOut(Nanos::from_millis(375)));
        assert_eq!(plan.made(None, 200.0), Fault::PoolExhausted);
        let down = FaultPlan { fault: Fault::Down, ..plan };
        assert_eq!(down.made(Some(100), 200.0), Fault::Down);
    }
}

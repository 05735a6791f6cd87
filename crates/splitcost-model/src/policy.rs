//! How a caller treats its calls: timeout, retries, budget, connections. Also what goes wrong with a callee.
//!
//! Both have a text form that command line and settings share: `1s + 2 retries + budget 20%`, `slow 10`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::Nanos;

/// How a caller treats its calls to another service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallPolicy {
    /// After which an attempt counts as failed; `None` waits for ever.
    pub timeout: Option<Nanos>,
    /// Attempts after the first.
    pub retries: u32,
    /// Before the first retry; doubled before each further one, and drawn uniformly from zero to that (full jitter).
    ///
    /// # Source
    /// Paper: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub backoff: Nanos,
    /// Retries per call, at most; `None` is unlimited.
    pub budget: Option<f64>,
    /// Connections to another service at most; `None` is what the stack does.
    pub connections: Option<u32>,
}

impl CallPolicy {
    /// What `timeout` is where none is written.
    ///
    /// Chosen: the load generator gives up then, too.
    pub const TIMEOUT: Nanos = Nanos::from_millis(10_000);
    /// What `backoff` is where none is written.
    ///
    /// Chosen: gRPC's retry examples use 100 ms.
    pub const BACKOFF: Nanos = Nanos::from_millis(100);
    /// Retries that a budget holds at most, and at the beginning.
    ///
    /// Spec: gRPC's retry throttling (gRFC A6) begins with a full bucket, of 10 tokens in its example.
    pub const BUDGET_TOKENS: f64 = 10.0;

    /// The wait before retry `retry`, the first being 1, from a uniform draw of 0 to 1.
    pub fn wait(&self, retry: u32, uniform: f64) -> Nanos {
        self.backoff * (f64::from(1_u32 << (retry - 1).min(16)) * uniform)
    }

    /// The same where time runs `factor` times as fast.
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

/// Why a text is no policy or no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

fn malformed<T>(text: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(text.into()))
}

impl FromStr for CallPolicy {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
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
                        return malformed("no call can be made over 0 connections");
                    }
                }
                [time] if time.starts_with(|c: char| c.is_ascii_digit()) => policy.timeout = Some(read_time(time)?),
                _ => {
                    return malformed(format!(
                        "{part:?} is not part of a policy, as in `1s + 2 retries + backoff 50ms + budget 20% + 50 \
                         connections` or `no timeout`"
                    ));
                }
            }
        }
        if policy.timeout.is_some_and(Nanos::is_zero) {
            return malformed("a timeout of 0 lets no call end");
        }
        if policy.budget.is_some() && policy.retries == 0 {
            return malformed("a budget is for retries, and there are none");
        }
        Ok(policy)
    }
}

impl TryFrom<String> for CallPolicy {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<CallPolicy> for String {
    fn from(policy: CallPolicy) -> Self {
        policy.to_string()
    }
}

/// What goes wrong with every service that others call, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fault {
    /// Its functions take so many times as long, without computing more.
    Slow(f64),
    /// It accepts calls, and never answers.
    Silent,
    /// Nobody listens.
    Down,
    /// This share of the packets is lost.
    Loss(f64),
    /// Every message takes so much longer.
    BrownOut(Nanos),
    /// Every message takes so much longer that calls hold more connections than there are.
    PoolExhausted,
    /// This share of the connections is never answered; the others are well, the health check among them.
    HalfBad(f64),
}

impl Fault {
    /// Every kind, as it is written without a number.
    pub const NAMES: [&str; 7] = ["slow", "silent", "down", "loss", "brown-out", "pool-exhausted", "half-bad"];
}

/// A fault, and the load around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultPlan {
    /// What goes wrong.
    pub fault: Fault,
    /// The load comes so long before it.
    pub before: Nanos,
    /// It lasts so long.
    pub lasts: Nanos,
    /// The load goes on for so long after it.
    pub after: Nanos,
}

impl FaultPlan {
    /// Longer than calls hold connections before there is none left, by this factor.
    ///
    /// Chosen: enough that the pool stays exhausted although arrivals are random.
    const BEYOND_POOL: f64 = 1.5;

    /// How long the load comes.
    pub fn load(&self) -> Nanos {
        self.before + self.lasts + self.after
    }

    /// The fault as it is made: of a pool that is to be exhausted, a delay that does it. By Little's law, calls hold as many
    /// connections as come in the time that each takes.
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
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let fault = match words[..] {
            ["slow"] => Self::Slow(10.0),
            ["slow", factor] => match factor.trim_start_matches(['x', '×']).parse::<f64>() {
                Ok(factor) if (1.0..=10_000.0).contains(&factor) => Self::Slow(factor),
                _ => return malformed(format!("{factor:?} is not a factor of 1 to 10000")),
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
            _ => return malformed(format!("{text:?} is no fault: they are {}", Self::NAMES.join(", "))),
        };
        Ok(fault)
    }
}

impl TryFrom<String> for Fault {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

/// `1s`, `250ms`, `80us`.
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

fn read_time(text: &str) -> Result<Nanos, Malformed> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let unit = match &text[digits..] {
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        _ => return malformed(format!("{text:?} is not a time, as 1s, 250ms or 80us")),
    };
    match text[..digits].parse::<f64>() {
        // A day is more than any test takes.
        Ok(number) if number >= 0.0 && number * unit <= 86_400e9 => Ok(Nanos::from_nanos_f64(number * unit)),
        _ => malformed(format!("{text:?} is not a time of at most a day")),
    }
}

fn read_share(text: &str) -> Result<f64, Malformed> {
    match text.strip_suffix('%').map(str::parse::<f64>) {
        Some(Ok(percent)) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => malformed(format!("{text:?} is not a share, as 20%")),
    }
}

fn read_count(text: &str, most: u32) -> Result<u32, Malformed> {
    match text.parse() {
        Ok(count) if count <= most => Ok(count),
        _ => malformed(format!("{text:?} is not a number of at most {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = Malformed> + fmt::Display>(text: &str, expected: &str) {
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
    fn what_is_none_is_refused() {
        check::<CallPolicy>("0s", "a timeout of 0 lets no call end");
        check::<CallPolicy>("1s + budget 20%", "a budget is for retries, and there are none");
        check::<CallPolicy>("1s + 0 connections", "no call can be made over 0 connections");
        check::<CallPolicy>(
            "1 week",
            "\"1 week\" is not part of a policy, as in `1s + 2 retries + backoff 50ms + budget \
             20% + 50 connections` or `no timeout`",
        );
        check::<CallPolicy>("5m", "\"5m\" is not a time, as 1s, 250ms or 80us");
        check::<Fault>("loss 120%", "\"120%\" is not a share, as 20%");
        check::<Fault>(
            "earthquake",
            "\"earthquake\" is no fault: they are slow, silent, down, loss, brown-out, pool-exhausted, half-bad",
        );
    }
}

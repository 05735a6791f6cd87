//! A condition on the figures of one endpoint, as `--fail-if` takes it.

use splitcost_model::bench::{Measurement, Times};

/// A condition on one endpoint's figures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    figure: Figure,
    above: bool,
    limit: f64,
    /// The condition as it was written.
    pub(crate) text: String,
}

/// A figure that a condition limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Mean,
    P50,
    P90,
    P99,
    P999,
    P9999,
    Max,
    Throughput,
    Failed,
}

impl Figure {
    const ALL: [(&'static str, Self); 9] = [
        ("mean", Self::Mean),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p99.9", Self::P999),
        ("p99.99", Self::P9999),
        ("max", Self::Max),
        ("throughput", Self::Throughput),
        ("failed", Self::Failed),
    ];

    /// Returns the figure's value; response times are in milliseconds.
    fn of(self, found: &Measurement) -> f64 {
        let Times { mean_ms, p50_ms, p90_ms, p99_ms, p99_9_ms, p99_99_ms, max_ms } = found.response;
        match self {
            Self::Mean => mean_ms,
            Self::P50 => p50_ms,
            Self::P90 => p90_ms,
            Self::P99 => p99_ms,
            Self::P999 => p99_9_ms,
            Self::P9999 => p99_99_ms,
            Self::Max => max_ms,
            Self::Throughput => found.throughput_reqs_per_sec,
            Self::Failed => found.failed.iter().map(|failed| failed.requests).sum::<u64>() as f64,
        }
    }
}

impl Threshold {
    /// Reads a condition such as `p99 > 50ms`: a figure, `>` or `<`, and a number. Times are in ms, unless they have
    /// the unit `us`, `ms` or `s`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (above, (name, limit)) = match (text.split_once('>'), text.split_once('<')) {
            (Some(parts), None) => (true, parts),
            (None, Some(parts)) => (false, parts),
            _ => return Err("expected a condition such as `p99 > 50ms`".to_owned()),
        };
        let known = Figure::ALL.iter().find(|(known, _)| *known == name.trim());
        let Some((_, figure)) = known else {
            let names: Vec<&str> = Figure::ALL.iter().map(|(name, _)| *name).collect();
            return Err(format!("the figures are {}", names.join(", ")));
        };
        let limit = limit.trim();
        let is_time = !matches!(figure, Figure::Throughput | Figure::Failed);
        let units = [("us", 1e-3), ("µs", 1e-3), ("ms", 1.0), ("s", 1e3), ("", 1.0)];
        let units = if is_time { &units[..] } else { &units[4..] };
        let number = units.iter().find_map(|(unit, factor)| {
            Some(limit.strip_suffix(unit)?.trim_end().parse::<f64>().ok()? * factor).filter(|limit| limit.is_finite())
        });
        let limit = number.ok_or_else(|| {
            format!("{limit:?} is not a number{}", if is_time { " with a unit of us, ms or s" } else { "" })
        })?;
        Ok(Self { figure: *figure, above, limit, text: text.to_owned() })
    }

    /// Returns the limited figure's value in a measurement.
    pub(crate) fn value(&self, found: &Measurement) -> f64 {
        self.figure.of(found)
    }

    /// Returns whether the condition holds for a measurement.
    pub(crate) fn holds(&self, found: &Measurement) -> bool {
        let value = self.value(found);
        if self.above { value > self.limit } else { value < self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let limit = |text: &str| Threshold::parse(text).map(|t| (t.figure, t.above, t.limit));
        assert_eq!(limit("p99 > 50ms"), Ok((Figure::P99, true, 50.0)));
        assert_eq!(limit("p99.9>0.05 s"), Ok((Figure::P999, true, 50.0)));
        assert_eq!(limit("mean < 250us"), Ok((Figure::Mean, false, 0.25)));
        assert_eq!(limit("throughput < 1000"), Ok((Figure::Throughput, false, 1000.0)));
        assert_eq!(
            limit("p98 > 1"),
            Err("the figures are mean, p50, p90, p99, p99.9, p99.99, max, throughput, failed".into())
        );
        assert_eq!(limit("failed > 1ms"), Err("\"1ms\" is not a number".into()));
        assert_eq!(limit("p99 > 1min"), Err("\"1min\" is not a number with a unit of us, ms or s".into()));
        assert!(limit("p99 50").is_err() && limit("p99 > x").is_err() && limit("p99 > inf").is_err());
    }

    #[test]
    fn a_condition_holds_beyond_its_limit() {
        let response = Times { p99_ms: 60.0, ..Times::default() };
        let found = Measurement { response, throughput_reqs_per_sec: 900.0, ..Measurement::default() };
        let holds = |text: &str| Threshold::parse(text).is_ok_and(|threshold| threshold.holds(&found));
        assert!(holds("p99 > 50ms") && holds("throughput < 1000"));
        assert!(!holds("p99 > 60ms") && !holds("throughput < 900") && !holds("failed > 0"));
    }
}

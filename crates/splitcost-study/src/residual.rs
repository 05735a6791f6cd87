//! Errors of past predictions, and intervals that contain them.

use serde::{Deserialize, Serialize};

use splitcost_model::estimate::{Arms, Estimate, EstimatedEndpoint, Figures, Quantile, ResponseTimes};
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::statistics::{Interval, quantile};

/// Chosen: the last few evaluations of a service of ordinary size; older ones knew an older machine.
const MOST: usize = 500;
/// Chosen: two evaluations of two splits; the 5th percentile of so few is their minimum.
const FEWEST: usize = 8;

/// Version of the file that keeps past residuals; a file of another one is ignored.
const VERSION: u32 = 3;

/// The circumstances of a prediction: its errors say something about predictions of the same ones only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Directory and packages of the app.
    pub app: String,
    /// Name of the stack.
    pub stack: String,
    /// The servers that took requests.
    pub servers: Vec<String>,
}

/// The residuals of earlier rehearsals on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastResiduals {
    version: u32,
    all: Vec<ResidualsOf>,
}

/// Residuals and their circumstances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ResidualsOf {
    circumstances: Circumstances,
    residuals: Residuals,
}

impl Default for PastResiduals {
    fn default() -> Self {
        Self { version: VERSION, all: Vec::new() }
    }
}

impl PastResiduals {
    /// Returns these residuals if their file is of this version, else none.
    #[must_use]
    pub fn if_current(self) -> Self {
        if self.version == VERSION { self } else { Self::default() }
    }

    /// Returns the residuals of the same circumstances.
    pub fn of(&self, circumstances: &Circumstances) -> Residuals {
        let same = self.all.iter().find(|of| of.circumstances == *circumstances);
        same.map(|of| of.residuals.clone()).unwrap_or_default()
    }

    /// Adds later residuals.
    pub fn add(&mut self, circumstances: Circumstances, later: Residuals) {
        match self.all.iter_mut().find(|of| of.circumstances == circumstances) {
            Some(of) => of.residuals.extend(later),
            None => self.all.push(ResidualsOf { circumstances, residuals: later }),
        }
    }
}

/// The logarithms of the measured over the predicted ratio of split to monolith, by kind of figure, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residuals {
    /// Lone requests.
    pub alone: Vec<f64>,
    /// Medians of response times under load.
    pub p50: Vec<f64>,
    /// 90th percentiles.
    pub p90: Vec<f64>,
    /// 99th percentiles.
    pub p99: Vec<f64>,
    /// CPU per request.
    pub cpu: Vec<f64>,
    /// Throughput at saturation.
    pub saturation: Vec<f64>,
}

impl Residuals {
    /// Returns the residuals of one rehearsed split, against its prediction as rehearsed.
    pub fn of(estimate: &Estimate, rehearsal: &Rehearsal) -> Self {
        let mut all = Self::default();
        let (endpoints, figures) = match &estimate.as_rehearsed {
            Some(rehearsed) => (&rehearsed.endpoints, rehearsed.figures),
            None => (&estimate.endpoints, estimate.figures),
        };
        for predicted in endpoints {
            let Some(measured) = rehearsal.endpoints.iter().find(|measured| measured.name == predicted.name) else {
                continue;
            };
            let at = |arms: &Arms<Option<ResponseTimes>>, quantile| {
                let of = |times: &Option<ResponseTimes>| times.as_ref().map(|times| times.at(quantile));
                ratio(of(&arms.monolith), of(&arms.split))
            };
            let logs = [&mut all.p50, &mut all.p90, &mut all.p99];
            for (quantile, logs) in Quantile::ALL.into_iter().zip(logs) {
                note(logs, at(&predicted.response, quantile), at(&measured.response, quantile));
            }
        }
        for measured in &rehearsal.alone {
            let predicted = endpoints.iter().find(|predicted| predicted.name == measured.name);
            let predicted = predicted.and_then(|predicted| predicted.alone);
            note(&mut all.alone, predicted.map(|alone| alone.ratio.value), Some(measured.ratio.value));
        }
        let of = |figures: Arms<Figures>, pick: fn(Figures) -> Option<Interval>| {
            ratio(pick(figures.monolith), pick(figures.split))
        };
        let both = |pick| (of(figures, pick), of(rehearsal.figures, pick));
        let (predicted, measured) = both(|figures| figures.cpu_secs_per_request);
        note(&mut all.cpu, predicted, measured);
        let (predicted, measured) = both(|figures| figures.saturation_reqs_per_sec);
        note(&mut all.saturation, predicted, measured);
        all
    }

    /// Appends later residuals and drops the oldest ones beyond a limit.
    pub fn extend(&mut self, later: Self) {
        let kinds = [
            (&mut self.alone, later.alone),
            (&mut self.p50, later.p50),
            (&mut self.p90, later.p90),
            (&mut self.p99, later.p99),
            (&mut self.cpu, later.cpu),
            (&mut self.saturation, later.saturation),
        ];
        for (all, new) in kinds {
            all.extend(new);
            all.drain(..all.len().saturating_sub(MOST));
        }
    }

    /// Widens the intervals of a predicted split by the 5th and the 95th percentile of the residuals. Values stay, and so do
    /// intervals of a kind with too few residuals.
    pub fn widen(&self, estimate: &mut Estimate) {
        let [alone, p50, p90, p99] = [&self.alone, &self.p50, &self.p90, &self.p99].map(|logs| margin(logs));
        let mut endpoints: Vec<&mut EstimatedEndpoint> = estimate.endpoints.iter_mut().collect();
        let mut figures = vec![&mut estimate.figures.split];
        if let Some(rehearsed) = &mut estimate.as_rehearsed {
            endpoints.extend(&mut rehearsed.endpoints);
            figures.push(&mut rehearsed.figures.split);
        }
        for endpoint in endpoints {
            if let Some(predicted) = &mut endpoint.alone {
                apply(alone, &mut predicted.ratio);
            }
            for times in [&mut endpoint.response.split, &mut endpoint.split_if_async] {
                let Some(ResponseTimes { p50_ms, p90_ms, p99_ms, .. }) = times else { continue };
                apply(p50, p50_ms);
                apply(p90, p90_ms);
                apply(p99, p99_ms);
            }
        }
        let (cpu, saturation) = (margin(&self.cpu), margin(&self.saturation));
        for figures in figures {
            let Figures { saturation_reqs_per_sec, cpu_secs_per_request, cores } = figures;
            [cpu_secs_per_request, cores].into_iter().flatten().for_each(|interval| apply(cpu, interval));
            if let Some(interval) = saturation_reqs_per_sec {
                apply(saturation, interval);
            }
        }
    }

    /// Returns the number of past figures, if there are enough of them to widen response times.
    pub fn known(&self) -> Option<usize> {
        margin(&self.p50)?;
        let kinds = [&self.alone, &self.p50, &self.p90, &self.p99, &self.cpu, &self.saturation];
        Some(kinds.iter().map(|logs| logs.len()).sum())
    }
}

/// Returns the ratio of split to monolith, where both are more than zero.
fn ratio(monolith: Option<Interval>, split: Option<Interval>) -> Option<f64> {
    let (monolith, split) = (monolith?.value, split?.value);
    (monolith > 0.0 && split > 0.0).then_some(split / monolith)
}

fn note(all: &mut Vec<f64>, predicted: Option<f64>, measured: Option<f64>) {
    if let (Some(predicted), Some(measured)) = (predicted, measured) {
        all.push((measured / predicted).ln());
    }
}

/// Factors on the lower and the upper end.
fn margin(logs: &[f64]) -> Option<(f64, f64)> {
    if logs.len() < FEWEST {
        return None;
    }
    let mut sorted = logs.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((quantile(&sorted, 0.05)?.min(0.0).exp(), quantile(&sorted, 0.95)?.max(0.0).exp()))
}

fn apply(margin: Option<(f64, f64)>, interval: &mut Interval) {
    if let Some((low, high)) = margin {
        interval.low *= low;
        interval.high *= high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use splitcost_model::estimate::Alone;
    use splitcost_model::rehearsal::{AloneEndpoint, RehearsedEndpoint};
    use splitcost_model::statistics::Level;

    fn interval(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.99, value * 1.01)
    }

    /// Response times of a split, where those of the monolith are 2 ms.
    fn response(value: f64) -> Arms<Option<ResponseTimes>> {
        let times = |value: f64| {
            let [p50_ms, p90_ms, p99_ms] = [interval(value); 3];
            Some(ResponseTimes { p50_ms, p90_ms, p99_ms, distribution: Vec::new() })
        };
        Arms { monolith: times(2.0), split: times(value) }
    }

    fn figures(value: f64) -> Arms<Figures> {
        let of = |value: f64| {
            let value = Some(interval(value));
            Figures { saturation_reqs_per_sec: value, cpu_secs_per_request: value, cores: value }
        };
        Arms { monolith: of(2.0), split: of(value) }
    }

    fn estimate(value: f64) -> Estimate {
        let alone = Some(Alone { ratio: interval(value), ..Alone::default() });
        let endpoint = EstimatedEndpoint { alone, response: response(value), ..EstimatedEndpoint::default() };
        Estimate { figures: figures(value), endpoints: vec![endpoint], ..Estimate::default() }
    }

    /// Residuals of a split whose figures came out `off` times as large as predicted.
    fn residuals(predicted: f64, off: f64) -> Residuals {
        let endpoint = RehearsedEndpoint { response: response(predicted * off), ..RehearsedEndpoint::default() };
        let alone = vec![AloneEndpoint { ratio: interval(predicted * off), ..AloneEndpoint::default() }];
        let figures = figures(predicted * off);
        let rehearsal = Rehearsal { figures, alone, endpoints: vec![endpoint], ..Rehearsal::default() };
        Residuals::of(&estimate(predicted), &rehearsal)
    }

    #[test]
    fn past_errors_would_have_been_inside() {
        let mut all = Residuals::default();
        let offs: Vec<f64> = (0..40).map(|i| 0.8 + f64::from(i) * 0.01).collect();
        for off in &offs {
            all.extend(residuals(5.0, *off));
        }
        let mut next = estimate(7.0);
        all.widen(&mut next);
        let times = next.endpoints[0].response.split.clone().expect("it stays");
        let figures = next.figures.split;
        let alone = next.endpoints[0].alone.map(|alone| alone.ratio);
        let of_figures = [figures.cpu_secs_per_request, figures.cores];
        for interval in [alone, Some(times.p50_ms), Some(times.p99_ms)].into_iter().chain(of_figures) {
            let interval = interval.expect("it stays");
            assert!((interval.value - 7.0).abs() < 1e-9);
            let inside = offs.iter().filter(|off| (interval.low..=interval.high).contains(&(7.0 * **off))).count();
            assert!((36..40).contains(&inside), "{inside} of 40 inside {interval:?}");
        }
    }

    #[test]
    fn too_few_residuals_change_nothing() {
        let few = residuals(5.0, 3.0);
        assert_eq!(few.known(), None);
        let mut next = estimate(7.0);
        few.widen(&mut next);
        assert_eq!(next, estimate(7.0));
    }

    #[test]
    fn residuals_of_other_circumstances_say_nothing() {
        let circumstances = |app: &str, stack: &str, server: &str| Circumstances {
            app: app.into(),
            stack: stack.into(),
            servers: vec![server.into()],
        };
        let mine = circumstances("shop", "httpx", "uvicorn");
        let mut past = PastResiduals::default();
        past.add(mine.clone(), residuals(5.0, 3.0));
        past.add(mine.clone(), residuals(5.0, 2.0));
        assert_eq!((past.of(&mine).p50.len(), past.of(&mine).alone.len()), (2, 2));
        for other in [("books", "httpx", "uvicorn"), ("shop", "grpc", "uvicorn"), ("shop", "httpx", "granian")] {
            assert_eq!(past.of(&circumstances(other.0, other.1, other.2)), Residuals::default());
        }
        let older = PastResiduals { version: VERSION - 1, ..past };
        assert_eq!(older.if_current(), PastResiduals::default());
    }

    #[test]
    fn the_oldest_go() {
        let mut all = Residuals::default();
        for off in 0..1_000 {
            all.extend(residuals(1.0, f64::from(off + 1)));
        }
        assert_eq!((all.p50.len(), all.cpu.len()), (500, 500));
        assert!((all.cpu[499] - 1_000_f64.ln()).abs() < 1e-9);
    }
}

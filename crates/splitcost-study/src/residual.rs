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

    /// Returns the residuals of the same circumstances; a kind of which there are too few has those that splitcost brings
    /// along.
    pub fn of(&self, circumstances: &Circumstances) -> Residuals {
        let same = self.all.iter().find(|of| of.circumstances == *circumstances);
        let mut own = same.map(|of| of.residuals.clone()).unwrap_or_default();
        let mut shipped = Residuals::shipped();
        for (own, shipped) in own.kinds().into_iter().zip(shipped.kinds()) {
            if own.len() < FEWEST {
                std::mem::swap(own, shipped);
            }
        }
        own
    }

    /// Returns the number of residuals of the same circumstances, if there are enough of them.
    pub fn known(&self, circumstances: &Circumstances) -> Option<usize> {
        let mut own = self.all.iter().find(|of| of.circumstances == *circumstances)?.residuals.clone();
        let counts = own.kinds().map(|logs| logs.len());
        (own.alone.len() + own.alone_apart.len() >= FEWEST).then(|| counts.iter().sum())
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
///
/// Endpoints whose requests make no call between services are apart: their errors are smaller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residuals {
    /// Lone requests.
    pub alone: Vec<f64>,
    /// Lone requests of endpoints without calls between services.
    pub alone_apart: Vec<f64>,
    /// Medians of response times under load.
    pub p50: Vec<f64>,
    /// The same of endpoints without calls between services.
    pub p50_apart: Vec<f64>,
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
    /// Returns the residuals of the applications in `corpus/`, none of which was used to tune the model.
    pub fn shipped() -> Self {
        serde_json::from_str(include_str!("residuals.json")).unwrap_or_default()
    }

    fn kinds(&mut self) -> [&mut Vec<f64>; 8] {
        let Self { alone, alone_apart, p50, p50_apart, p90, p99, cpu, saturation } = self;
        [alone, alone_apart, p50, p50_apart, p90, p99, cpu, saturation]
    }

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
                let of = |times: &Option<ResponseTimes>| times.as_ref().and_then(|times| times.at(quantile));
                ratio(of(&arms.monolith), of(&arms.split))
            };
            let p50 = if predicted.crossings_per_request > 0.0 { &mut all.p50 } else { &mut all.p50_apart };
            let logs = [p50, &mut all.p90, &mut all.p99];
            for (quantile, logs) in Quantile::ALL.into_iter().zip(logs) {
                note(logs, at(&predicted.response, quantile), at(&measured.response, quantile));
            }
        }
        for measured in &rehearsal.alone {
            let predicted = endpoints.iter().find(|predicted| predicted.name == measured.name);
            let Some((predicted, alone)) = predicted.and_then(|predicted| Some((predicted, predicted.alone?))) else {
                continue;
            };
            let logs = if predicted.crossings_per_request > 0.0 { &mut all.alone } else { &mut all.alone_apart };
            note(logs, Some(alone.ratio.value), Some(measured.ratio.value));
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
    pub fn extend(&mut self, mut later: Self) {
        for (all, new) in self.kinds().into_iter().zip(later.kinds()) {
            all.append(new);
            all.drain(..all.len().saturating_sub(MOST));
        }
    }

    /// Widens the intervals of a predicted split by the 5th and the 95th percentile of the residuals. Values stay, and so do
    /// intervals of a kind with too few residuals.
    pub fn widen(&self, estimate: &mut Estimate) {
        let [alone, alone_apart] = [&self.alone, &self.alone_apart].map(|logs| margin(logs));
        let [p50, p50_apart, p90, p99] = [&self.p50, &self.p50_apart, &self.p90, &self.p99].map(|logs| margin(logs));
        let mut endpoints: Vec<&mut EstimatedEndpoint> = estimate.endpoints.iter_mut().collect();
        let mut figures = vec![&mut estimate.figures.split];
        if let Some(rehearsed) = &mut estimate.as_rehearsed {
            endpoints.extend(&mut rehearsed.endpoints);
            figures.push(&mut rehearsed.figures.split);
        }
        for endpoint in endpoints {
            let is_apart = endpoint.crossings_per_request <= 0.0;
            if let Some(predicted) = &mut endpoint.alone {
                apply(if is_apart { alone_apart } else { alone }, &mut predicted.ratio);
            }
            for times in [&mut endpoint.response.split, &mut endpoint.split_if_async] {
                let Some(ResponseTimes { p50_ms, p90_ms, p99_ms, .. }) = times else { continue };
                apply(if is_apart { p50_apart } else { p50 }, p50_ms);
                apply(p90, p90_ms);
                if let Some(p99_ms) = p99_ms {
                    apply(p99, p99_ms);
                }
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
            Some(ResponseTimes { p50_ms, p90_ms, p99_ms: Some(p99_ms), distribution: Vec::new() })
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
        let response = response(value);
        let endpoint =
            EstimatedEndpoint { alone, response, crossings_per_request: 1.0, ..EstimatedEndpoint::default() };
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
        for interval in [alone, Some(times.p50_ms), times.p99_ms].into_iter().chain(of_figures) {
            let interval = interval.expect("it stays");
            assert!((interval.value - 7.0).abs() < 1e-9);
            let inside = offs.iter().filter(|off| (interval.low..=interval.high).contains(&(7.0 * **off))).count();
            assert!((36..40).contains(&inside), "{inside} of 40 inside {interval:?}");
        }
    }

    #[test]
    fn some_residuals_are_brought_along() {
        let shipped: Residuals = serde_json::from_str(include_str!("residuals.json")).unwrap();
        for logs in [&shipped.alone, &shipped.alone_apart, &shipped.p50, &shipped.cpu, &shipped.saturation] {
            assert!(logs.len() >= FEWEST, "{shipped:?}");
        }
    }

    #[test]
    fn too_few_residuals_change_nothing() {
        let few = residuals(5.0, 3.0);
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
        assert_eq!(past.known(&mine), None, "two are too few");
        assert_eq!(past.of(&mine), Residuals::shipped());
        (0..FEWEST).for_each(|_| past.add(mine.clone(), residuals(5.0, 2.0)));
        assert!(past.known(&mine).is_some());
        assert_eq!(past.of(&mine).alone.len(), FEWEST + 2);
        for other in [("books", "httpx", "uvicorn"), ("shop", "grpc", "uvicorn"), ("shop", "httpx", "granian")] {
            assert_eq!(past.of(&circumstances(other.0, other.1, other.2)), Residuals::shipped());
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

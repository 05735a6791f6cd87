//! One split over several links, in one table, to find the distance at which it stops being acceptable.

use std::fmt::Write as _;

use splitcost_model::estimate::ResponseTimes;
use splitcost_model::number::{factor, number, short};
use splitcost_model::study::{Change, EndpointComparison, LinkComparison, SplitStudy, Study};

use crate::table::{self, table};

/// Renders a row for each split and link, for the endpoint that suffers most over any of the links.
pub fn render(study: &Study) -> String {
    let mut text = String::new();
    for comparison in &study.link_comparisons {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", block(study, comparison));
    }
    for warning in &study.provenance.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

fn block(study: &Study, comparison: &LinkComparison) -> String {
    let LinkComparison { split: name, endpoint, studies } = comparison;
    let splits: Vec<&SplitStudy> = study.splits.iter().filter(|split| studies.contains(&split.name)).collect();
    if endpoint.is_empty() {
        return format!("{name}: nothing was predicted\n");
    }
    let rehearsed = splits.iter().any(|split| split.rehearsal.is_some());
    let mut head = vec!["link", "round trip ms", "p50 ms", "p99 ms"];
    if rehearsed {
        head.extend(["p50 measured", "p99 measured"]);
    }
    head.extend(["slower", "saturation/s", "$/month", "verdict"]);
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    rows.extend(splits.iter().map(|split| row(split, endpoint, rehearsed)));
    let loads = splits.iter().map(|split| split.estimate.load_reqs_per_sec);
    let (least, most) = (loads.clone().fold(f64::INFINITY, f64::min), loads.fold(0.0, f64::max));
    let load = if most - least < 0.5 { short(most) } else { format!("{} to {}", short(least), short(most)) };
    let answers = splits.iter().filter_map(|split| Some(format!("{}: {}\n", split.link, split.answers_in_words()?)));
    let answers: String = answers.collect();
    format!(
        "{name}: {endpoint}, which suffers most, at {load} requests/s{}\n{}",
        if rehearsed { "" } else { "; all simulated" },
        table(&rows, table::Style::Text)
    ) + &answers
}

fn row(split: &SplitStudy, endpoint: &str, rehearsed: bool) -> Vec<String> {
    let dash = || "–".to_owned();
    let both = |times: Option<&ResponseTimes>| match times {
        Some(times) => [number(times.p50_ms.value), times.p99_ms.map_or_else(dash, |p99| number(p99.value))],
        None => [dash(), dash()],
    };
    let predicted = split.estimate.endpoints.iter().find(|known| known.name == endpoint);
    let measured = split.rehearsal.iter().flat_map(|r| &r.endpoints).find(|known| known.name == endpoint);
    let compared = split.comparison.endpoints.iter().find(|known| known.name == endpoint);
    let after = |change: Option<Change>| change.map_or_else(dash, |change| number(change.after.value));
    let mut row = vec![split.link.clone(), number(split.link_round_trip_ms)];
    row.extend(both(predicted.and_then(|known| known.response.split.as_ref())));
    if rehearsed {
        row.extend(both(measured.and_then(|known| known.response.split.as_ref())));
    }
    row.push(compared.and_then(EndpointComparison::headline).map_or_else(dash, |change| factor(change.ratio)));
    row.extend([after(split.comparison.saturation), after(split.comparison.usd_per_month)]);
    row.push(split.verdict.as_ref().map_or_else(dash, |verdict| verdict.class.label().to_owned()));
    row
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::{Arms, Estimate, EstimatedEndpoint, Figures};
    use splitcost_model::statistics::{Interval, Level};
    use splitcost_model::study::{Comparison, EndpointComparison, Origin, Verdict, VerdictClass};

    use super::*;

    fn interval(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.9, value * 1.1)
    }

    fn change(before: f64, after: f64) -> Change {
        let (ratio, added) = (after / before, after - before);
        Change { before: interval(before), after: interval(after), ratio, added, origin: Origin::Predicted }
    }

    fn over(link: &str, link_round_trip_ms: f64, class: VerdictClass) -> SplitStudy {
        let p50 = 10.0 + 20.0 * (0.3 + link_round_trip_ms);
        let times = |p50| {
            let [p50_ms, p90_ms, p99_ms] = [p50, p50, 2.0 * p50].map(interval);
            Some(ResponseTimes { p50_ms, p90_ms, p99_ms: Some(p99_ms), distribution: Vec::new() })
        };
        let endpoint = EstimatedEndpoint {
            name: "GET /chatty".into(),
            response: Arms { monolith: times(10.0), split: times(p50) },
            ..EstimatedEndpoint::default()
        };
        SplitStudy {
            name: format!("pricing over {link}"),
            link: link.into(),
            link_round_trip_ms,
            estimate: Estimate {
                load_reqs_per_sec: 20.0,
                figures: Arms { monolith: Figures::default(), split: Figures::default() },
                endpoints: vec![endpoint],
                ..Estimate::default()
            },
            comparison: Comparison {
                endpoints: vec![EndpointComparison {
                    name: "GET /chatty".into(),
                    p50_ms: Some(change(10.0, p50)),
                    ..EndpointComparison::default()
                }],
                saturation: Some(change(90.0, 80.0)),
                usd_per_month: Some(change(11.0, 12.0)),
                ..Comparison::default()
            },
            verdict: Some(Verdict { class, sentence: String::new() }),
            ..SplitStudy::default()
        }
    }

    #[test]
    fn the_endpoint_that_suffers_most_is_shown_over_every_link() {
        let splits = vec![
            over("same-host", 0.0, VerdictClass::Costly),
            over("cross-az-aws", 0.785, VerdictClass::Prohibitive),
            over("cross-region", 71.0, VerdictClass::Prohibitive),
        ];
        let studies = splits.iter().map(|split| split.name.clone()).collect();
        let comparison = LinkComparison { split: "pricing".into(), endpoint: "GET /chatty".into(), studies };
        let study = Study { splits, link_comparisons: vec![comparison], ..Study::default() };
        insta::assert_snapshot!(render(&study), @r"
        pricing: GET /chatty, which suffers most, at 20 requests/s; all simulated
        link          round trip ms  p50 ms  p99 ms  slower  saturation/s  $/month                verdict
        same-host                 0    16.0    32.0    1.6×          80.0     12.0          Has its price
        cross-az-aws          0.785    31.7    63.4    3.2×          80.0     12.0  Do not split here yet
        cross-region           71.0   1,436   2,872    144×          80.0     12.0  Do not split here yet
        ");
    }
}

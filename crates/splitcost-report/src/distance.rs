//! The same splits over several links, in one table: at which distance does a split stop being acceptable?

use std::fmt::Write as _;

use splitcost_model::evaluation::{EndpointEvaluation, Evaluation, Pair, Quantiles, SplitEvaluation};

use crate::effect::{Effect, Quantile};
use crate::number::{factor, number, short};
use crate::table::{self, table};
use crate::verdict::judge;

/// A row for each split and link, nearest first as they come; for the endpoint that suffers most over any of them.
pub fn render(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    let mut begun: Vec<&str> = Vec::new();
    for split in &evaluation.splits {
        let name = base(split);
        if begun.contains(&name) {
            continue;
        }
        begun.push(name);
        let all: Vec<&SplitEvaluation> = evaluation.splits.iter().filter(|split| base(split) == name).collect();
        let _ = writeln!(text, "{}", block(name, &all));
    }
    for warning in &evaluation.provenance.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

/// The split's name without its link.
fn base(split: &SplitEvaluation) -> &str {
    split.name.strip_suffix(&format!(" over {}", split.link)).unwrap_or(&split.name)
}

fn block(name: &str, splits: &[&SplitEvaluation]) -> String {
    let worst = |split: &SplitEvaluation| {
        let slowdown =
            |e: &EndpointEvaluation| Effect::of_endpoint(e, Quantile::P50).map_or(0.0, |effect| effect.ratio());
        split.endpoints.iter().max_by(|a, b| slowdown(a).total_cmp(&slowdown(b))).map(|e| (e.name.clone(), slowdown(e)))
    };
    let hardest = splits.iter().filter_map(|split| worst(split)).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((endpoint, _)) = hardest else { return format!("{name}: nothing was predicted\n") };
    let measured = splits.iter().any(|split| split.saturation_reqs_per_sec.measured.is_some());
    let mut head = vec!["link", "round trip ms", "p50 ms", "p99 ms"];
    if measured {
        head.extend(["p50 measured", "p99 measured"]);
    }
    head.extend(["slower", "saturation/s", "$/month", "verdict"]);
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    for split in splits {
        let Some(found) = split.endpoints.iter().find(|e| e.name == endpoint) else { continue };
        let both = |of: Option<Quantiles>| match of {
            Some(all) => [number(all.p50_ms.value), number(all.p99_ms.value)],
            None => ["–".to_owned(), "–".to_owned()],
        };
        let mut row = vec![split.link.clone(), number(split.link_round_trip_ms)];
        row.extend(both(found.estimate));
        if measured {
            row.extend(both(found.measured));
        }
        let slower =
            Effect::of_endpoint(found, Quantile::P50).map_or("–".to_owned(), |effect| factor(effect.ratio()));
        let best =
            |pair: Pair| pair.measured.or(pair.estimate).map_or("–".to_owned(), |interval| number(interval.value));
        row.extend([slower, best(split.saturation_reqs_per_sec), best(split.usd_per_month)]);
        row.push(judge(split).kind.label().to_owned());
        rows.push(row);
    }
    let loads: Vec<f64> = splits.iter().map(|split| split.load_reqs_per_sec).collect();
    let (least, most) =
        (loads.iter().copied().fold(f64::INFINITY, f64::min), loads.iter().copied().fold(0.0, f64::max));
    let load = if most - least < 0.5 { short(most) } else { format!("{} to {}", short(least), short(most)) };
    format!(
        "{name}: {endpoint}, which suffers most, at {load} requests/s{}\n{}",
        if measured { "" } else { "; all simulated" },
        table(&rows, table::Style::Text)
    )
}

#[cfg(test)]
mod tests {
    use splitcost_model::statistics::{Interval, Level};

    use super::*;

    #[test]
    fn the_endpoint_that_suffers_most_is_shown_over_every_link() {
        let interval = |value| Interval::new(Level::NINETY, value, value * 0.9, value * 1.1);
        let all = |p50| Some(Quantiles { p50_ms: interval(p50), p90_ms: interval(p50), p99_ms: interval(p50 * 2.0) });
        let over = |link: &str, round_trip: f64| SplitEvaluation {
            name: format!("pricing over {link}"),
            link: link.into(),
            link_round_trip_ms: round_trip,
            load_reqs_per_sec: 20.0,
            endpoints: ["GET /calm", "GET /chatty"]
                .iter()
                .zip([0.0, 20.0])
                .map(|(name, calls)| EndpointEvaluation {
                    name: (*name).into(),
                    requests: 100,
                    baseline: all(10.0),
                    estimate: all(10.0 + calls * (0.3 + round_trip)),
                    crossings_per_request: calls,
                    ..EndpointEvaluation::default()
                })
                .collect(),
            saturation_reqs_per_sec: Pair { estimate: Some(interval(80.0)), measured: None },
            usd_per_month: Pair { estimate: Some(interval(12.0)), measured: None },
            ..SplitEvaluation::default()
        };
        let splits = vec![over("same-host", 0.0), over("cross-az-aws", 0.785), over("cross-region", 71.0)];
        insta::assert_snapshot!(render(&Evaluation { splits, ..Evaluation::default() }), @r"
        pricing: GET /chatty, which suffers most, at 20 requests/s; all simulated
        link          round trip ms  p50 ms  p99 ms  slower  saturation/s  $/month                verdict
        same-host                 0    16.0    32.0    1.6×          80.0     12.0          Has its price
        cross-az-aws          0.785    31.7    63.4    3.2×          80.0     12.0  Do not split here yet
        cross-region           71.0   1,436   2,872    144×          80.0     12.0  Do not split here yet
        ");
    }
}

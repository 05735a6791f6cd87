//! What was measured, put beside what was predicted.

use splitcost_model::evaluation::{CannotCross, EndpointEvaluation, Pair, SplitEvaluation};
use splitcost_model::link::Link;
use splitcost_model::quantity::Interval;
use splitcost_model::split::Prices;

/// Puts the measured parts of a split's evaluation into the predicted one.
pub fn merge(estimate: &mut SplitEvaluation, measured: SplitEvaluation, link: &Link, prices: &Prices) {
    let pairs: [(&mut Pair, Pair); 6] = [
        (&mut estimate.saturation_reqs_per_sec, measured.saturation_reqs_per_sec),
        (&mut estimate.baseline_saturation_reqs_per_sec, measured.baseline_saturation_reqs_per_sec),
        (&mut estimate.cpu_secs_per_request, measured.cpu_secs_per_request),
        (&mut estimate.baseline_cpu_secs_per_request, measured.baseline_cpu_secs_per_request),
        (&mut estimate.cores, measured.cores),
        (&mut estimate.baseline_cores, measured.baseline_cores),
    ];
    for (into, from) in pairs {
        into.measured = from.measured;
    }
    let transfer =
        bytes_per_request(&estimate.endpoints) * estimate.load_reqs_per_sec * 3_600.0 * Prices::HOURS_PER_MONTH / 1e9
            * link.usd_per_gb;
    estimate.usd_per_month.measured = money(measured.cores, prices, transfer);
    estimate.baseline_usd_per_month.measured = money(measured.baseline_cores, prices, 0.0);
    for endpoint in measured.endpoints {
        match estimate.endpoints.iter_mut().find(|known| known.name == endpoint.name) {
            Some(known) => merge_endpoint(known, endpoint),
            None => estimate.endpoints.push(endpoint),
        }
    }
    for call in measured.cannot_cross {
        merge_cannot_cross(&mut estimate.cannot_cross, call);
    }
}

fn merge_endpoint(known: &mut EndpointEvaluation, measured: EndpointEvaluation) {
    known.failed_requests += measured.failed_requests;
    known.baseline_measured = measured.baseline_measured;
    known.measured = measured.measured;
    known.distributions.baseline_measured = measured.distributions.baseline_measured;
    known.distributions.measured = measured.distributions.measured;
}

/// The recording saw a sample of the calls, the rehearsal all that were made: the larger count is the better one.
fn merge_cannot_cross(known: &mut Vec<CannotCross>, call: CannotCross) {
    let same = |k: &&mut CannotCross| (&k.caller, &k.callee, k.line) == (&call.caller, &call.callee, call.line);
    match known.iter_mut().find(same) {
        Some(known) => known.count = known.count.max(call.count),
        None => known.push(call),
    }
}

fn bytes_per_request(endpoints: &[EndpointEvaluation]) -> f64 {
    let requests: u64 = endpoints.iter().map(|endpoint| endpoint.requests).sum();
    let bytes: f64 = endpoints.iter().map(|endpoint| endpoint.bytes_per_request * endpoint.requests as f64).sum();
    if requests == 0 { 0.0 } else { bytes / requests as f64 }
}

fn money(cores: Pair, prices: &Prices, transfer: f64) -> Option<Interval> {
    let dollars = |cores: f64| cores * prices.usd_per_vcpu_hour * Prices::HOURS_PER_MONTH + transfer;
    let Interval { value, low, high } = cores.measured?;
    Some(Interval { value: dollars(value), low: dollars(low), high: dollars(high) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_stands_beside_the_predicted() {
        let interval = |value| Some(Interval { value, low: value, high: value });
        let endpoint = |name: &str| EndpointEvaluation { name: name.into(), ..EndpointEvaluation::default() };
        let mut estimate = SplitEvaluation {
            load_reqs_per_sec: 10.0,
            endpoints: vec![EndpointEvaluation {
                requests: 2,
                bytes_per_request: 1e3,
                failed_requests: 1,
                ..endpoint("a")
            }],
            saturation_reqs_per_sec: Pair { estimate: interval(40.0), measured: None },
            ..SplitEvaluation::default()
        };
        let measured = SplitEvaluation {
            endpoints: vec![EndpointEvaluation { failed_requests: 2, ..endpoint("a") }, endpoint("b")],
            saturation_reqs_per_sec: Pair { estimate: None, measured: interval(42.0) },
            cores: Pair { estimate: None, measured: interval(0.5) },
            ..SplitEvaluation::default()
        };
        let link = Link { usd_per_gb: 0.01, ..Link::default() };
        merge(&mut estimate, measured, &link, &Prices { usd_per_vcpu_hour: 0.04 });
        assert_eq!(estimate.saturation_reqs_per_sec, Pair { estimate: interval(40.0), measured: interval(42.0) });
        let names: Vec<(&str, u64)> = estimate.endpoints.iter().map(|e| (e.name.as_str(), e.failed_requests)).collect();
        assert_eq!(names, [("a", 3), ("b", 0)]);
        // Half a core for 730 hours, and 26.28 GB.
        let usd = estimate.usd_per_month.measured.unwrap().value;
        assert!((usd - (0.5 * 0.04 * 730.0 + 26.28 * 0.01)).abs() < 1e-9, "{usd}");
    }
}

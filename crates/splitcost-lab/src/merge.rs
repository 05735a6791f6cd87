//! What was measured, put beside what was predicted.

use splitcost_model::evaluation::{CannotCross, EndpointEvaluation, FaultEvaluation, Pair, SplitEvaluation};
use splitcost_model::split::Prices;
use splitcost_model::statistics::Interval;

/// Puts the measured parts of a split's evaluation into the predicted one.
pub fn merge(estimate: &mut SplitEvaluation, measured: SplitEvaluation, prices: &Prices) {
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
    // What crosses and a mesh's proxies are in the prediction alone: the same is added to what was measured.
    let beside = match (estimate.usd_per_month.estimate, estimate.cores.estimate) {
        (Some(all), Some(cores)) => all.value - cores.value * prices.usd_per_vcpu_month(),
        _ => 0.0,
    };
    estimate.usd_per_month.measured = money(measured.cores, prices, beside);
    estimate.baseline_usd_per_month.measured = money(measured.baseline_cores, prices, 0.0);
    estimate.emulations = measured.emulations;
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

/// Puts what was measured under a fault into what was predicted.
pub fn merge_fault(estimate: &mut FaultEvaluation, measured: FaultEvaluation) {
    estimate.emulations = measured.emulations;
    for endpoint in measured.endpoints {
        match estimate.endpoints.iter_mut().find(|known| known.name == endpoint.name) {
            Some(known) => known.measured = endpoint.measured,
            None => estimate.endpoints.push(endpoint),
        }
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

fn money(cores: Pair, prices: &Prices, transfer: f64) -> Option<Interval> {
    Some(cores.measured?.scale(prices.usd_per_vcpu_month()).shift(transfer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_stands_beside_the_predicted() {
        let interval = |value| Some(Interval::exact(value));
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
            cores: Pair { estimate: interval(1.0), measured: None },
            usd_per_month: Pair { estimate: interval(1.0 * 0.04 * 730.0 + 0.25), measured: None },
            ..SplitEvaluation::default()
        };
        let measured = SplitEvaluation {
            endpoints: vec![EndpointEvaluation { failed_requests: 2, ..endpoint("a") }, endpoint("b")],
            saturation_reqs_per_sec: Pair { estimate: None, measured: interval(42.0) },
            cores: Pair { estimate: None, measured: interval(0.5) },
            ..SplitEvaluation::default()
        };
        merge(&mut estimate, measured, &Prices { usd_per_vcpu_hour: 0.04 });
        assert_eq!(estimate.saturation_reqs_per_sec, Pair { estimate: interval(40.0), measured: interval(42.0) });
        let names: Vec<(&str, u64)> = estimate.endpoints.iter().map(|e| (e.name.as_str(), e.failed_requests)).collect();
        assert_eq!(names, [("a", 3), ("b", 0)]);
        // Half a core for 730 hours, and what was not computed.
        let usd = estimate.usd_per_month.measured.unwrap().value;
        assert!((usd - (0.5 * 0.04 * 730.0 + 0.25)).abs() < 1e-9, "{usd}");
    }
}

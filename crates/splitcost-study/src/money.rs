//! The price of a split: cores, a service mesh's proxies, and the bytes between services.

use splitcost_model::estimate::{Arms, Estimate};
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::split::Prices;
use splitcost_model::statistics::Interval;
use splitcost_model::study::Money;

/// Prices both arms, from predicted and from measured cores.
///
/// Proxies and bytes are known from the prediction alone, so both prices of the split contain the same ones.
pub fn money(estimate: &Estimate, rehearsal: Option<&Rehearsal>, prices: &Prices) -> Money {
    let monolith = |cores: Option<Interval>| Some(cores?.scale(prices.usd_per_vcpu_month()));
    let split = |cores: Option<Interval>| {
        let computing = match estimate.sidecar_cores {
            Some(sidecars) => add(cores?, sidecars),
            None => cores?,
        };
        Some(computing.scale(prices.usd_per_vcpu_month()).shift(estimate.transfer_usd_per_month))
    };
    let figures = &estimate.figures;
    Money {
        estimate: Arms { monolith: monolith(figures.monolith.cores), split: split(figures.split.cores) },
        rehearsal: rehearsal.map(|measured| Arms {
            monolith: monolith(measured.figures.monolith.cores),
            split: split(measured.figures.split.cores),
        }),
    }
}

/// The sum of two intervals whose errors may be the same way off: the bounds add up.
fn add(a: Interval, b: Interval) -> Interval {
    Interval::new(a.level, a.value + b.value, a.low + b.low, a.high + b.high)
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::Figures;
    use splitcost_model::statistics::Level;

    use super::*;

    fn interval(value: f64, low: f64, high: f64) -> Interval {
        Interval::new(Level::NINETY, value, low, high)
    }

    #[test]
    fn proxies_and_bytes_are_in_both_prices_of_the_split() {
        let cores = |cores| Figures { cores: Some(cores), ..Figures::default() };
        let estimate = Estimate {
            figures: Arms { monolith: cores(interval(1.0, 0.9, 1.1)), split: cores(interval(2.0, 1.5, 2.5)) },
            sidecar_cores: Some(interval(0.5, 0.4, 0.7)),
            transfer_usd_per_month: 10.0,
            ..Estimate::default()
        };
        let rehearsal = Rehearsal {
            figures: Arms { monolith: Figures::default(), split: cores(interval(3.0, 3.0, 3.0)) },
            ..Rehearsal::default()
        };
        let prices = Prices { usd_per_vcpu_hour: 100.0 / 730.0 };
        let found = money(&estimate, Some(&rehearsal), &prices);
        let rounded = |interval: Option<Interval>| {
            interval.map(|i| [i.low, i.value, i.high].map(|usd: f64| (usd * 1e6).round() / 1e6))
        };
        assert_eq!(rounded(found.estimate.monolith), Some([90.0, 100.0, 110.0]));
        assert_eq!(rounded(found.estimate.split), Some([200.0, 260.0, 330.0]));
        let measured = found.rehearsal.expect("it was rehearsed");
        assert_eq!(measured.monolith, None);
        assert_eq!(rounded(measured.split), Some([350.0, 360.0, 380.0]));
    }
}

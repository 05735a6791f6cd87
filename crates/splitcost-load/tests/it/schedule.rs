//! Laws of the arrival process.

use splitcost_load::{Arrivals, Schedule};
use splitcost_model::quantity::Nanos;

#[test]
fn gaps_are_exponential() {
    const COUNT: usize = 200_000;
    let arrivals: Vec<f64> =
        Schedule::new(Arrivals::Poisson, 7, 1_000.0).take(COUNT).map(Nanos::as_millis_f64).collect();
    let gaps: Vec<f64> = std::iter::once(arrivals[0]).chain(arrivals.windows(2).map(|w| w[1] - w[0])).collect();
    let mean = gaps.iter().sum::<f64>() / COUNT as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / COUNT as f64;
    // The standard errors are 1/√n = 0.22 % of the mean and √(8/n) = 0.63 % of the variance. The seed is fixed.
    assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    let above_mean = gaps.iter().filter(|gap| **gap > 1.0).count() as f64 / COUNT as f64;
    assert!((above_mean - (-1.0_f64).exp()).abs() < 0.005, "P(gap > mean) {above_mean}");
}

#[test]
fn counts_per_second_have_variance_equal_to_mean() {
    const SECONDS: usize = 4_000;
    let mut counts = vec![0.0; SECONDS];
    for arrival in Schedule::new(Arrivals::Poisson, 11, 50.0).take_while(|t| t.as_secs_f64() < SECONDS as f64) {
        counts[arrival.as_secs_f64() as usize] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / SECONDS as f64;
    let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / SECONDS as f64;
    assert!((mean - 50.0).abs() < 0.5, "mean {mean}");
    assert!((variance / mean - 1.0).abs() < 0.07, "variance/mean {}", variance / mean);
}

#[test]
fn the_seed_decides() {
    let of = |seed| Schedule::new(Arrivals::Poisson, seed, 10.0).take(100).collect::<Vec<_>>();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn uniform_gaps_are_equal() {
    let arrivals: Vec<Nanos> = Schedule::new(Arrivals::Uniform, 1, 2_000.0).take(5).collect();
    assert_eq!(arrivals, [500, 1_000, 1_500, 2_000, 2_500].map(Nanos::from_micros));
}

//! Quantiles, the median and the mean.

/// Returns the `q`-quantile of values that are sorted in ascending order, interpolated linearly between the two nearest
/// values; `None` without values.
///
/// # Source
/// Paper: Hyndman & Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996), definition 7, the
/// default of R and `NumPy`.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let part = position - below as f64;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // Infinite values are not multiplied by zero, nor taken from each other: neither is a number.
    Some(if part > 0.0 && low < high { low + (high - low) * part } else { low })
}

/// Returns the median; `None` without values.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// Returns the arithmetic mean; `None` without values.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.into_iter().fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// Returns the values in ascending order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Returns the quantiles of a histogram: the smallest value at or below which lies a share `q` of the counts, for each `q`;
/// `None` where all counts are zero.
///
/// `buckets` are (value, count) in ascending order of values, and `shares` ascend, too. Nothing is interpolated: a bucket
/// stands for values that are equal within the resolution of the histogram.
///
/// # Source
/// Paper: Hyndman & Fan (1996), definition 1, which HDR histograms use as well.
pub fn quantiles_of_counts<const N: usize>(
    buckets: impl Iterator<Item = (f64, u64)> + Clone,
    shares: [f64; N],
) -> Option<[f64; N]> {
    let total: u64 = buckets.clone().map(|(_, count)| count).sum();
    if total == 0 {
        return None;
    }
    let mut found = [0.0; N];
    let (mut below, mut next) = (0, 0);
    for (value, count) in buckets {
        below += count;
        while next < N && below > 0 && below as f64 >= shares[next] * total as f64 {
            found[next] = value;
            next += 1;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantile_between_two_values_is_interpolated() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.9), Some(4.6));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[f64::INFINITY; 3], 0.25), Some(f64::INFINITY));
        assert_eq!(quantile(&[1.0, 2.0, f64::INFINITY], 0.5), Some(2.0));
    }

    #[test]
    fn a_mean_needs_values() {
        assert_eq!((mean([1.0, 2.0, 6.0]), mean([])), (Some(3.0), None));
    }

    #[test]
    fn a_quantile_of_counts_is_one_of_the_values() {
        let buckets = [(1.0, 0), (2.0, 5), (3.0, 4), (9.0, 1)];
        let at = |shares: [f64; 5]| quantiles_of_counts(buckets.into_iter(), shares);
        assert_eq!(at([0.0, 0.5, 0.51, 0.9, 0.91]), Some([2.0, 2.0, 3.0, 3.0, 9.0]));
        assert_eq!(quantiles_of_counts([(1.0, 0)].into_iter(), [0.5]), None);
    }

    proptest! {
        #[test]
        fn quantiles_ascend_from_the_minimum_to_the_maximum(
            values in prop::collection::vec(-1e12_f64..1e12, 1..60),
            shares in prop::array::uniform2(0.0_f64..=1.0),
        ) {
            let values = sorted(values);
            let [low, high] = if shares[0] <= shares[1] { shares } else { [shares[1], shares[0]] };
            let (low, high) = (quantile(&values, low).unwrap(), quantile(&values, high).unwrap());
            prop_assert!(values[0] <= low && low <= high && high <= values[values.len() - 1]);
            prop_assert_eq!(quantile(&values, 0.0), Some(values[0]));
            prop_assert_eq!(quantile(&values, 1.0), values.last().copied());
        }

        #[test]
        fn a_quantile_of_counts_stands_beside_that_of_the_values(
            counts in prop::collection::vec(0_u64..20, 1..30),
            q in (0_u32..=20).prop_map(|twentieths| f64::from(twentieths) / 20.0),
        ) {
            let buckets = counts.iter().enumerate().map(|(value, &count)| (value as f64, count));
            let values: Vec<f64> = buckets.clone().flat_map(|(value, count)| (0..count).map(move |_| value)).collect();
            match quantiles_of_counts(buckets, [q]) {
                None => prop_assert!(values.is_empty()),
                Some([found]) => {
                    let rank = (q * values.len() as f64).ceil().max(1.0) as usize;
                    prop_assert_eq!(Some(&found), values.get(rank - 1));
                }
            }
        }
    }
}

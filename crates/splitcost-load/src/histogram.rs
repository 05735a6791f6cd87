//! Histograms of durations, in bounded memory.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use splitcost_model::quantity::Nanos;

/// The longest duration that a histogram distinguishes.
///
/// Chosen: no deadline may be longer.
pub(crate) const MAX_NANOS: u64 = 3_600_000_000_000;
/// The precision of a histogram.
///
/// Chosen: three significant digits are finer than the differences that a run on a shared machine can resolve.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of durations from 1 ns to 1 h, exact to three significant digits; longer ones count as 1 h.
///
/// It grows with the longest duration: 16 KiB up to 2 µs, 270 KiB at most.
#[derive(Clone, PartialEq)]
pub struct Histogram(Hdr<u64>);

impl Histogram {
    /// Makes an empty histogram.
    #[expect(clippy::missing_panics_doc, reason = "the precision is a constant and valid")]
    pub fn new() -> Self {
        Self(Hdr::new(SIGNIFICANT_DIGITS).expect("the precision is valid"))
    }

    /// Counts a duration.
    pub fn record(&mut self, duration: Nanos) {
        let nanos = duration.as_nanos().min(MAX_NANOS);
        if self.0.record(nanos).is_err() {
            // Without memory to grow, the histogram counts this duration as the longest one that it can hold.
            self.0.saturating_record(nanos);
        }
    }

    /// Returns the number of durations that were counted.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns true if no duration was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the duration that a share `q` of all counted durations does not exceed; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        (!self.is_empty()).then(|| Nanos::from_nanos(self.0.value_at_quantile(q)))
    }

    /// Returns the mean duration; `None` when empty.
    pub fn mean(&self) -> Option<Nanos> {
        (!self.is_empty()).then(|| Nanos::from_nanos_f64(self.0.mean()))
    }

    /// Returns the longest duration; `None` when empty.
    pub fn max(&self) -> Option<Nanos> {
        (!self.is_empty()).then(|| Nanos::from_nanos(self.0.max()))
    }

    /// Returns the cumulative distribution: pairs of a duration and the share of durations at or below it, ascending. There
    /// are at most `points` pairs, and `points` below 2 counts as 2.
    pub fn cumulative(&self, points: usize) -> Vec<(Nanos, f64)> {
        let last = points.max(2) - 1;
        let mut curve: Vec<(Nanos, f64)> = Vec::new();
        for share in (0..=last).map(|i| i as f64 / last as f64) {
            let Some(duration) = self.quantile(share) else { break };
            match curve.last_mut() {
                Some(point) if point.0 == duration => point.1 = share,
                _ => curve.push((duration, share)),
            }
        }
        curve
    }

    /// Returns each counted duration, rounded to the precision of the histogram, with its count, ascending.
    pub fn counts(&self) -> impl Iterator<Item = (Nanos, u64)> {
        self.0.iter_recorded().map(|step| (Nanos::from_nanos(step.value_iterated_to()), step.count_at_value()))
    }

    /// Adds the counts of another histogram.
    #[expect(clippy::missing_panics_doc, reason = "our histograms resize themselves")]
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("our histograms resize themselves");
    }

    /// Encodes the histogram in the compressed V2 format of `HdrHistogram`, in base64. The unit is the nanosecond. The
    /// `HdrHistogram` libraries of other languages decode this format.
    #[expect(clippy::missing_panics_doc, reason = "writing to memory does not fail")]
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("writing to memory does not fail");
        STANDARD.encode(bytes)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("len", &self.len())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish_non_exhaustive()
    }
}

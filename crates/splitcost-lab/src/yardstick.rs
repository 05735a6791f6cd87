//! The speed of the machine while an experiment runs.
//!
//! Virtual machines share their cores: the same work may take twice as long from one second to the next. The
//! yardstick is fixed Python work, done on each core some twenty times a second beside recordings and calibrations. Its
//! CPU time makes times of one experiment comparable with times of another.

use splitcost_model::statistics::mean;

use crate::app::Scratch;
use crate::helper::Helper;
use crate::python::Python;
use crate::{Cancel, Result};

/// The process that measures. It ends when this is dropped.
pub(crate) struct Yardstick {
    helper: Helper,
    samples: Vec<(u64, f64)>,
    _scratch: Scratch,
}

impl Yardstick {
    /// Starts measuring, and waits for the first measurement.
    pub(crate) fn start(python: &Python, cancel: &Cancel) -> Result<Self> {
        let scratch = Scratch::empty()?;
        let mut helper =
            Helper::start("measure the machine's speed", "yardstick", python, &scratch, &["splitcost.yardstick"], &[])?;
        let first = helper.answer(cancel)?;
        Ok(Self { helper, samples: vec![first], _scratch: scratch })
    }

    /// Returns the mean cost of the work between two instants of the monotonic clock, in nanoseconds of CPU time.
    ///
    /// If nothing was measured in between, it is the last measurement before.
    pub(crate) fn mean_nanos(&mut self, from: u64, to: u64) -> f64 {
        self.samples.extend(self.helper.arrived::<(u64, f64)>());
        let within = self.samples.iter().filter(|(at, _)| (from..=to).contains(at)).map(|s| s.1);
        let before = || self.samples.iter().rfind(|(at, _)| *at < from).or(self.samples.first()).map_or(0.0, |s| s.1);
        mean(within).unwrap_or_else(before)
    }
}

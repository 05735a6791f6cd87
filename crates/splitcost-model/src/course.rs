//! The course of a rehearsal: its blocks under load, the machine beside them, and how precise the figures became.

use serde::{Deserialize, Serialize};

use crate::number::short;

/// The course of a rehearsal of some splits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Seconds from the start of the first process to the end of the last measurement.
    pub secs: f64,
    /// Blocks under load that count.
    pub blocks: u64,
    /// Blocks that were discarded and repeated, as the machine was not fit: by cause, the most frequent first.
    pub discarded: Vec<Discarded>,
    /// The machine beside the blocks that count: the median of each figure.
    pub machine: Covariates,
    /// Figures that are less precise than was asked for, the one that is furthest from it first.
    pub imprecise: Vec<Precision>,
    /// The machine was not fit for so long that nothing was measured under load.
    pub unfit: bool,
}

/// Blocks that were discarded for one cause. Their results were not looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discarded {
    /// The cause, as ``another process, `cc1plus`, ``.
    pub cause: String,
    /// Blocks.
    pub blocks: u64,
    /// The most cores that were used, in the mean over a block.
    pub most_cores: f64,
}

impl Discarded {
    /// Returns it in words: ``another process, `cc1plus`, used up to 0.8 cores (3)``.
    pub fn in_words(&self) -> String {
        format!("{} used up to {:.1} cores ({})", self.cause, self.most_cores, self.blocks)
    }
}

/// The machine beside a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Covariates {
    /// Cores that processes of others kept busy.
    pub others_cores: f64,
    /// Cores that the host of this virtual machine gave to others (steal).
    pub stolen_cores: f64,
    /// Threads of the app that were ready to run and waited for a core, in the mean (`/proc/PID/task/*/schedstat`).
    pub waiting_threads: f64,
    /// Share of the time in which any thread of the machine waited for a core (`/proc/pressure/cpu`); absent where the kernel
    /// does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pressure_share: Option<f64>,
    /// 99th percentile of the load generator's lateness, in milliseconds; absent in closed loop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lag_ms: Option<f64>,
}

/// The precision of a figure: half the width of the interval of its ratio of split to monolith.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Precision {
    /// The figure, as `p50 under load of GET /items, split pricing`.
    pub figure: String,
    /// The precision, as a share.
    pub reached: f64,
    /// The precision that was asked for.
    pub wanted: f64,
}

impl Precision {
    /// Returns how many times as wide as asked for the interval is.
    pub fn excess(&self) -> f64 {
        self.reached / self.wanted
    }

    /// Returns it in words: `saturation of pricing ±12 % (±5 % wanted)`.
    pub fn in_words(&self) -> String {
        format!("{} ±{} % ({} % wanted)", self.figure, short(100.0 * self.reached), short(100.0 * self.wanted))
    }
}

impl Course {
    /// Returns a sentence about the discarded blocks, without a full stop; `None` if there are none.
    pub fn discarded_in_words(&self) -> Option<String> {
        let blocks: u64 = self.discarded.iter().map(|discarded| discarded.blocks).sum();
        let causes: Vec<String> = self.discarded.iter().map(Discarded::in_words).collect();
        let kept = if self.unfit { "none counts".to_owned() } else { format!("{} count", self.blocks) };
        (blocks > 0).then(|| {
            format!(
                "{blocks} blocks under load were discarded, without a look at their results, and {kept}: {}",
                causes.join(", ")
            )
        })
    }

    /// Returns a sentence about the figures that are less precise than was asked for, without a full stop; `None` if there are
    /// none.
    pub fn imprecise_in_words(&self) -> Option<String> {
        let widest = self.imprecise.first()?;
        let figures = match self.imprecise.len() {
            1 => "one figure is".to_owned(),
            count => format!("{count} figures are"),
        };
        Some(format!(
            "{figures} less precise than asked for when the budget was spent, after {} s; the widest: {}",
            short(self.secs),
            widest.in_words()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_says_why_blocks_were_discarded() {
        let discarded = |cause: &str, blocks| Discarded { cause: cause.into(), blocks, most_cores: 0.84 };
        let course = Course {
            blocks: 40,
            discarded: vec![
                discarded("another process, `cc1plus`,", 7),
                discarded("the host of this virtual machine", 1),
            ],
            ..Course::default()
        };
        let expected = "8 blocks under load were discarded, without a look at their results, and 40 count: another process, \
                        `cc1plus`, used up to 0.8 cores (7), the host of this virtual machine used up to 0.8 cores (1)";
        assert_eq!(course.discarded_in_words().as_deref(), Some(expected));
        assert_eq!(Course::default().discarded_in_words(), None);
    }

    #[test]
    fn a_course_says_what_is_still_uncertain() {
        let precision = Precision { figure: "saturation of pricing".into(), reached: 0.124, wanted: 0.05 };
        let course = Course { secs: 181.2, imprecise: vec![precision], ..Course::default() };
        let expected = "one figure is less precise than asked for when the budget was spent, after 181 s; the widest: \
                        saturation of pricing ±12.4 % (5 % wanted)";
        assert_eq!(course.imprecise_in_words().as_deref(), Some(expected));
        assert_eq!(Course::default().imprecise_in_words(), None);
    }
}

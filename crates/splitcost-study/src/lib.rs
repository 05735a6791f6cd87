//! The experiment: predicts splits of a recorded app, runs them, and judges both.
//!
//! Read in this order: [`Experiment`] (the question), [`study`] (one call that answers it with one document, a
//! [`Study`](splitcost_model::study::Study)), then the decisions behind the answer: [`refusal`] (splits
//! that are not run), [`comparison`] (changes from the monolith to the split), [`agreement`] (ratios predicted and measured), [`audit`] (calls predicted and answered),
//! [`money`] (the price of both), [`proposal`] (a split, where none is named), [`residual`] (intervals that know past errors) and [`verdict`] (the judgement). The decisions do no IO and read no clock: equal inputs give equal documents.
//!
//! ```
//! use splitcost_model::study::SplitStudy;
//! let verdict = splitcost_study::verdict::judge(&SplitStudy { name: "pricing".into(), ..SplitStudy::default() });
//! assert_eq!(verdict.class.label(), "No verdict");
//! ```
//!
//! Processes, load and calibration belong to `splitcost-lab`, the simulation to `splitcost-sim`, and the rendering of
//! the document to `splitcost-report`.

pub mod agreement;
pub mod anchor;
pub mod audit;
pub mod comparison;
pub mod copies;
mod error;
mod experiment;
mod fault;
pub mod money;
mod price;
pub mod proposal;
mod ratio;
pub mod refusal;
pub mod residual;
pub mod verdict;

pub use error::{Error, Result};
pub use experiment::{Completion, Depth, Event, Experiment, Faults, Load, Scope, Studied, calibration_secs, study};
pub use price::price_calls;

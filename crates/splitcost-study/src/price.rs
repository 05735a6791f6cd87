//! Prices of calls without an experiment.

use splitcost_model::calibration::Calibration;
use splitcost_model::estimate::CallPrices;
use splitcost_model::recording::Recording;
use splitcost_model::split::Split;

use crate::Result;

/// Prices the calls of a split by a calibration, as an estimate does. Nothing is simulated.
///
/// # Errors
/// Fails if the recording holds no successful request.
pub fn price_calls(recording: &Recording, calibration: &Calibration, split: &Split) -> Result<CallPrices> {
    Ok(splitcost_sim::estimate::price_calls(recording, calibration, split)?)
}

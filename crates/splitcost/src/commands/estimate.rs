//! `splitcost estimate`

use std::process::ExitCode;

use crate::args::experiment::EstimateArgs;
use crate::pipeline::{Pipeline, print};
use crate::session::Session;

/// Predicts splits from a recording.
pub(crate) fn run(session: &mut Session, args: &EstimateArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = Session::open(&dir)?;
    let pipeline = Pipeline::new(&settings, &python, &recording, &dir, &args.scenario)?;
    let calibrations = pipeline.calibrate(session, 0.0)?;
    let evaluation = if pipeline.faults.kinds.is_empty() {
        pipeline.predict(session, &calibrations)?
    } else {
        pipeline.predict_faults(session, &calibrations)?
    };
    print(&mut session.printer, &evaluation, args.output.format)?;
    Ok(ExitCode::SUCCESS)
}

//! `splitcost rehearse`

use std::process::ExitCode;

use splitcost_model::evaluation::FaultEvaluation;

use crate::args::experiment::RehearseArgs;
use crate::pipeline::{Pipeline, print};
use crate::session::Session;

/// Predicts splits, runs them for real, and prints both.
pub(crate) fn run(session: &mut Session, args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    settings.workload()?;
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = Session::open(&dir)?;
    let pipeline = Pipeline::new(&settings, &python, &recording, &dir, &args.scenario)?;
    let calibrations = pipeline.calibrate(session, pipeline.rehearsal_secs())?;
    if !pipeline.faults.kinds.is_empty() {
        let evaluation = pipeline.rehearse_faults(session, &calibrations)?;
        print(&mut session.printer, &evaluation, args.output.format)?;
        let all_ran = evaluation.splits.iter().flat_map(|split| &split.faults).all(FaultEvaluation::was_run);
        return Ok(if all_ran { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let (evaluation, all_ran) = pipeline.rehearse(session, &calibrations)?;
    print(&mut session.printer, &evaluation, args.output.format)?;
    Ok(if all_ran { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

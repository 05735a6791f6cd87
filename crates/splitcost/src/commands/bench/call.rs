//! `splitcost bench call`

use std::process::ExitCode;

use splitcost_bench::call::{FunctionCall, call};
use splitcost_bench::compare::ComparisonPlan;
use splitcost_lab::Step;
use splitcost_report::bench::call as text;

use crate::args::bench::BenchCallArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// Chosen: of the verdict on a ratio that nobody asks for; the ratio itself has no margin.
const MARGIN: f64 = 0.03;

/// Calls a function in process and over stacks.
pub(crate) fn run(session: &mut Session, args: &BenchCallArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings().ok();
    let app = settings.as_ref().filter(|_| args.app_dir.is_none()).map(|settings| settings.app.clone());
    let dir = match (&args.app_dir, &app) {
        (Some(dir), _) => std::fs::canonicalize(dir)
            .map_err(|error| Failure::new(format!("failed to find {}: {error}", dir.display())))?,
        (None, Some(app)) => app.cwd.clone(),
        (None, None) => std::env::current_dir()?,
    };
    let ask = FunctionCall {
        function: args.function.clone(),
        args: args.args.0.clone(),
        kwargs: args.kwargs.clone(),
        stacks: args.stacks.clone(),
        app,
        dir,
    };
    let python = session.python(settings.as_ref())?;
    let conditions = ComparisonPlan { rounds: args.rounds, margin: MARGIN, seed: args.seed };
    let Session { printer, cancel, .. } = session;
    let found = call(&ask, &conditions, &python, &mut |step: &Step| printer.step(step), cancel).failed();
    printer.done();
    let found = found?;
    match args.output.format {
        Format::Json => printer.json(&found)?,
        _ => printer.answer(&text(&found))?,
    }
    if found.stacks.iter().all(|stack| stack.times.is_none()) {
        printer.warn("no stack can carry this call");
        printer.hint("tagged carries what a rehearsal can: --stack aiohttp+tagged+uvicorn");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

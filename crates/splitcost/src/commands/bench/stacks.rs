//! `splitcost bench stacks`

use std::fs;
use std::process::ExitCode;

use splitcost_bench::stacks::Payload;
use splitcost_bench::stacks::batch::{self, batch};
use splitcost_bench::stacks::blocking::{self, blocking};
use splitcost_bench::stacks::catalogue::{Catalogue, Filter};
use splitcost_bench::stacks::versus::{VersusPlan, versus};
use splitcost_lab::Step;
use splitcost_report::bench::Style;

use crate::args::bench::BenchStacksArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// Compares stacks, and prints what was found.
pub(crate) fn run(session: &mut Session, args: &BenchStacksArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings().ok();
    let python = session.python(settings.as_ref())?;
    let filter = Filter { clients: args.clients.clone(), servers: args.servers.clone() };
    let catalogue = Catalogue::ask(&python).failed()?;
    let payload = payload(&args.payload, catalogue.max_body_bytes())?;
    let chosen = catalogue.argued(&filter).failed()?;
    for left_out in &chosen.left_out {
        session.printer.warn(left_out);
    }
    let Some(first) = chosen.stacks.first() else {
        return Err(Failure::new("this Python has the packages of no stack").into());
    };
    let mut concurrencies = args.concurrency.clone();
    concurrencies.dedup();
    let conditions =
        VersusPlan { payload, concurrencies, rounds: args.rounds, margin: args.margin / 100.0, seed: args.seed };
    let everything = filter.clients.is_empty() && filter.servers.is_empty();
    let Session { printer, cancel, .. } = session;
    printer.later_secs =
        if everything { blocking::planned_secs() } else { 0.0 } + batch::planned_secs(conditions.rounds);
    let progress = &mut |step: &Step| printer.step(step);
    let found = versus(&catalogue, &chosen, &conditions, &python, progress, cancel).failed();
    printer.done();
    let mut found = found?;
    if everything {
        printer.later_secs = batch::planned_secs(conditions.rounds);
        let progress = &mut |step: &Step| printer.step(step);
        let blocked = blocking(&conditions, &python, progress, cancel).failed();
        printer.done();
        found.blocking = Some(blocked?);
    }
    printer.later_secs = 0.0;
    // Where nothing was named, the batch goes over the client that most new code has.
    let usual = chosen.stacks.iter().find(|stack| everything && stack.client == "httpx2_async");
    let progress = &mut |step: &Step| printer.step(step);
    let batched = batch(usual.unwrap_or(first), &conditions, &python, progress, cancel).failed();
    printer.done();
    found.batch = Some(batched?);
    match args.output.format {
        Format::Json => session.printer.json(&found)?,
        Format::Markdown => session.printer.answer(&splitcost_report::bench::stacks(&found, Style::Markdown))?,
        _ => session.printer.answer(&splitcost_report::bench::stacks(&found, Style::Text))?,
    }
    let invalid = found.tables.iter().any(|table| table.invalid.is_some()) || !found.failed.is_empty();
    Ok(ExitCode::from(u8::from(invalid)))
}

/// A number of bytes, or a file with a JSON value.
fn payload(text: &str, max_bytes: u64) -> anyhow::Result<Payload> {
    if let Ok(bytes) = text.parse::<u64>() {
        if !(1..=max_bytes).contains(&bytes) {
            return Err(Failure::new(format!("--payload {bytes}: not between 1 and {max_bytes} bytes")).into());
        }
        return Ok(Payload::Rows { nodes: None, bytes });
    }
    let failed = |error: String| Failure::new(format!("failed to read {text}: {error}"));
    let json = fs::read_to_string(text)
        .map_err(|error| failed(error.to_string()).hint("--payload takes a number of bytes, or a file with JSON"))?;
    Ok(Payload::Json(serde_json::from_str(&json).map_err(|error| failed(error.to_string()))?))
}

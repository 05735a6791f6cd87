//! `splitcost show`: prints a recording.

use std::process::ExitCode;

use splitcost_lab::calibrate::{self, Needs};
use splitcost_model::calibration::Calibration;
use splitcost_model::database::Owners;
use splitcost_model::recording::Recording;
use splitcost_model::recording::interface::{Interfaces, PricedBy, ServiceInterface};
use splitcost_model::split::Split;
use splitcost_recording::interface::interfaces;
use splitcost_recording::plan::plan;
use splitcost_recording::summary::summarize;
use splitcost_recording::tables::summarize_tables;
use splitcost_report::interface;
use splitcost_study::price_calls;

use crate::app_settings;
use crate::args::experiment::ShowArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::printer::Printer;
use crate::session::Session;
use crate::settings::Settings;

/// Prints the summary of a recording, of the tables in it, or of a split's boundary.
pub(crate) fn run(session: &mut Session, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let dir = session.recording_to_read(args.recording.as_deref())?;
    let is_code = !matches!(args.format, Format::Text | Format::Json);
    if is_code && args.boundary.is_none() {
        return Err(Failure::new("code is only written for the interface of a split")
            .hint("name it: `splitcost show --boundary SPLIT`")
            .into());
    }
    let recording = Session::open(&dir)?;
    if let Some(split) = &args.boundary {
        return boundary(session, args, &recording, split);
    }
    if args.tables {
        let settings = session.settings_if_any()?;
        let owners = Owners::of(&recording, &settings.map(|settings| settings.table_owners).unwrap_or_default());
        let summary = summarize_tables(&recording, &owners);
        match args.format {
            Format::Json => session.printer.json(&summary)?,
            _ => session.printer.answer(&splitcost_report::tables::render(&summary, Printer::width()))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let summary = summarize(&recording);
    match args.format {
        Format::Json => session.printer.json(&summary)?,
        _ => session.printer.answer(&splitcost_report::recording::render(&summary, Printer::width()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the interfaces of a split's services, or the work that the split needs.
fn boundary(session: &mut Session, args: &ShowArgs, recording: &Recording, split: &str) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    let split = settings.splits(&[split.to_owned()])?.remove(0);
    let read = app_settings::read(&settings.app);
    let owners = Owners::of(recording, &settings.table_owners);
    let mut interfaces = interfaces(recording, &split, &owners, read.as_deref());
    if let Some(name) = &args.service {
        let known = split.service_names().join(", ");
        interfaces.services.retain(|service| service.service == *name);
        if interfaces.services.is_empty() {
            return Err(Failure::new(format!("the split {} has no service named {name}", split.name))
                .hint(format!("its services are: {known}"))
                .into());
        }
    }
    if args.plan {
        let calibration = calibration(session, &settings, recording, &split);
        let mut plan = match &calibration {
            Some(calibration) => {
                interfaces.price(&price_calls(recording, calibration, &split).failed()?);
                plan(&interfaces)
            }
            None => plan(&interfaces),
        };
        plan.priced_by = calibration.map(|calibration| PricedBy {
            stack: calibration.stack.name().to_owned(),
            measured_at: calibration.measured_at,
        });
        match args.format {
            Format::Json => session.printer.json(&plan)?,
            Format::Text => session.printer.answer(&interface::render_plan(&plan, Printer::width()))?,
            _ => return Err(Failure::new("a plan is written as text or as json").into()),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&interfaces)?,
        Format::Pydantic => interface::pydantic(&interfaces, only_called(&interfaces)?),
        Format::Proto => interface::proto(&interfaces, only_called(&interfaces)?),
        Format::Openapi => interface::openapi(&interfaces, only_called(&interfaces)?),
        _ => interface::render(&interfaces, Printer::width()),
    };
    session.printer.answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the calibration of a split's stack that the cache has. Without one, says what is missing.
fn calibration(
    session: &mut Session,
    settings: &Settings,
    recording: &Recording,
    split: &Split,
) -> Option<Calibration> {
    let python = session.python(Some(settings));
    let cached = python.and_then(|python| {
        let needs = Needs::of(recording, &[split]);
        calibrate::cached(split.stack, &needs, &python).failed()
    });
    let missing = match cached {
        Ok(Some(calibration)) => return Some(calibration),
        Ok(None) => format!("{} was not calibrated on this machine for the calls of this split", split.stack.name()),
        Err(error) => format!("{error:#}"),
    };
    session.printer.note(&format!("without prices: {missing}"));
    session.printer.hint(&format!("`splitcost estimate --split {}` measures them once, in about a minute", split.name));
    None
}

/// Returns the one service that others call.
fn only_called(interfaces: &Interfaces) -> anyhow::Result<&ServiceInterface> {
    let called: Vec<&ServiceInterface> =
        interfaces.services.iter().filter(|service| !service.functions.is_empty()).collect();
    match called.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new("no other service calls a function of it: there is no interface to write").into()),
        several => {
            let names: Vec<&str> = several.iter().map(|service| service.service.as_str()).collect();
            Err(Failure::new("several services are called by others, and a document of code describes one")
                .hint(format!("choose it with --service: {}", names.join(", ")))
                .into())
        }
    }
}

//! The experiment behind `estimate`, `rehearse` and `evaluate`: from options and settings to a printed study.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use splitcost_lab::app::AppSpec;
use splitcost_lab::python::Python;
use splitcost_link::profile::Profile;
use splitcost_model::link::Link;
use splitcost_model::recording::Recording;
use splitcost_model::split::{Split, is_within};
use splitcost_model::study::Study;
use splitcost_recording::division::Division;
use splitcost_report::text::Style;
use splitcost_study::copies;
use splitcost_study::proposal::{self, Proposal};
use splitcost_study::{Completion, Depth, Event, Experiment, Faults, Load, Scope, Studied, study};

use crate::app_settings;
use crate::args::experiment::ScenarioArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::printer::Printer;
use crate::session::{Session, closest, shown};
use crate::settings::{self, Settings};

/// The beginning of every sentence about a split that nobody named.
const PROPOSED: &str = "no split is named in the settings; this one is proposed from the recording";

/// Takes the load from the command line, else from the settings.
pub(crate) fn load(settings: &Settings, rate: Option<f64>, concurrency: Option<u32>) -> Load {
    Load {
        rate_reqs_per_sec: rate.or(settings.rate_reqs_per_sec),
        concurrency: concurrency.unwrap_or(settings.concurrency),
    }
}

/// An app with its settings, interpreter and recording.
pub(crate) struct Subject<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) python: &'a Python,
    pub(crate) recording: &'a Recording,
    pub(crate) recording_dir: &'a Path,
}

/// Runs the experiment that the options of a scenario describe, with progress and warnings on standard error.
pub(crate) fn run(
    session: &mut Session,
    subject: &Subject<'_>,
    scenario: &ScenarioArgs,
    depth: Depth,
    scope: Scope,
) -> anyhow::Result<Studied> {
    let Subject { settings, python, recording, recording_dir } = *subject;
    let mut splits = settings.splits(&scenario.splits)?;
    let proposal = if splits.is_empty() { Some(propose(settings, recording)?) } else { None };
    if let Some(proposal) = &proposal {
        session.printer.warn(&format!("{PROPOSED}: {proposal}"));
        session
            .printer
            .hint(&format!("to choose another one, name it in the settings:\n{}", proposal.toml().trim_end()));
        splits.push(proposal.split());
    }
    if !scenario.by_reference.is_empty() {
        for split in &mut splits {
            split.adaptation.by_reference.clone_from(&scenario.by_reference);
        }
    }
    splits.iter().try_for_each(|split| check_recorded(&settings.app, recording, split))?;
    let mut proposed_copies = BTreeMap::new();
    for split in splits.iter().filter(|split| split.copied.is_none()) {
        let mut proposed = copies::candidates(recording, split);
        proposed.retain(|module| keeps_no_state(recording, module));
        proposed_copies.insert(split.name.clone(), proposed);
    }
    let read = app_settings::read(&settings.app);
    let links = links(&scenario.profiles)?;
    let faults = Faults {
        kinds: scenario.faults.clone(),
        policies: scenario.policies.clone(),
        availability: scenario.availability / 100.0,
    };
    let experiment = Experiment {
        app: &settings.app,
        python,
        workload: settings.workload().ok(),
        recording,
        recording_name: &shown(recording_dir).display().to_string(),
        splits: &splits,
        proposed_copies: &proposed_copies,
        settings: read.as_deref(),
        links: &links,
        prices: &settings.prices,
        load: load(settings, scenario.rate, scenario.concurrency),
        budget: scenario.budget,
        precision: scenario.precision / 100.0,
        compare: scenario.compare,
        seed: scenario.seed,
        fresh_calibration: scenario.fresh_calibration,
        faults: &faults,
        depth,
        scope,
    };
    let Session { printer, cancel, .. } = session;
    let watch = &mut |event: Event<'_>| match event {
        Event::Step { step, later_secs } => {
            printer.later_secs = later_secs;
            printer.step(step);
        }
        Event::StageEnded => printer.done(),
        Event::Warning { text, hints } => {
            printer.warn(&text);
            for hint in &hints {
                printer.hint(hint);
            }
        }
    };
    let studied = study(&experiment, watch, cancel).failed();
    printer.done();
    let mut studied = studied?;
    studied.study.provenance.notes.extend(proposal.map(|proposal| format!("{PROPOSED}: {proposal}.")));
    Ok(studied)
}

/// Proposes a split of an app whose settings name none.
///
/// # Errors
/// Fails if no module is fit.
fn propose(settings: &Settings, recording: &Recording) -> anyhow::Result<Proposal> {
    proposal::propose(recording, &settings.table_owners).map_err(|none| {
        Failure::new(format!("no split is named in the settings, and none can be proposed from the recording: {none}"))
            .hint("add a table [splits.NAME] with services = { pricing = [\"shop.pricing\"] }; `splitcost show` lists the calls")
            .into()
    })
}

/// Checks that the recording tells the modules of a split apart from others, and knows a module of each service.
///
/// # Errors
/// Fails where nothing could be predicted: a class or a part of a package that was recorded as a part of another module, or a
/// service none of whose code ran.
fn check_recorded(app: &AppSpec, recording: &Recording, split: &Split) -> Result<(), Failure> {
    let parts = Division { packages: app.packages.clone(), modules: Vec::new(), depth: app.depth };
    // Such a module is one of its own in every recording; where it is missing, none of its code ran.
    let is_part = |name: &String| !name.contains(':') && parts.owner_of(name, "") == Some(name);
    let modules = recording.modules.get(1..).unwrap_or_default();
    let is_recorded = |name: &String| modules.iter().any(|module| is_within(module, name));
    for name in split.services.values().flatten().chain(split.copied.iter().flatten()) {
        let whole = modules.iter().filter(|module| is_within(name, module)).max_by_key(|module| module.len());
        if let Some(whole) = whole
            && !is_recorded(name)
            && !is_part(name)
            && !recording.meta.named_modules.contains(name)
        {
            return Err(Failure::new(format!(
                "split {}: the recording does not tell {name} apart from {whole}",
                split.name
            ))
            .hint("record again: `splitcost record` divides the app by the names in the settings"));
        }
    }
    for (service, names) in &split.services {
        if !names.iter().any(is_recorded) {
            let failure = Failure::new(format!(
                "split {}: none of the code of service {service} ran in the recording ({})",
                split.name,
                names.join(", ")
            ));
            let suggested = names.iter().find_map(|name| closest(name, modules));
            return Err(match suggested {
                Some(closest) => failure.hint(format!("did you mean {closest}?")),
                None => failure,
            }
            .hint("add requests that call it to the workload, and record again"));
        }
    }
    Ok(())
}

/// Returns true if none of a module's files can keep state.
fn keeps_no_state(recording: &Recording, module: &str) -> bool {
    let files: BTreeSet<&str> = copies::files(recording, module).collect();
    let keeps = |file: &&str| std::fs::read_to_string(file).map_or(true, |source| splitcost_scan::keeps_state(&source));
    !files.is_empty() && !files.iter().any(keeps)
}

/// The links that the options name; `all` names every profile.
fn links(names: &[String]) -> anyhow::Result<Vec<Link>> {
    let here = std::env::current_dir()?;
    let mut links = Vec::new();
    for name in names {
        let chosen: Vec<&str> = if name == "all" { Profile::names().0.collect() } else { vec![name] };
        for name in chosen {
            links.push(settings::split::link(name, &here).failed()?);
        }
    }
    Ok(links)
}

/// Returns the exit status of an experiment: 1 if a part of it did not run, 3 if it has no valid answer.
pub(crate) fn status(completion: Completion) -> ExitCode {
    match completion {
        Completion::Whole => ExitCode::SUCCESS,
        Completion::Partly => ExitCode::from(1),
        Completion::Invalid => ExitCode::from(3),
    }
}

/// Prints a study in the chosen format.
pub(crate) fn print(printer: &mut Printer, study: &Study, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return printer.json(study);
    }
    let style = Style { color: Printer::color(), width: Printer::width() };
    let faulty = study.splits.iter().any(|split| !split.faults.is_empty());
    let text = if faulty && study.splits.iter().all(|split| split.verdict.is_none()) {
        splitcost_report::fault::render(study)
    } else if study.splits.len() > 2 && !study.link_comparisons.is_empty() {
        splitcost_report::distance::render(study)
    } else {
        splitcost_report::text::render(study, &style)
    };
    printer.answer(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_never_ran_is_no_part_of_its_package() {
        let app = AppSpec { packages: vec!["shop".into()], ..AppSpec::default() };
        let modules = ["(framework)", "shop", "shop.orders"].map(str::to_owned).to_vec();
        let recording = Recording { modules, ..Recording::default() };
        let check = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let split = Split { services: BTreeMap::from([("a".to_owned(), names)]), ..Split::default() };
            check_recorded(&app, &recording, &split).map_err(|failure| failure.to_string())
        };
        assert_eq!(check(&["shop.orders", "shop.cache"]), Ok(()));
        assert!(check(&["shop.cache"]).is_err_and(|error| error.contains("none of the code of service a ran")));
        assert!(
            check(&["shop.orders:Order"]).is_err_and(|error| error.contains("does not tell shop.orders:Order apart"))
        );
    }
}

//! `splitcost link`: emulates a link until Ctrl-C, and lists, shows and imports profiles.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use splitcost_link::policy::Policy;
use splitcost_link::profile::{self, Between, Profile};
use splitcost_link::stream::{Address, Spec, Tally};
use splitcost_link::toxiproxy::{Api, Board};
use splitcost_link::{Emulator, Engine};
use splitcost_model::emulation::Emulation;
use splitcost_model::link::Link;

use crate::args::link::{EmulateArgs, LinkArgs, LinkCommand, LinkImportArgs, LinkListArgs, LinkShowArgs};
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// The time between two checks for Ctrl-C.
///
/// Chosen: people do not notice this delay.
const TICK: Duration = Duration::from_millis(50);

/// The name of the link of the command line in the API.
const FIRST: &str = "link";

/// Runs `splitcost link` or one of its subcommands.
pub(crate) fn run(session: &mut Session, args: &LinkArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => emulate(session, &args.emulate),
        Some(LinkCommand::List(args)) => list(session, args),
        Some(LinkCommand::Show(args)) => show(session, args),
        Some(LinkCommand::Import(args)) => import(session, args),
    }
}

/// Forwards connections, and prints the results.
fn emulate(session: &mut Session, args: &EmulateArgs) -> anyhow::Result<ExitCode> {
    let profile = match &args.profile {
        Some(name) => Profile::find(name).failed()?.link,
        None => Link::default(),
    };
    let rules = args.faults.iter().map(|fault| fault.rule.clone()).collect();
    let policy = Policy::of(&profile, rules, args.seed);
    let engine = if args.packets { Engine::Packet } else { Engine::Stream };
    let emulator = Emulator::start(engine).failed()?;
    let realtime = emulator.realtime();
    let mut board = Board::new(emulator, args.seed);
    if let Some(to) = &args.to {
        let listen = match &args.listen {
            None => board.emulator().any_address(),
            Some(address) => board.emulator().address(address).failed()?,
        };
        let spec = Spec { listen, to: Address::parse(to).failed()?, policy: policy.clone() };
        let (id, listens) = board.emulator().open(spec).failed()?;
        session.printer.note(&format!("listening on {listens}, forwarding to {to}; press Ctrl-C to stop"));
        board.add(FIRST, (id, &listens), to, policy);
    }
    let begun = Instant::now();
    let found = match args.api {
        None => {
            wait(session);
            results(&board)
        }
        Some(address) => {
            let api = Api::start(address, board).failed()?;
            session.printer.note(&format!("serving the API at http://{}; press Ctrl-C to stop", api.address()));
            wait(session);
            api.with(|board| results(board))
        }
    };
    let found: Vec<Emulation> = found
        .failed()?
        .into_iter()
        .map(|(proxy, tally)| Emulation {
            listen: proxy.0,
            to: proxy.1,
            left_out: engine.left_out(&profile),
            profile: profile.name.clone(),
            faults: args.faults.iter().map(|fault| fault.text.clone()).collect(),
            seed: args.seed,
            secs: begun.elapsed().as_secs_f64(),
            ..tally.emulation(realtime)
        })
        .collect();
    print(session, args, &found)
}

/// Waits until Ctrl-C.
fn wait(session: &Session) {
    while !session.cancel.is_cancelled() {
        std::thread::sleep(TICK);
    }
}

type Addresses = (String, String);

/// Returns the addresses and the tally of each link.
fn results(board: &Board) -> Result<Vec<(Addresses, Tally)>, splitcost_link::Error> {
    let tallied = board.proxies().iter().map(|proxy| {
        let (listen, to) = proxy.addresses();
        Ok(((listen.to_owned(), to.to_owned()), board.tally(proxy)?))
    });
    tallied.collect()
}

/// Prints the results.
fn print(session: &mut Session, args: &EmulateArgs, found: &[Emulation]) -> anyhow::Result<ExitCode> {
    match (args.output.format, found) {
        (Format::Json, [only]) if args.api.is_none() => session.printer.json(only)?,
        (Format::Json, _) => session.printer.json(&found)?,
        _ => {
            let texts: Vec<String> = found.iter().map(splitcost_report::emulation::text).collect();
            session.printer.answer(&texts.join("\n"))?;
        }
    }
    let invalid = found.iter().find(|found| found.invalid.is_some());
    for hint in invalid.iter().flat_map(|found| &found.hints) {
        session.printer.hint(hint);
    }
    Ok(if invalid.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Lists the profiles.
fn list(session: &mut Session, args: &LinkListArgs) -> anyhow::Result<ExitCode> {
    let (names, modifiers) = Profile::names();
    let profiles = names.map(Profile::find).collect::<Result<Vec<Profile>, _>>().failed()?;
    if args.output.format == Format::Json {
        session.printer.json(&profiles)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = profiles.iter().map(|profile| {
        let round_trip = profile.figures.iter().find(|figure| figure.what == "round_trip_micros p50");
        let micros = round_trip.map_or(0.0, |figure| figure.value);
        format!("{:<16}{micros:>8} µs round trip  {}\n", profile.name, profile.about)
    });
    let modifiers = modifiers.collect::<Vec<_>>().join(", ");
    session.printer.answer(&format!("{}modifiers of each: {modifiers}", lines.collect::<String>()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the numbers of a profile and their sources.
fn show(session: &mut Session, args: &LinkShowArgs) -> anyhow::Result<ExitCode> {
    let profile = Profile::find(&args.profile).failed()?;
    match args.output.format {
        Format::Json => session.printer.json(&profile)?,
        Format::Toml => {
            let text = profile::text(&args.profile).ok_or_else(|| {
                Failure::new(format!("{} is not a single file", args.profile))
                    .hint("give the name of a profile without a modifier")
            })?;
            session.printer.answer(text)?;
        }
        _ => {
            let figures: Vec<String> = profile.figures.iter().map(|figure| format!("{figure}\n")).collect();
            session.printer.answer(&format!("{}: {}\n\n{}", profile.name, profile.about, figures.concat()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a profile from the output of other tools.
fn import(session: &mut Session, args: &LinkImportArgs) -> anyhow::Result<ExitCode> {
    let read = args.files.iter().map(|path| {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        Ok((path.display().to_string(), text))
    });
    let files = read.collect::<anyhow::Result<Vec<_>>>()?;
    let between = Between { from: args.from.as_deref(), to: args.to.as_deref() };
    session.printer.answer(&profile::import_between(&files, between).failed()?)?;
    Ok(ExitCode::SUCCESS)
}

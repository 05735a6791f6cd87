//! The commands and options of the command line, and the variables of the environment that set them.
//!
//! Arguments know nothing of what a command does with them. [`shared`] holds what several commands take,
//! [`experiment`] the way from a recording to a report; the other modules hold one command each.

pub(crate) mod bench;
pub(crate) mod environment;
pub(crate) mod experiment;
pub(crate) mod init;
pub(crate) mod link;
pub(crate) mod scan;
pub(crate) mod shared;
pub(crate) mod threshold;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::shared::GlobalArgs;

/// Find out what splitting a Python monolith into services costs, before you build it.
///
/// splitcost records what your app really does, predicts what a proposed split would do to it, runs that split for
/// real without any change to your code, and shows prediction and measurement side by side.
#[derive(Debug, Parser)]
#[command(name = "splitcost", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Start here:
  splitcost init       # write a commented splitcost.toml for this app
  splitcost evaluate   # record, predict, run and compare every split in it; about two minutes

Exit status: 0 success; 1 findings, an invalid result, a broken condition, or a split that could not be run;
2 splitcost or its input failed; 130 interrupted. `record -- COMMAND` exits with the status of COMMAND.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// A command of splitcost.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a commented splitcost.toml for the app in the working directory
    Init(init::InitArgs),
    /// Run the app and its workload, or any Python command, under the recorder
    Record(experiment::RecordArgs),
    /// Print a recording: its endpoints, the calls between modules, and what they carry
    Show(experiment::ShowArgs),
    /// Measure what a call over each stack costs on this machine
    Calibrate(experiment::CalibrateArgs),
    /// Predict splits from a recording
    Estimate(experiment::EstimateArgs),
    /// Run splits for real, and compare them with the prediction
    Rehearse(experiment::RehearseArgs),
    /// Do all of it: record, calibrate, estimate, rehearse, and write the report
    Evaluate(experiment::EvaluateArgs),
    /// Write the HTML report of an evaluation again
    Report(experiment::ReportArgs),
    /// Put load on an endpoint, or compare two endpoints, stacks or codecs
    Bench(Box<bench::BenchArgs>),
    /// Put an emulated link in front of a service: delay, bandwidth, faults
    Link(link::LinkArgs),
    /// Find code that makes requests slow, through every helper between
    Scan(scan::ScanArgs),
    /// Print what a rule of scan finds, why it hurts, and what to do
    Explain(scan::ExplainArgs),
    /// End the processes of the splitcost that started this one, once that is gone
    #[command(hide = true)]
    Guard,
}

/// A command line that cannot be used.
#[derive(Debug)]
pub(crate) struct UsageError {
    /// The message of the parser, which may also be the help or the version.
    pub(crate) error: clap::Error,
    /// The variables that took part, each with the option that it sets.
    pub(crate) variables: Vec<String>,
}

/// Returns all commands, with the variables that set their options.
pub(crate) fn command() -> clap::Command {
    environment::with_variables(Cli::command())
}

/// Reads a command line and the environment.
///
/// # Errors
/// Fails if either cannot be used, or if the command line asks for help or the version.
pub(crate) fn parse(line: &[OsString]) -> Result<Cli, UsageError> {
    let without = |error| UsageError { error, variables: Vec::new() };
    let given = command().ignore_errors(true).try_get_matches_from(line).map_err(without)?;
    let mut command = environment::only_relevant(command(), &given);
    let parsed = command.try_get_matches_from_mut(line).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let variables = if error.use_stderr() { environment::set_variables(&command, &given) } else { Vec::new() };
        UsageError { error: error.format(&mut command), variables }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::{Arg, Command};
    use splitcost_model::estimate::LOAD_SHARE;

    use super::bench::{ALONE, COMPARED, SATURATION_STEP};
    use super::shared::CONCURRENCY;
    use super::*;

    /// Calls `look` with every command, and the words that name it.
    fn walk(command: &Command, words: &str, look: &mut impl FnMut(&Command, &str)) {
        look(command, words);
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            walk(inner, &format!("{words} {}", inner.get_name()), look);
        }
    }

    fn every_command(mut look: impl FnMut(&Command, &str)) {
        let mut command = command();
        command.build();
        walk(&command, "splitcost", &mut look);
    }

    fn is_ours(arg: &Arg) -> bool {
        !["help", "version"].contains(&arg.get_id().as_str())
    }

    fn options(command: &Command) -> impl Iterator<Item = &Arg> {
        command.get_arguments().filter(|arg| !arg.is_positional() && is_ours(arg))
    }

    fn help_of(arg: &Arg) -> String {
        arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_option_has_its_variable() {
        // The page is an output of both commands, so one variable names it for both; a rehearsed service has the other name.
        let exceptions = BTreeMap::from([
            ("splitcost report --output", "SPLITCOST_REPORT"),
            ("splitcost show --service", "SPLITCOST_BOUNDARY_SERVICE"),
            ("splitcost rehearse --mode", "SPLITCOST_REHEARSAL_MODE"),
        ]);
        // Processes that splitcost starts read these.
        let internal =
            ["LOG_DIR", "PACKAGES", "MODULES", "MODE", "TOKEN", "SERVICE", "REHEARSAL", "PARENT", "TEST_SERVE"];
        let mut seen = 0;
        every_command(|command, words| {
            for option in options(command) {
                let long = option.get_long().unwrap_or_else(|| panic!("{words}: {} has no name", option.get_id()));
                let name = option.get_env().and_then(|name| name.to_str());
                let exception = exceptions.get(format!("{words} --{long}").as_str()).map(ToString::to_string);
                let expected = exception.unwrap_or_else(|| environment::variable(long));
                assert_eq!(name, Some(expected.as_str()), "{words} --{long}");
                assert!(internal.iter().all(|name| expected != format!("SPLITCOST_{name}")), "{expected} is internal");
                seen += 1;
            }
        });
        assert!(seen > 80, "{seen} options");
        assert_eq!(environment::variable("warm-up"), "SPLITCOST_WARM_UP");
    }

    /// The lines of examples in a command's help, without their comments.
    fn examples(command: &Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().skip_while(|line| *line != "Examples:" && *line != "Start here:").skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        lines.map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned()).collect()
    }

    /// The words of a shell's line, up to where its output goes.
    fn shell_words(line: &str) -> Vec<OsString> {
        let mut words = Vec::new();
        let (mut word, mut quoted) = (String::new(), false);
        for c in line.chars().chain([' ']) {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => {
                    if word == ">" || word == "|" {
                        return words;
                    }
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word).into());
                    }
                }
                c => word.push(c),
            }
        }
        assert!(!quoted, "{line}");
        words
    }

    #[test]
    fn every_command_has_examples_that_can_be_parsed() {
        every_command(|command, words| {
            if command.is_hide_set() {
                return;
            }
            let examples = examples(command);
            let own = examples.iter().filter(|line| line.starts_with(words)).count();
            assert!(own > 0, "{words} has no example");
            for line in examples {
                let line = line.strip_prefix("sudo ").unwrap_or(&line);
                if !line.starts_with("splitcost ") {
                    // The tools whose output is imported.
                    assert!(line.starts_with("ping ") || line.starts_with("iperf3 "), "{words}: {line}");
                    continue;
                }
                let parsed = parse(&shell_words(line));
                assert!(parsed.is_ok(), "{words}: {line}: {}", parsed.unwrap_err().error);
            }
        });
    }

    #[test]
    fn every_help_says_what_it_does() {
        const RIDDLES: [&str; 8] = ["What ", "Whether ", "How ", "Who ", "Which ", "So ", "Where ", "Not "];
        every_command(|command, words| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let args = command.get_arguments().filter(|arg| is_ours(arg));
            let helps = args.map(|arg| (format!("{words} {}", arg.get_id()), help_of(arg)));
            for (name, help) in [(words.to_owned(), about)].into_iter().chain(helps) {
                assert!(!help.is_empty(), "{name} has no help");
                assert!(RIDDLES.iter().all(|riddle| !help.starts_with(riddle)), "{name}: {help}");
            }
        });
    }

    #[test]
    fn defaults_in_help_are_the_real_ones() {
        let window = |secs: fn(bench::Window) -> f64| {
            let [alone, compared, step] = [ALONE, COMPARED, SATURATION_STEP].map(secs);
            format!("[default: {alone}; of two endpoints {compared}; with --find-saturation {step}]")
        };
        let streams = splitcost_load::Plan::closed(1, splitcost_load::Stop::Requests(1)).streams_per_connection;
        let in_flight = format!("[default: [load] in the settings, else {CONCURRENCY}]");
        let share = format!(
            "[default: [load] in the settings, else {LOAD_SHARE} of what the monolith or the split saturates at, whichever is \
             less]"
        );
        let known = BTreeMap::from([
            ("splitcost estimate --rate", share.clone()),
            ("splitcost rehearse --rate", share.clone()),
            ("splitcost evaluate --rate", share),
            ("splitcost bench --streams", format!("[default: {streams}]")),
            ("splitcost bench --duration", window(|window| window.measured_secs)),
            ("splitcost bench --warm-up", window(|window| window.warm_up_secs)),
            ("splitcost record --concurrency", in_flight.clone()),
            ("splitcost estimate --concurrency", in_flight.clone()),
            ("splitcost rehearse --concurrency", in_flight.clone()),
            ("splitcost evaluate --concurrency", in_flight),
        ]);
        let mut seen = 0;
        every_command(|command, words| {
            for option in options(command) {
                let name = format!("{words} --{}", option.get_long().unwrap_or_default());
                let help = help_of(option);
                let Some((_, default)) = help.split_once("[default: ") else { continue };
                if let Some(expected) = known.get(name.as_str()) {
                    assert!(help.ends_with(expected), "{name}: {help}, but it is {expected}");
                    seen += 1;
                } else if let ([real], true) = (option.get_default_values(), option.get_action().takes_values()) {
                    assert_eq!(Some(default), real.to_str().map(|real| format!("{real}]")).as_deref(), "{name}");
                } else {
                    // Without a number, there is nothing that a constant could contradict.
                    let is_number = |word: &str| word.trim_matches([',', ';', ']']).parse::<f64>().is_ok();
                    assert!(!default.split_whitespace().any(is_number), "{name}");
                }
            }
        });
        assert_eq!(seen, known.len());
    }

    #[test]
    fn formats_are_those_that_a_command_takes() {
        let formats = |line: &str| {
            let words: Vec<OsString> = line.split(' ').chain(["--format", "none"]).map(OsString::from).collect();
            let error = parse(&words).unwrap_err().error.to_string();
            error.lines().find_map(|line| line.trim().strip_prefix("[possible values: ")).unwrap_or(&error).to_owned()
        };
        assert_eq!(formats("splitcost show"), "text, json, pydantic, proto, openapi]");
        assert_eq!(formats("splitcost bench http://h"), "text, json, csv, markdown]");
        assert_eq!(formats("splitcost bench codecs"), "text, json, markdown]");
        assert_eq!(formats("splitcost bench call a:b"), "text, json]");
        assert_eq!(formats("splitcost scan"), "text, json, sarif, github, junit]");
        assert_eq!(formats("splitcost link show same-host"), "text, json, toml]");
        let help = |command: &Command| command.get_arguments().find(|arg| arg.get_id() == "format").map(help_of);
        every_command(|command, words| {
            if let Some(help) = help(command) {
                assert_eq!(help, "Format of the answer on standard output [default: text]", "{words}");
            }
        });
    }
}

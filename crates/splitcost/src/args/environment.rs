//! Variables of the environment that set options.
//!
//! Every option has one: `SPLITCOST_` and its name, in capitals and with underscores. An option of the command line
//! wins over a variable, its own and those of options that it cannot be used with.

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, Resettable};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The end of every command's help.
const NOTE: &str =
    "Every option can be set in the environment, as --config by SPLITCOST_CONFIG; the command line wins.";

/// Returns the variable that sets the option with this long name.
pub(crate) fn variable(long: &str) -> String {
    format!("SPLITCOST_{}", long.replace('-', "_").to_uppercase())
}

/// Lets a variable set each option of a command and of its subcommands, and says so in their help.
pub(super) fn with_variables(command: Command) -> Command {
    let help = command.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
    command.after_help(format!("{help}{NOTE}")).mut_args(with_variable).mut_subcommands(with_variables)
}

fn with_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    let name = arg.get_env().map_or_else(|| variable(long).into(), OsString::from);
    let arg = arg.env(name).hide_env(true);
    match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        // A variable has the values of a repeated option on lines of their own.
        ArgAction::Append if arg.get_value_delimiter().is_none() => arg.value_delimiter('\n'),
        _ => arg,
    }
}

/// Leaves only those variables that set something for this command line: of the command that it names, and not of
/// options that the given ones cannot be used with. An empty variable sets nothing.
pub(super) fn only_relevant(command: Command, given: &ArgMatches) -> Command {
    let overruled = overruled(&command, given);
    let is_named = given.subcommand_name().is_none();
    let command = command.mut_args(|arg| {
        let is_empty = arg.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
        let is_relevant = is_named || arg.is_global_set();
        if is_relevant && !is_empty && !overruled.contains(arg.get_id()) { arg } else { arg.env(Resettable::Reset) }
    });
    match given.subcommand() {
        Some((name, given)) => command.mut_subcommand(name, |command| only_relevant(command, given)),
        None => command,
    }
}

/// Options that cannot be used with those that the command line gives.
fn overruled(command: &Command, given: &ArgMatches) -> Vec<clap::Id> {
    let is_given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
    };
    let mut found = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
        for other in command.get_arg_conflicts_with(arg) {
            for (one, two) in [(arg, other), (other, arg)] {
                if is_given(&one) {
                    found.push(two.get_id().clone());
                }
            }
        }
    }
    found
}

/// Returns the variables that are set and relevant, each with the option that it sets.
pub(super) fn set_variables(command: &Command, given: &ArgMatches) -> Vec<String> {
    let set = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env().filter(|name| std::env::var_os(name).is_some())?;
        Some(format!("{} sets --{}", name.display(), arg.get_long()?))
    });
    let mut found: Vec<String> = set.collect();
    if let Some((name, given)) = given.subcommand() {
        found.extend(command.find_subcommand(name).into_iter().flat_map(|inner| set_variables(inner, given)));
    }
    found
}

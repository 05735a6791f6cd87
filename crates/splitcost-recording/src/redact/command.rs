//! Names of Redis's commands, without what is sent with them.
//!
//! Clients send a command's name and its arguments together, and an app may send anything as a name. Only names of this
//! list are written.

use std::sync::LazyLock;

/// The text that stands for a command that is not in the list.
pub const OTHER: &str = "(other)";

/// The commands, in alphabetical order, with their subcommands.
///
/// Spec: `COMMAND` of Redis 7.0; those of its modules, and of later versions, as redis-py 8.1 sends them.
static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("commands.txt").lines().collect());

/// Returns the name of a command as the list has it; [`OTHER`] where it has none.
///
/// ```
/// use splitcost_recording::redact::command::{OTHER, name};
/// assert_eq!((name("get"), name("CONFIG GET"), name("SET secret 1")), ("GET", "CONFIG GET", "SET"));
/// assert_eq!(name("secret"), OTHER);
/// ```
pub fn name(sent: &str) -> &'static str {
    let mut words = sent.split_ascii_whitespace();
    let Some(first) = words.next().and_then(known) else { return OTHER };
    let with_subcommand = words.next().and_then(|second| known(&format!("{first} {second}")));
    with_subcommand.unwrap_or(first)
}

fn known(words: &str) -> Option<&'static str> {
    NAMES.binary_search(&words.to_ascii_uppercase().as_str()).ok().map(|at| NAMES[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        assert!(NAMES.len() > 500 && NAMES.is_sorted());
        for known in NAMES.iter() {
            assert_eq!(name(&known.to_lowercase()), *known);
        }
    }

    #[test]
    fn nothing_else_is_kept() {
        for (sent, expected) in [
            ("HSET key secret", "HSET"),
            ("  config   get secret", "CONFIG GET"),
            ("CONFIG secret", "CONFIG"),
            ("SECRET.GET", OTHER),
            ("GETsecret", OTHER),
            ("gét", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(name(sent), expected, "{sent}");
        }
    }
}

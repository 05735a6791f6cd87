//! Errors as the user sees them: `error:` with one message, `hint:` with a remedy.

use std::fmt;

/// An error message with its remedies.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// Makes a message without a hint.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    /// Adds a remedy.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The end of a command that Ctrl-C stopped.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Turns errors of the libraries, whose messages complete "failed to …", into whole messages.
pub(crate) trait Failed<T> {
    /// Returns the value, or the error as a message for the user.
    fn failed(self) -> anyhow::Result<T>;
}

impl<T> Failed<T> for splitcost_lab::Result<T> {
    fn failed(self) -> anyhow::Result<T> {
        self.map_err(lab_failure)
    }
}

fn lab_failure(error: splitcost_lab::Error) -> anyhow::Error {
    match error {
        splitcost_lab::Error::Cancelled => Interrupted.into(),
        splitcost_lab::Error::Recording(error) => recording_failure(&error).into(),
        error => {
            let hints = error.hints();
            Failure { message: format!("failed to {error}"), hints }.into()
        }
    }
}

impl<T> Failed<T> for splitcost_bench::Result<T> {
    fn failed(self) -> anyhow::Result<T> {
        self.map_err(|error| match error {
            splitcost_bench::Error::Cancelled => Interrupted.into(),
            error => {
                let hints = error.hints();
                Failure { message: format!("failed to {error}"), hints }.into()
            }
        })
    }
}

impl<T> Failed<T> for Result<T, splitcost_recording::Error> {
    fn failed(self) -> anyhow::Result<T> {
        self.map_err(|error| recording_failure(&error).into())
    }
}

impl<T> Failed<T> for Result<T, splitcost_link::Error> {
    fn failed(self) -> anyhow::Result<T> {
        self.map_err(|error| {
            let hint = match &error {
                splitcost_link::Error::Profile { hint, .. } | splitcost_link::Error::Packets { hint, .. }
                    if !hint.is_empty() =>
                {
                    Some(hint.clone())
                }
                splitcost_link::Error::Refused(refused) if refused.needs_packets() => {
                    Some("`splitcost link --packets` can emulate it; it needs Linux and root".to_owned())
                }
                _ => None,
            };
            let failure = Failure::new(format!("failed to {:#}", anyhow::Error::from(error)));
            hint.into_iter().fold(failure, Failure::hint).into()
        })
    }
}

impl<T> Failed<T> for splitcost_study::Result<T> {
    fn failed(self) -> anyhow::Result<T> {
        self.map_err(|error| match error {
            splitcost_study::Error::Lab(error) => lab_failure(error),
            error => {
                let hints = error.hints();
                Failure { message: format!("failed to {error}"), hints }.into()
            }
        })
    }
}

fn recording_failure(error: &splitcost_recording::Error) -> Failure {
    use splitcost_recording::Error;
    let failure = Failure::new(format!("failed to {error}"));
    match error {
        Error::Absent { .. } => failure.hint(
            "make one with `splitcost record`, or name another: `splitcost show DIR`, or --recording DIR elsewhere",
        ),
        Error::NotOurs { .. } => failure.hint("name a directory that `splitcost record` wrote"),
        Error::Version { .. } => failure.hint("record again with this version, or use the version that wrote it"),
        Error::Corrupt { .. } | Error::Parquet { .. } => {
            failure.hint("the recording is damaged: record again with `splitcost record`")
        }
        _ => failure,
    }
}

/// Prints an error to stderr.
pub(crate) fn print(error: &anyhow::Error) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error{style:#}: {}", Chain(error));
    for failure in error.chain().filter_map(|cause| cause.downcast_ref::<Failure>()) {
        for hint in &failure.hints {
            print_hint(hint);
        }
    }
}

/// Prints a remedy to stderr.
pub(crate) fn print_hint(hint: &str) {
    let style = anstyle::AnsiColor::Cyan.on_default().bold();
    anstream::eprintln!("{style}hint{style:#}: {hint}");
}

/// An error and its causes, on one line.
struct Chain<'a>(&'a anyhow::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

//! Writes answers to stdout, and everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use splitcost_lab::Step;

/// The time between two lines of progress, if stderr is not a terminal.
///
/// Chosen: seldom enough for a log, often enough to see that the command is alive.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The width of answers that go to a program or a file.
///
/// Chosen: wider than any line, and far from the largest number.
const UNLIMITED: usize = 100_000;

/// The number of steps of the progress bar.
///
/// Chosen: finer than a terminal shows.
const BAR_STEPS: f64 = 1000.0;

/// The writer of everything that the user sees.
pub(crate) struct Printer {
    terminal: bool,
    bar: Option<ProgressBar>,
    last_line: Option<(Instant, String)>,
    /// Planned seconds of the work after the present experiment.
    pub(crate) later_secs: f64,
}

impl Printer {
    /// Makes a printer that shows progress as a bar if stderr is a terminal, else as lines.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), bar: None, last_line: None, later_secs: 0.0 }
    }

    /// Shows the progress of an experiment.
    pub(crate) fn step(&mut self, step: &Step) {
        let left = (step.total_secs + self.later_secs - step.done_secs).max(0.0);
        let message = format!("{}, about {} left", step.label, duration(left));
        if self.terminal {
            let bar = self.bar.get_or_insert_with(new_bar);
            bar.set_position((BAR_STEPS * (step.done_secs / step.total_secs.max(1e-9)).clamp(0.0, 1.0)) as u64);
            let so_far = if step.so_far.is_empty() { String::new() } else { format!("{}; ", step.so_far) };
            bar.set_message(format!("{so_far}{message}"));
            return;
        }
        let due = match &self.last_line {
            Some((at, label)) => *label != step.label || at.elapsed() >= LINE_EVERY,
            None => true,
        };
        if due {
            anstream::eprintln!("{message}");
            self.last_line = Some((Instant::now(), step.label.clone()));
        }
    }

    /// Removes the progress bar.
    pub(crate) fn done(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.last_line = None;
    }

    /// Writes a line to stderr.
    pub(crate) fn note(&mut self, text: &str) {
        self.done();
        anstream::eprintln!("{text}");
    }

    /// Writes a warning to stderr.
    pub(crate) fn warn(&mut self, text: &str) {
        let style = anstyle::AnsiColor::Yellow.on_default().bold();
        self.note(&format!("{style}warning{style:#}: {text}"));
    }

    /// Writes a remedy to stderr.
    pub(crate) fn hint(&mut self, text: &str) {
        self.done();
        crate::failure::print_hint(text);
    }

    /// Writes an answer to stdout.
    pub(crate) fn answer(&mut self, text: &str) -> anyhow::Result<()> {
        self.done();
        let mut out = anstream::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        match write!(out, "{text}{end}").and_then(|()| out.flush()) {
            // The reader has closed its end, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Writes an answer to stdout as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.answer(&serde_json::to_string_pretty(value)?)
    }

    /// Returns whether answers go to a terminal that shows colours.
    pub(crate) fn color() -> bool {
        anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }

    /// Returns the columns of the terminal, never below 60 or above 200. Without a terminal and
    /// `COLUMNS`, answers are not fitted to a width.
    pub(crate) fn width() -> usize {
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let terminal = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        columns.or(terminal).filter(|columns| *columns > 0).map_or(UNLIMITED, |columns| columns.clamp(60, 200))
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(BAR_STEPS as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30.cyan/dim} {percent:>3}%  {wide_msg}") {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

/// Returns a duration in minutes and seconds.
fn duration(secs: f64) -> String {
    let secs = secs.round() as u64;
    if secs < 60 { format!("{secs} s") } else { format!("{} min {:02} s", secs / 60, secs % 60) }
}

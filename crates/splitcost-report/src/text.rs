//! A study on a terminal: one screen with the cost of each endpoint, the calls that cause it, the calls that cannot
//! cross, and a plain verdict.

use anstyle::{AnsiColor, Style as Ansi};
use splitcost_model::database::ServiceTables;
use splitcost_model::number::{count, number, short};
use splitcost_model::rehearsal::{SplitTransaction, Use};
use splitcost_model::study::{SplitStudy, Study, VerdictClass};

use crate::emulation;
use crate::shorten::{shorten, shorten_sentence};

mod table;

/// Calls shown per split.
const CALLS: usize = 3;
/// Places that cannot cross shown per split.
const CANNOT_CROSS: usize = 2;

/// Width and colours of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Use ANSI colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// Renders a study as terminal text that ends in a newline.
pub fn render(study: &Study, style: &Style) -> String {
    let paint = Paint { color: style.color };
    let width = style.width.max(60);
    let mut lines = Vec::new();
    if study.splits.is_empty() {
        lines.push("The study has no split.".to_owned());
    }
    for split in &study.splits {
        table::table(split, width, paint, &mut lines);
        table::trust(split, width, &mut lines);
    }
    section("Calls that cause it", study, width, paint, &mut lines, calls);
    section("Calls that need work before they can cross", study, width, paint, &mut lines, cannot_cross);
    section("Work of the services' own modules", study, width, paint, &mut lines, work);
    section("Transactions and joins of several services", study, width, paint, &mut lines, cut_data);
    section("Tables of other services", study, width, paint, &mut lines, foreign_tables);
    for split in &study.splits {
        verdict(split, width, paint, &mut lines);
    }
    if let Some(course) = &study.course {
        let discarded = course
            .discarded_in_words()
            .unwrap_or_else(|| format!("{} blocks under load count, none was discarded", count(course.blocks)));
        let sentences =
            [Some(format!("measured for {} s; {discarded}", short(course.secs))), course.imprecise_in_words()];
        sentences.into_iter().flatten().for_each(|sentence| wrap(&format!("= {sentence}"), width, 2, &mut lines));
    }
    for warning in &study.provenance.warnings {
        wrap(&format!("! {warning}"), width, 2, &mut lines);
    }
    if !study.provenance.served.is_empty() {
        wrap(&format!("= requests run in {}", study.provenance.served), width, 2, &mut lines);
    }
    if let [first, others @ ..] = study.provenance.assumptions.as_slice() {
        let more = if others.is_empty() { String::new() } else { format!("; {} more in the report", others.len()) };
        wrap(&format!("~ assumed: {first}{more}"), width, 2, &mut lines);
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n") + "\n"
}

#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn with(self, style: Ansi, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with(Ansi::new().bold(), text)
    }

    fn dim(self, text: &str) -> String {
        self.with(Ansi::new().dimmed(), text)
    }

    fn verdict(self, class: VerdictClass, text: &str) -> String {
        let color = match class {
            VerdictClass::Gains | VerdictClass::Cheap => AnsiColor::Green,
            VerdictClass::Costly | VerdictClass::Undecided => AnsiColor::Yellow,
            VerdictClass::Prohibitive => AnsiColor::Red,
        };
        self.with(Ansi::new().bold().fg_color(Some(color.into())), text)
    }
}

/// A title, then each split's lines, at most `width` columns wide; several splits have their names in front.
fn section(
    title: &str,
    study: &Study,
    width: usize,
    paint: Paint,
    lines: &mut Vec<String>,
    body: impl Fn(&SplitStudy, usize) -> Vec<String>,
) {
    let longest = study.splits.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    let names = if study.splits.len() > 1 { longest.min(16) + 2 } else { 0 };
    let before = lines.len();
    for split in &study.splits {
        let label = if names > 0 { split.name.as_str() } else { "" };
        for line in body(split, width - 2 - names) {
            lines.push(format!("  {}{line}", paint.dim(&format!("{:names$}", shorten(label, names)))));
        }
    }
    if lines.len() > before {
        lines.insert(before, paint.bold(title));
    }
}

fn calls(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.estimate.calls.iter().take(CALLS).map(|call| {
        format!(
            "+{} ms/request: {} × {} at {}:{}{}, {}",
            number(call.added_ms_per_request),
            short(call.calls_per_request),
            call.callee,
            call.file,
            call.line,
            if call.blocks_event_loop { ", blocks the loop" } else { "" },
            call.endpoint,
        )
    });
    fit(lines.collect(), split.estimate.calls.len(), width)
}

fn cannot_cross(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.cannot_cross.iter().take(CANNOT_CROSS).map(|site| {
        format!(
            "{} per request, {}: {} at {}:{}: {}",
            short(site.calls_per_request),
            site.readiness.name(),
            site.callee,
            site.file,
            site.line,
            site.reason
        )
    });
    fit(lines.collect(), split.cannot_cross.len(), width)
}

/// The part of each service's recorded work that would run there.
fn work(split: &SplitStudy, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for work in &split.estimate.work {
        wrap(&work.in_words(split.modules_of(&work.service)), width, 2, &mut lines);
    }
    lines
}

/// The transactions and joins that a database for each service cuts.
fn cut_data(split: &SplitStudy, width: usize) -> Vec<String> {
    let tables = |owners: &[ServiceTables]| {
        let owners = owners.iter().map(|owner| format!("{} of {}", owner.tables.join(", "), owner.service));
        owners.collect::<Vec<_>>().join(" and ")
    };
    let transactions = split.data.cut_transactions.iter().map(|cut| {
        let site = cut.sites.first().map(|site| format!(" at {}:{}", site.file, site.line)).unwrap_or_default();
        let rate = short(cut.transactions_per_request);
        format!("{rate} transactions/request write {}{site}, {}", tables(&cut.owners), cut.endpoint)
    });
    let joins = split.data.cut_joins.iter().map(|cut| {
        let (rate, site) = (short(cut.statements_per_request), &cut.site);
        format!("{rate} joins/request of {} at {}:{}, {}", tables(&cut.owners), site.file, site.line, cut.endpoint)
    });
    let all = split.data.cut_transactions.len() + split.data.cut_joins.len();
    fit(transactions.chain(joins).take(CANNOT_CROSS).collect(), all, width)
}

/// Statements on tables that another service owns.
fn foreign_tables(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.data.foreign.iter().take(CANNOT_CROSS).map(|access| {
        format!(
            "{} {}/request of {} of {} by {} at {}:{}, {}",
            short(access.statements_per_request),
            if access.is_write { "writes" } else { "reads" },
            access.owner.tables.join(", "),
            access.owner.service,
            access.module,
            access.site.file,
            access.site.line,
            access.endpoint
        )
    });
    fit(lines.collect(), split.data.foreign.len(), width)
}

/// Shortens the lines to `width`; the last one says how many more there are.
fn fit(lines: Vec<String>, all: usize, width: usize) -> Vec<String> {
    let (left, last) = (all - lines.len(), lines.len());
    let finish = |(i, line): (usize, String)| {
        let more = if left > 0 && i + 1 == last { format!(" (and {left} more)") } else { String::new() };
        shorten_sentence(&line, width.saturating_sub(more.chars().count())) + &more
    };
    lines.into_iter().enumerate().map(finish).collect()
}

fn verdict(split: &SplitStudy, width: usize, paint: Paint, lines: &mut Vec<String>) {
    if let Some(verdict) = &split.verdict {
        lines.push(paint.verdict(verdict.class, &format!("{}: {}", split.name, verdict.class.label())));
        wrap(&format!("  {}", verdict.sentence), width, 2, lines);
    }
    if let Some(cores) = split.estimate.sidecar_cores {
        wrap(&format!("  sidecars {} cores more, in the $", number(cores.value)), width, 2, lines);
    }
    // A verdict that is withheld for the answers has said it.
    let is_said = |words: &String| split.verdict.as_ref().is_some_and(|verdict| verdict.sentence.contains(words));
    let (transactions, commits) = split.transactions();
    for two in transactions {
        let SplitTransaction { endpoint, caller: module, callee: function, calls_per_request } = two;
        let often = number(*calls_per_request);
        let words = format!("  {function} {commits} its own transaction, not {module}'s, {often} × per {endpoint}");
        wrap(&words, width, 2, lines);
    }
    for used in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.uses) {
        let Use { class, caller, uses_per_request } = used;
        let words = format!("  {class} is called back {} × per request by {caller}", number(*uses_per_request));
        wrap(&words, width, 2, lines);
    }
    if let Some(reason) = &split.not_rehearsed {
        wrap(&format!("  not rehearsed: {reason}"), width, 2, lines);
    }
    if let Some(answers) = split.answers_in_words().filter(|words| !is_said(words)) {
        wrap(&format!("  {answers}"), width, 2, lines);
    }
    if !split.proposed_copies.is_empty() {
        let modules: Vec<String> = split.proposed_copies.iter().map(|module| format!("{module:?}")).collect();
        let words = "these modules keep no state, and several services call them with plain values";
        wrap(&format!("  try copied = [{}]: {words}", modules.join(", ")), width, 2, lines);
    }
    for link in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.emulations) {
        wrap(&format!("  link {}", emulation::line(link)), width, 2, lines);
    }
}

/// Breaks at spaces; lines after the first are indented.
pub(crate) fn wrap(text: &str, width: usize, indent: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && line.trim().chars().count() > 0 && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        } else if i > 0 {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
}

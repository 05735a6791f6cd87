//! Findings as text, SARIF, GitHub annotations and `JUnit` XML: one file for each format.

mod github;
mod junit;
mod sarif;
mod text;

use std::fmt::Write as _;

use splitcost_model::finding::{Basis, Bound, Finding, Price, Scan};

use crate::number::short;

pub use github::github;
pub use junit::junit;
pub use sarif::sarif;
pub use text::text;

/// Returns two lines: the numbers of findings, and the numbers of files, functions and calls.
fn summary(scan: &Scan) -> String {
    let counts: Vec<String> = scan.counts().into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    let found = match scan.findings.len() {
        0 => "no findings".to_owned(),
        1 => format!("1 finding: {}", counts.join(", ")),
        count => format!("{count} findings: {}", counts.join(", ")),
    };
    let share = if scan.calls == 0 { 0.0 } else { scan.unresolved_calls as f64 / scan.calls as f64 * 100.0 };
    let mut found = found;
    for (count, why) in [(scan.known, "known from the baseline"), (scan.ignored, "ignored")] {
        if count > 0 {
            let _ = write!(found, "; {count} {why}");
        }
    }
    let unseen = scan.findings.iter().filter(|finding| matches!(finding.price, Some(Price::NotSeen { .. }))).count();
    if unseen > 0 {
        let _ = write!(found, "; {unseen} not seen in the recording");
    }
    format!(
        "{found}\n{} files, {} functions, {} calls; the callee of {share:.0} % of the calls is unknown\n",
        scan.files, scan.functions, scan.calls
    )
}

/// Returns the details of a finding for formats that show no source: a line for each call on its path, the help and the
/// price.
fn details(finding: &Finding) -> Vec<String> {
    let steps = finding.way.iter().map(|step| {
        let at = &step.location;
        format!("{}:{}:{} `{}` calls `{}`", at.path, at.line, at.column, step.function, step.callee)
    });
    let price = finding.price.iter().flat_map(price).map(|line| format!("price: {line}"));
    let help = finding.help.iter().map(|help| format!("help: {help}"));
    steps.chain(help).chain(price).collect()
}

/// Returns the price of a finding in words, the measured figures before the assumed ones.
fn price(price: &Price) -> Vec<String> {
    let cost = match price {
        Price::Seen(cost) => cost,
        Price::NotSeen { reason } => return vec![format!("not seen in the recording: {reason}")],
    };
    let bound = match cost.bound {
        Bound::Exact => "",
        Bound::AtLeast => "at least ",
        Bound::AtMost => "at most ",
    };
    let how = match cost.basis {
        Basis::CallSite => "measured at this line",
        Basis::Caller => "measured from this function or its module",
        Basis::Function => "measured for the whole function",
    };
    let (time, money) = if cost.holds_event_loop {
        ("ms of blocked event loop", "for a core that is paid for while the event loop is blocked")
    } else {
        ("ms", "for CPU time")
    };
    let of_the_worst = format!(
        "{bound}{} {time} per request of {}, in {} × `{}` ({how})",
        short(cost.millis_per_request),
        cost.endpoint,
        short(cost.calls_per_request),
        cost.function,
    );
    let of_all = format!(
        "{bound}{} ms per request over all endpoints, in {} calls; {bound}{} $ per million requests {money} (the price \
         is assumed)",
        short(cost.overall_millis_per_request),
        short(cost.overall_calls_per_request),
        short(cost.usd_per_million_requests),
    );
    vec![of_the_worst, of_all]
}

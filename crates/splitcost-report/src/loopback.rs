//! Loopbacks, for a terminal.

use std::fmt::Write as _;

use splitcost_model::loopback::{Loopback, Loopbacks, MetObstacle};
use splitcost_model::number::count;

use crate::shorten::shorten_sentence;

/// Functions and call sites shown of each split, the most frequent ones.
///
/// Chosen: two splits fit a screen; the JSON has all.
const SHOWN: usize = 12;

/// Renders every loopback, in lines of at most `width` characters.
pub fn render(document: &Loopbacks, width: usize) -> String {
    let mut text = String::new();
    for loopback in &document.splits {
        // Writing to a string does not fail.
        for line in lines(loopback) {
            let _ = writeln!(text, "{}", shorten_sentence(&line, width));
        }
    }
    text
}

fn lines(loopback: &Loopback) -> Vec<String> {
    let Loopback { split, requests, requests_before, failed, crossed, obstacles, answers, broken } = loopback;
    let calls: u64 = crossed.iter().map(|function| function.calls).sum();
    let functions = crossed.len() as u64;
    let (calls, functions) = (counted(calls, "call"), counted(functions, "function"));
    let mut requests = counted(*requests, "request");
    if *requests_before > 0 {
        requests = format!("{requests} and {} that opened sessions", count(*requests_before));
    }
    let mut lines = vec![if crossed.is_empty() {
        format!("! {split}: no call crossed in {requests}: nothing was tried")
    } else if loopback.is_untried() {
        format!("! {split}: none of {calls} of {functions} came back as a message in {requests}: nothing was tried")
    } else {
        format!("{split}: {calls} of {functions} crossed as messages in {requests}")
    }];
    let shown = crossed.iter().take(SHOWN).map(|function| {
        let raised = if function.raised > 0 {
            format!(", {} raised, or need work", count(function.raised))
        } else {
            String::new()
        };
        format!("  {} × {}{raised}", count(function.calls), function.callee)
    });
    lines.extend(shown);
    more(crossed.len(), &mut lines);
    if !obstacles.is_empty() {
        lines.push("  Calls that lost something on the way, or stayed in the caller".to_owned());
        lines.extend(obstacles.iter().take(SHOWN).map(obstacle));
        more(obstacles.len(), &mut lines);
    }
    lines.extend(failed.iter().map(|endpoint| {
        let sign = if endpoint.failed > endpoint.failed_in_monolith { "! " } else { "" };
        let in_monolith = count(endpoint.failed_in_monolith);
        format!("  {sign}{} of {} failed, {in_monolith} in the monolith", count(endpoint.failed), endpoint.endpoint)
    }));
    let sign = if answers.differences.is_empty() { "" } else { "! " };
    match broken {
        None => lines.push(format!("  {sign}{}", answers.in_words())),
        Some(problem) => {
            lines.push(
                "  ! no other request was sent, as one before the load fails that the monolith answers:".to_owned(),
            );
            lines.extend(problem.lines().map(|line| format!("    {line}")));
        }
    }
    lines
}

fn obstacle(met: &MetObstacle) -> String {
    let MetObstacle { callee, crossed, reason, file, line, calls, caller, .. } = met;
    let verb = if *crossed { "crossed" } else { "stayed" };
    let place = if file.is_empty() { caller.clone() } else { format!("{file}:{line}") };
    format!("    {} × {callee} {verb} at {place}: {reason}", count(*calls))
}

fn more(all: usize, lines: &mut Vec<String>) {
    if all > SHOWN {
        lines.push(format!("    and {} more, with --format json", count((all - SHOWN) as u64)));
    }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", count(number)) }
}

#[cfg(test)]
mod tests {
    use splitcost_model::answers::{AnswerDifference, Answers, Aspect};
    use splitcost_model::loopback::{CrossedCalls, FailedRequests};

    use super::*;

    #[test]
    fn everything_is_said_with_its_site() {
        let met = |callee: &str, crossed, reason: &str, file: &str| MetObstacle {
            caller: "shop.orders".into(),
            callee: callee.into(),
            kind: String::new(),
            crossed,
            reason: reason.into(),
            file: file.into(),
            line: 7,
            calls: 2,
        };
        let loopback = Loopback {
            split: "pricing".into(),
            requests: 140,
            requests_before: 12,
            failed: vec![FailedRequests { endpoint: "POST /orders".into(), failed: 3, failed_in_monolith: 0 }],
            crossed: vec![
                CrossedCalls { callee: "shop.pricing:price".into(), calls: 1_200, raised: 0 },
                CrossedCalls { callee: "shop.stock:reserve".into(), calls: 1, raised: 1 },
            ],
            obstacles: vec![
                met("shop.stock:reserve", false, "arguments.session (Session) is a live resource", "orders.py"),
                met("shop.pricing:fill", true, "arguments.lines is changed in place by the callee", ""),
            ],
            answers: Answers {
                compared: 100,
                equal: 97,
                differences: vec![AnswerDifference {
                    endpoint: "GET /orders".into(),
                    aspect: Aspect::Body,
                    answers: 3,
                    place: "$[0].total: another number".into(),
                }],
                not_compared: Vec::new(),
            },
            broken: None,
        };
        insta::assert_snapshot!(render(&Loopbacks { splits: vec![loopback] }, 200), @r"
        pricing: 1,201 calls of 2 functions crossed as messages in 140 requests and 12 that opened sessions
          1,200 × shop.pricing:price
          1 × shop.stock:reserve, 1 raised, or need work
          Calls that lost something on the way, or stayed in the caller
            2 × shop.stock:reserve stayed at orders.py:7: arguments.session (Session) is a live resource
            2 × shop.pricing:fill crossed at shop.orders: arguments.lines is changed in place by the callee
          ! 3 of POST /orders failed, 0 in the monolith
          ! 3 of 100 answers differ from the monolith's: 3 of GET /orders ($[0].total: another number)
        ");
    }
}

//! Comparisons of stacks, blocking calls and batches, as text for a terminal and as Markdown.

use std::fmt::Write as _;

use splitcost_model::bench::{
    Batch, Blocking, Change, CpuLine, MeasuredOn, StackBench, StackFigures, StackMatrix, StackTable, Verdict,
};
use splitcost_model::statistics::{Interval, Level};

use crate::number::{count, number};
use crate::table::{Style, table};

/// Renders the result of `splitcost bench stacks`.
// Writing to a string does not fail.
pub fn stacks(found: &StackBench, style: Style) -> String {
    let mut text = measured_on(&found.measured_on);
    for stacks in &found.tables {
        text.push('\n');
        text.push_str(&stack_table(stacks, found, style));
    }
    for failed in &found.failed {
        let _ = writeln!(text, "\nfailed to {failed}");
    }
    if let Some(found) = &found.blocking {
        text.push('\n');
        text.push_str(&blocking(found, style));
    }
    if let Some(found) = &found.batch {
        text.push('\n');
        text.push_str(&batch(found, style));
    }
    text
}

/// Renders the result of `splitcost calibrate --all`, with a line per stack.
pub fn matrix(found: &StackMatrix, style: Style) -> String {
    let mut text = measured_on(&found.measured_on);
    let _ = write!(
        text,
        "{} rounds; CPU of a lone call: fixed, and per kB of a body that goes there and back; 1 kB at 1 and 64 callers\n\n",
        found.rounds
    );
    let columns =
        ["stack", "client µs", "per kB", "server µs", "per kB", "p50 ms at 1", "calls/s at 1", "calls/s at 64"];
    let mut rows = vec![head(&columns)];
    for stack in &found.stacks {
        let cell = |concurrency| {
            let near =
                |cell: &&StackFigures| cell.concurrency == concurrency && cell.payload_bytes.abs_diff(1_000) < 50;
            stack.figures.iter().find(near)
        };
        let line = |line: &CpuLine| [interval(line.fixed_micros), interval(line.micros_per_kb)];
        let of = |concurrency, value: fn(&StackFigures) -> Interval| {
            cell(concurrency).map_or("–".to_owned(), |cell| interval(value(cell)))
        };
        let calls = |cell: &StackFigures| cell.throughput_calls_per_sec;
        let mut row = vec![stack.stack.name()];
        row.extend(line(&stack.client_cpu));
        row.extend(line(&stack.server_cpu));
        row.push(of(1, |figures| figures.wall_micros_p50.scale(1e-3)));
        row.extend([of(1, calls), of(64, calls)]);
        rows.push(row);
    }
    text.push_str(&table(&rows, style));
    for failed in &found.failed {
        let _ = writeln!(text, "failed to {failed}");
    }
    text
}

fn measured_on(on: &MeasuredOn) -> String {
    format!("{}; Python {}; {}\n", on.machine, on.python_version, on.measured_at)
}

fn stack_table(stacks: &StackTable, found: &StackBench, style: Style) -> String {
    let callers =
        if stacks.concurrency == 1 { "1 caller".to_owned() } else { format!("{} callers", stacks.concurrency) };
    let mut text = format!(
        "{}{callers}, {} bytes there and back, {} rounds; {} intervals\n\n",
        style.title(),
        count(stacks.payload_bytes),
        found.rounds,
        stacks.rows.first().map(|row| row.figures.throughput_calls_per_sec.level).unwrap_or_default(),
    );
    let mut rows = vec![head(&["stack", "calls/s", "p50 ms", "p99 ms", "client CPU µs", "server CPU µs", "calls"])];
    for row in &stacks.rows {
        let cell = &row.figures;
        rows.push(vec![
            row.stack.name(),
            interval(cell.throughput_calls_per_sec),
            interval(cell.wall_micros_p50.scale(1e-3)),
            cell.wall_micros_p99.map_or("–".to_owned(), |p99| interval(p99.scale(1e-3))),
            interval(cell.client_cpu_micros),
            interval(cell.server_cpu_micros),
            count(cell.calls),
        ]);
    }
    text.push_str(&table(&rows, style));
    let Some(first) = stacks.rows.first() else { return text };
    if stacks.rows.len() > 1 {
        let margin = number(found.margin * 100.0);
        let changes = stacks.rows.iter().filter_map(|row| Some(row.throughput_change?.ratio.level));
        let _ = write!(
            text,
            "\ncompared with {}, with {} intervals; a change within {margin} % counts as the same:\n{}",
            first.stack.name(),
            changes.max().unwrap_or(Level::NINETY_EIGHT),
            style.item_gap()
        );
    }
    for row in &stacks.rows[1..] {
        let name = row.stack.name();
        let said = [
            (row.throughput_change, "makes", "calls/s"),
            (row.client_cpu_change, "needs", "client CPU"),
            (row.server_cpu_change, "needs", "server CPU"),
        ];
        let said: Vec<String> = said
            .iter()
            .filter_map(|(change, does, of)| {
                let change = (*change)?;
                Some(format!("{does} {} of its {of}: {}", interval(change.ratio), word(&change)))
            })
            .collect();
        let _ = writeln!(text, "{}{name} {}", style.item(), said.join("; "));
    }
    if let Some(invalid) = &stacks.invalid {
        let _ = writeln!(text, "\ninvalid: {invalid}; no verdict holds");
    }
    text
}

fn blocking(found: &Blocking, style: Style) -> String {
    let delay = number(found.service_delay_millis);
    let mut text = format!(
        "{}The effect of blocking: an async endpoint of uvicorn calls a service that answers after {delay} ms; \
         {} rounds\n\n",
        style.title(),
        found.rounds
    );
    let columns = [
        "the endpoint calls with",
        "in flight",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "requests",
        "failed",
        "of httpx's requests/s",
    ];
    let mut rows = vec![head(&columns)];
    for row in &found.rows {
        rows.push(vec![
            row.way.clone(),
            row.concurrency.to_string(),
            interval(row.throughput_reqs_per_sec),
            interval(row.response_ms_p50),
            row.response_ms_p99.map_or("–".to_owned(), interval),
            count(row.requests),
            count(row.failed),
            row.throughput_change.as_ref().map_or("–".to_owned(), verdict),
        ]);
    }
    text.push_str(&table(&rows, style));
    text.push('\n');
    let mut listed: Vec<&str> = Vec::new();
    for row in &found.rows {
        if !listed.contains(&row.way.as_str()) {
            listed.push(&row.way);
            let _ = writeln!(text, "{}{}: {}", style.item(), row.way, row.what);
        }
    }
    text
}

fn batch(found: &Batch, style: Style) -> String {
    let mut text = format!(
        "{}Batch: N calls of one item of {} bytes, or one call with N; {}; {} rounds\n\n",
        style.title(),
        found.item_bytes,
        found.stack.name(),
        found.rounds
    );
    let columns =
        ["N", "N calls ms", "one call ms", "wall of N calls'", "N calls CPU ms", "one call CPU ms", "CPU of N calls'"];
    let mut rows = vec![head(&columns)];
    for row in &found.rows {
        let millis = |micros: Interval| interval(micros.scale(1e-3));
        rows.push(vec![
            row.items.to_string(),
            millis(row.calls_wall_micros),
            millis(row.batch_wall_micros),
            verdict(&row.wall_change),
            millis(row.calls_cpu_micros),
            millis(row.batch_cpu_micros),
            verdict(&row.cpu_change),
        ]);
    }
    text.push_str(&table(&rows, style));
    let from = match found.break_even_items {
        Some(items) if items.value <= 1.0 => format!("for any N (the lines meet at {})", interval(items)),
        Some(items) => format!("from N = {} on", interval(items)),
        None => "never".to_owned(),
    };
    let _ = writeln!(text, "\nbreak-even: one call is faster {from}");
    text
}

/// Renders a change as `0.60 (0.55–0.64): different`.
fn verdict(change: &Change) -> String {
    format!("{}: {}", interval(change.ratio), word(change))
}

fn word(change: &Change) -> String {
    match (change.verdict, change.more_rounds) {
        (Verdict::Different, _) => "different".to_owned(),
        (Verdict::Same, _) => "same".to_owned(),
        (Verdict::Inconclusive, Some(rounds)) => format!("inconclusive, {} more rounds", count(rounds)),
        (Verdict::Inconclusive, None) => "inconclusive".to_owned(),
    }
}

fn head(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

fn interval(interval: Interval) -> String {
    format!("{} ({}–{})", number(interval.value), number(interval.low), number(interval.high))
}

#[cfg(test)]
mod tests {
    use splitcost_model::bench::{BatchRow, BlockingRow, Stack, StackCost, StackRow};

    use super::*;

    fn of(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.9, value * 1.1)
    }

    fn change(ratio: f64, verdict: Verdict, more_rounds: Option<u64>) -> Change {
        Change { ratio: Interval { level: Level::NINETY_EIGHT, ..of(ratio) }, verdict, more_rounds }
    }

    fn stack(client: &str, transport: &str, server: &str) -> Stack {
        Stack { client: client.into(), codec: "orjson".into(), transport: transport.into(), server: server.into() }
    }

    fn figures(calls_per_sec: f64) -> StackFigures {
        StackFigures {
            payload_bytes: 1_000,
            concurrency: 1,
            calls: 1_500,
            client_cpu_micros: of(300.0),
            server_cpu_micros: of(100.0),
            wall_micros_p50: of(1e6 / calls_per_sec),
            wall_micros_p99: (calls_per_sec > 1_000.0).then(|| of(3e6 / calls_per_sec)),
            throughput_calls_per_sec: of(calls_per_sec),
        }
    }

    fn on() -> MeasuredOn {
        MeasuredOn {
            machine: "a machine".into(),
            python_version: "3.13.0".into(),
            measured_at: "now".into(),
            ..MeasuredOn::default()
        }
    }

    #[test]
    fn all_three_tables() {
        let first = StackRow {
            stack: stack("aiohttp", "http/1.1", "granian"),
            figures: figures(2_000.0),
            ..StackRow::default()
        };
        let second = StackRow {
            stack: stack("httpx_async", "h2c", "hypercorn"),
            figures: figures(500.0),
            throughput_change: Some(change(0.25, Verdict::Different, None)),
            client_cpu_change: Some(change(1.01, Verdict::Inconclusive, Some(1_200))),
            server_cpu_change: Some(change(1.0, Verdict::Same, None)),
        };
        let found = StackBench {
            measured_on: on(),
            rounds: 8,
            margin: 0.03,
            tables: vec![StackTable {
                concurrency: 1,
                payload_bytes: 1_000,
                rows: vec![first, second],
                invalid: Some("throughput of aiohttp → granian differs from that of itself, run twice".into()),
            }],
            blocking: Some(Blocking {
                service_delay_millis: 10.0,
                rounds: 6,
                rows: vec![BlockingRow {
                    way: "requests".into(),
                    what: "requests.get(url)".into(),
                    concurrency: 64,
                    requests: 120,
                    failed: 1,
                    throughput_reqs_per_sec: of(75.0),
                    response_ms_p50: of(800.0),
                    response_ms_p99: None,
                    throughput_change: Some(change(0.07, Verdict::Different, None)),
                }],
            }),
            batch: Some(Batch {
                stack: stack("aiohttp", "http/1.1", "granian"),
                item_bytes: 100,
                rounds: 8,
                rows: vec![BatchRow {
                    items: 10,
                    calls_wall_micros: of(5_000.0),
                    batch_wall_micros: of(600.0),
                    calls_cpu_micros: of(4_000.0),
                    batch_cpu_micros: of(500.0),
                    wall_change: change(0.12, Verdict::Different, None),
                    cpu_change: change(0.125, Verdict::Different, None),
                }],
                break_even_items: Some(of(1.05)),
            }),
            failed: vec!["call over x: TimeoutError".into()],
        };
        insta::assert_snapshot!(stacks(&found, Style::Text), @r"
        a machine; Python 3.13.0; now

        1 caller, 1,000 bytes there and back, 8 rounds; 90 % intervals

        stack                                     calls/s               p50 ms            p99 ms  client CPU µs   server CPU µs  calls
        aiohttp → granian             2,000 (1,800–2,200)  0.500 (0.450–0.550)  1.50 (1.35–1.65)  300 (270–330)  100 (90.0–110)  1,500
        httpx_async → hypercorn, h2c        500 (450–550)     2.00 (1.80–2.20)                 –  300 (270–330)  100 (90.0–110)  1,500

        compared with aiohttp → granian, with 98 % intervals; a change within 3.00 % counts as the same:
          httpx_async → hypercorn, h2c makes 0.250 (0.225–0.275) of its calls/s: different; needs 1.01 (0.909–1.11) of its client CPU: inconclusive, 1,200 more rounds; needs 1.00 (0.900–1.10) of its server CPU: same

        invalid: throughput of aiohttp → granian differs from that of itself, run twice; no verdict holds

        failed to call over x: TimeoutError

        The effect of blocking: an async endpoint of uvicorn calls a service that answers after 10.0 ms; 6 rounds

        the endpoint calls with  in flight        requests/s         p50 ms  p99 ms  requests  failed              of httpx's requests/s
        requests                        64  75.0 (67.5–82.5)  800 (720–880)       –       120       1  0.0700 (0.0630–0.0770): different

          requests: requests.get(url)

        Batch: N calls of one item of 100 bytes, or one call with N; aiohttp → granian; 8 rounds

        N         N calls ms          one call ms                wall of N calls'    N calls CPU ms      one call CPU ms                 CPU of N calls'
        10  5.00 (4.50–5.50)  0.600 (0.540–0.660)  0.120 (0.108–0.132): different  4.00 (3.60–4.40)  0.500 (0.450–0.550)  0.125 (0.113–0.138): different

        break-even: one call is faster from N = 1.05 (0.945–1.16) on
        ");
        insta::assert_snapshot!(stacks(&found, Style::Markdown), @r"
        a machine; Python 3.13.0; now

        ## 1 caller, 1,000 bytes there and back, 8 rounds; 90 % intervals

        | stack | calls/s | p50 ms | p99 ms | client CPU µs | server CPU µs | calls |
        |---|--:|--:|--:|--:|--:|--:|
        | aiohttp → granian | 2,000 (1,800–2,200) | 0.500 (0.450–0.550) | 1.50 (1.35–1.65) | 300 (270–330) | 100 (90.0–110) | 1,500 |
        | httpx_async → hypercorn, h2c | 500 (450–550) | 2.00 (1.80–2.20) | – | 300 (270–330) | 100 (90.0–110) | 1,500 |

        compared with aiohttp → granian, with 98 % intervals; a change within 3.00 % counts as the same:

        - httpx_async → hypercorn, h2c makes 0.250 (0.225–0.275) of its calls/s: different; needs 1.01 (0.909–1.11) of its client CPU: inconclusive, 1,200 more rounds; needs 1.00 (0.900–1.10) of its server CPU: same

        invalid: throughput of aiohttp → granian differs from that of itself, run twice; no verdict holds

        failed to call over x: TimeoutError

        ## The effect of blocking: an async endpoint of uvicorn calls a service that answers after 10.0 ms; 6 rounds

        | the endpoint calls with | in flight | requests/s | p50 ms | p99 ms | requests | failed | of httpx's requests/s |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | requests | 64 | 75.0 (67.5–82.5) | 800 (720–880) | – | 120 | 1 | 0.0700 (0.0630–0.0770): different |

        - requests: requests.get(url)

        ## Batch: N calls of one item of 100 bytes, or one call with N; aiohttp → granian; 8 rounds

        | N | N calls ms | one call ms | wall of N calls' | N calls CPU ms | one call CPU ms | CPU of N calls' |
        |---|--:|--:|--:|--:|--:|--:|
        | 10 | 5.00 (4.50–5.50) | 0.600 (0.540–0.660) | 0.120 (0.108–0.132): different | 4.00 (3.60–4.40) | 0.500 (0.450–0.550) | 0.125 (0.113–0.138): different |

        break-even: one call is faster from N = 1.05 (0.945–1.16) on
        ");
    }

    #[test]
    fn a_line_for_each_stack() {
        let line = CpuLine { fixed_micros: of(300.0), micros_per_kb: of(1.5) };
        let found = StackMatrix {
            measured_on: on(),
            rounds: 5,
            stacks: vec![StackCost {
                stack: stack("grpcio", "grpc", "grpcio"),
                client_cpu: line,
                server_cpu: line,
                figures: vec![figures(2_000.0)],
                ..StackCost::default()
            }],
            failed: Vec::new(),
        };
        insta::assert_snapshot!(matrix(&found, Style::Text), @r"
        a machine; Python 3.13.0; now
        5 rounds; CPU of a lone call: fixed, and per kB of a body that goes there and back; 1 kB at 1 and 64 callers

        stack                client µs            per kB      server µs            per kB          p50 ms at 1         calls/s at 1  calls/s at 64
        grpcio → grpcio  300 (270–330)  1.50 (1.35–1.65)  300 (270–330)  1.50 (1.35–1.65)  0.500 (0.450–0.550)  2,000 (1,800–2,200)              –
        ");
    }
}

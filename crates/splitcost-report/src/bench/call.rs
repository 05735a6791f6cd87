//! The times of one call in process and over stacks, as text for a terminal.

use std::fmt::Write as _;

use splitcost_model::bench::{CallBench, CallTimes, CalledStack};
use splitcost_model::statistics::Interval;

use super::codecs::place_words;
use crate::number::{factor, number};
use crate::table::{Style, table};

/// Renders a call for a terminal: its time in process, its time over each stack, and the parts of that time.
pub fn call(found: &CallBench) -> String {
    let kind = if found.is_async { ", awaited" } else { "" };
    let Interval { value, low, high, level } = found.in_process_nanos;
    let (scale, unit) = if value < 10_000.0 { (1.0, "ns") } else { (1e-3, "µs") };
    let shown = |nanos: f64| number(nanos * scale);
    let mut text = format!(
        "{}{kind} → {}\nCPython {}; {} rounds, shuffled, one call at a time; median and {} interval\n\
         in process {} {unit} ({}–{}), at best {} {unit}\n\n",
        found.function,
        found.result,
        found.python_version,
        found.rounds,
        level,
        shown(value),
        shown(low),
        shown(high),
        shown(found.in_process_nanos_min),
    );
    let timed: Vec<(&CalledStack, CallTimes)> =
        found.stacks.iter().filter_map(|stack| Some((stack, stack.times?))).collect();
    if !timed.is_empty() {
        let ratio = format!("times in process, {} interval", timed[0].1.change.ratio.level);
        let mut walls = vec![["over a stack", "µs a call", &ratio, "first call, µs"].map(str::to_owned).to_vec()];
        let mut parts = vec![vec!["µs of a call in".to_owned()]];
        parts[0].extend(timed[0].1.parts.each().iter().map(|(name, _)| (*name).to_owned()));
        parts[0].push("all".to_owned());
        for (stack, times) in &timed {
            let ratio = times.change.ratio;
            walls.push(vec![
                stack.name.clone(),
                interval(times.wall_micros),
                format!("{} ({}–{})", factor(ratio.value), factor(ratio.low), factor(ratio.high)),
                interval(times.first_call_micros),
            ]);
            let mut row = vec![stack.name.clone()];
            row.extend(times.parts.each().iter().map(|(_, micros)| number(*micros)));
            row.push(number(times.whole_micros));
            parts.push(row);
        }
        text += &table(&walls, Style::Text);
        text.push('\n');
        text += &table(&parts, Style::Text);
        if timed.iter().any(|(_, times)| times.parts.queue_micros < 0.0) {
            text += "a queue below zero: client and server compute at the same time\n";
        }
    }
    for stack in &found.stacks {
        // Writing to a string does not fail.
        for place in &stack.refused {
            let _ = writeln!(text, "{}: {} cannot carry {}", stack.name, stack.stack.codec, place_words(place));
        }
        for place in &stack.changed {
            let _ = writeln!(text, "{}: {}", stack.name, place_words(place));
        }
    }
    text
}

fn interval(Interval { value, low, high, .. }: Interval) -> String {
    format!("{} ({}–{})", number(value), number(low), number(high))
}

#[cfg(test)]
mod tests {
    use splitcost_model::bench::{CallParts, Change, Stack, ValueDifference};

    use splitcost_model::statistics::Level;

    use super::*;

    #[test]
    fn a_call_fits_a_screen() {
        let around = |value: f64| Interval::new(Level::NINETY, value, value * 0.9, value * 1.1);
        let parts = CallParts {
            encode_micros: 0.5,
            client_micros: 180.0,
            connect_micros: 0.0,
            wire_micros: 18.0,
            queue_micros: -4.0,
            server_micros: 120.0,
            decode_micros: 0.7,
            function_micros: 3.2,
        };
        let times = CallTimes {
            wall_micros: around(320.0),
            change: Change { ratio: Interval { level: Level::NINETY_EIGHT, ..around(100.0) }, ..Change::default() },
            whole_micros: parts.sum(),
            parts,
            first_call_micros: around(900.0),
            sent_bytes: 46,
            received_bytes: 40,
        };
        let place = ValueDifference {
            path: "result.total".into(),
            was: "Decimal('1.10')".into(),
            error: Some("TypeError: Type is not JSON serializable: decimal.Decimal".into()),
            ..ValueDifference::default()
        };
        let stack = |name: &str| CalledStack {
            name: name.into(),
            stack: Stack { codec: "orjson".into(), ..Stack::default() },
            ..CalledStack::default()
        };
        let found = CallBench {
            function: "shop.users:add_user".into(),
            is_async: true,
            result: "7".into(),
            python_version: "3.13.0".into(),
            rounds: 10,
            in_process_nanos: around(3_200.0),
            in_process_nanos_min: 3_000.0,
            stacks: vec![
                CalledStack { times: Some(times), ..stack("aiohttp+orjson+uvicorn") },
                CalledStack { refused: vec![place], ..stack("grpcio") },
            ],
        };
        insta::assert_snapshot!(call(&found), @r"
        shop.users:add_user, awaited → 7
        CPython 3.13.0; 10 rounds, shuffled, one call at a time; median and 90 % interval
        in process 3,200 ns (2,880–3,520), at best 3,000 ns

        over a stack                µs a call  times in process, 98 % interval  first call, µs
        aiohttp+orjson+uvicorn  320 (288–352)                  100× (90×–110×)   900 (810–990)

        µs of a call in         encode  client  connect  wire  queue  server  decode  function  all
        aiohttp+orjson+uvicorn   0.500     180        0  18.0  -4.00     120   0.700      3.20  318
        a queue below zero: client and server compute at the same time
        grpcio: orjson cannot carry result.total, which is Decimal('1.10'): TypeError: Type is not JSON serializable: decimal.Decimal
        ");
    }
}

//! The record of an emulated link, for a terminal.

use std::fmt::Write as _;

use splitcost_model::emulation::{Emulation, Packets, Spread};

use crate::number::{byte_unit, count, number, short};

/// Connections, bytes, and how exactly they were delayed.
pub fn text(found: &Emulation) -> String {
    let faults: Vec<String> = found.faults.iter().map(|fault| format!(", {fault}")).collect();
    let mut text =
        format!("{} → {}: {}{}; {} s\n", found.listen, found.to, found.profile, faults.concat(), number(found.secs));
    // Writing to a string does not fail.
    let _ = writeln!(text, "connections  {}", connections(found));
    let discarded = match found.discarded_bytes {
        0 => String::new(),
        some => format!(", {} vanished", bytes(some)),
    };
    let (up, down) = (bytes(found.upstream_bytes), bytes(found.downstream_bytes));
    let _ = writeln!(text, "bytes        {up} upstream, {down} downstream{discarded}");
    if let Some(packets) = &found.packets {
        let _ = writeln!(text, "packets      {}", self::packets(packets));
    }
    if found.deliveries > 0 {
        let _ = writeln!(
            text,
            "\n{:>11} deliveries{:>10}{:>10}{:>10}{:>10}",
            count(found.deliveries),
            "p50",
            "p99",
            "p99.9",
            "max"
        );
        let _ = writeln!(
            text,
            "{}{}",
            row("delay asked for, µs", &found.requested_delay),
            row("late by, µs", &found.lateness)
        );
    }
    for left_out in &found.left_out {
        let _ = writeln!(text, "left out: {left_out}");
    }
    if let Some(invalid) = &found.invalid {
        let _ = writeln!(text, "invalid: {invalid}");
    }
    text
}

/// The same of a link between two services, in a line.
pub fn line(found: &Emulation) -> String {
    let (asked, late) = (&found.requested_delay, &found.lateness);
    format!(
        "{} → {} {}: asked for {} µs (p99 {}), late by {} (p99 {}){}",
        found.listen,
        found.to,
        found.profile,
        number(asked.p50_micros),
        number(asked.p99_micros),
        number(late.p50_micros),
        number(late.p99_micros),
        if found.invalid.is_some() { "; invalid" } else { "" }
    )
}

fn connections(found: &Emulation) -> String {
    let mut text = format!("{} accepted, {} open at the end", count(found.accepted), count(found.open));
    for (connections, what) in [(found.reset, "reset by a fault"), (found.closed, "closed by a fault")] {
        if connections > 0 {
            let _ = write!(text, ", {} {what}", count(connections));
        }
    }
    if found.refused > 0 {
        let why = found.refusal.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let _ = write!(text, ", {} not taken by the server{why}", count(found.refused));
    }
    text
}

fn packets(found: &Packets) -> String {
    let mut text = format!("{} sent", count(found.sent));
    let shares = [
        (found.lost, "lost"),
        (found.overflowed, "more than the rate's queue holds"),
        (found.vanished, "vanished"),
        (found.duplicated, "came twice"),
        (found.missed, "missed by a slow machine"),
    ];
    for (packets, what) in shares.into_iter().filter(|(packets, _)| *packets > 0) {
        let percent = number(packets as f64 * 100.0 / found.sent.max(1) as f64);
        let _ = write!(text, ", {} {what} ({percent} %)", count(packets));
    }
    text
}

fn row(name: &str, spread: &Spread) -> String {
    let cells = [spread.p50_micros, spread.p99_micros, spread.p99_9_micros, spread.max_micros];
    let cells: Vec<String> = cells.iter().map(|micros| format!("{:>10}", number(*micros))).collect();
    format!("{name:<22}{}\n", cells.concat())
}

fn bytes(bytes: u64) -> String {
    let (factor, unit) = byte_unit(bytes as f64);
    format!("{} {unit}", short(bytes as f64 * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_how_exact_it_was() {
        let found = Emulation {
            listen: "127.0.0.1:4000".into(),
            to: "127.0.0.1:8000".into(),
            profile: "cross-az-aws".into(),
            faults: vec!["reset 10%".into()],
            secs: 12.0,
            accepted: 1_200,
            open: 3,
            reset: 120,
            refused: 2,
            refusal: Some("Connection refused".into()),
            upstream_bytes: 1_000,
            downstream_bytes: 2_500_000,
            discarded_bytes: 12,
            packets: Some(Packets { sent: 20_408, lost: 408, ..Packets::default() }),
            deliveries: 20_000,
            requested_delay: Spread {
                p50_micros: 400.0,
                p99_micros: 900.0,
                p99_9_micros: 1_500.0,
                max_micros: 6_000.0,
            },
            lateness: Spread { p50_micros: 0.3, p99_micros: 60.0, p99_9_micros: 80.0, max_micros: 100.0 },
            left_out: vec!["slow start".into()],
            invalid: Some("2 % of deliveries were late".into()),
            ..Emulation::default()
        };
        insta::assert_snapshot!(text(&found), @r"
        127.0.0.1:4000 → 127.0.0.1:8000: cross-az-aws, reset 10%; 12.0 s
        connections  1,200 accepted, 3 open at the end, 120 reset by a fault, 2 not taken by the server (Connection refused)
        bytes        1 kB upstream, 2.5 MB downstream, 12 B vanished
        packets      20,408 sent, 408 lost (2.00 %)

             20,000 deliveries       p50       p99     p99.9       max
        delay asked for, µs          400       900     1,500     6,000
        late by, µs                0.300      60.0      80.0       100

        left out: slow start
        invalid: 2 % of deliveries were late
        ");
    }
}

//! Write a report of made-up numbers, to look at the page while working on it, and for its test in a browser.
//!
//! `cargo run -p splitcost-report --example sample -- OUT.html [full|paired|estimated|crowded|cut|empty]`; with `text` as a
//! third argument the terminal's text goes to stdout instead.

use std::process::ExitCode;

use splitcost_model::study::Study;

#[path = "../tests/report/fixture.rs"]
mod fixture;
#[path = "../tests/report/interface_fixture.rs"]
mod interface_fixture;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.first() else {
        eprintln!("usage: sample OUT.html [full|paired|estimated|crowded|cut|empty] [text]");
        return ExitCode::from(2);
    };
    let study = match arguments.get(1).map_or("full", String::as_str) {
        "paired" => fixture::paired(),
        "estimated" => fixture::estimated(),
        "crowded" => fixture::crowded(),
        "cut" => fixture::cut(),
        "empty" => Study::default(),
        _ => fixture::shop(),
    };
    if arguments.get(2).is_some_and(|format| format == "text") {
        print!(
            "{}",
            splitcost_report::text::render(&study, &splitcost_report::text::Style { color: true, width: 100 })
        );
        return ExitCode::SUCCESS;
    }
    match std::fs::write(path, splitcost_report::html::render(&study)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to write {path}: {error}");
            ExitCode::from(2)
        }
    }
}

//! Write a report of made-up numbers, to look at the page while working on it, and for its test in a browser.
//!
//! `cargo run -p splitcost-report --example sample -- OUT.html [full|paired|estimated|crowded|cut|empty]`; with `text` as a
//! third argument the terminal's text goes to stdout instead. The file of a real study stands for a name, too; the ratios
//! in it are compared and judged anew.

use std::process::ExitCode;

use splitcost_model::study::Study;
use splitcost_study::comparison::compare;
use splitcost_study::verdict::judge;

#[path = "../tests/report/fixture.rs"]
mod fixture;
#[path = "../tests/report/interface_fixture.rs"]
mod interface_fixture;

fn read(file: &str) -> std::io::Result<Study> {
    let mut study: Study = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    for split in &mut study.splits {
        split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
        split.verdict = Some(judge(split));
    }
    Ok(study)
}

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
        file if std::path::Path::new(file).is_file() => match read(file) {
            Ok(study) => study,
            Err(error) => {
                eprintln!("failed to read {file}: {error}");
                return ExitCode::from(2);
            }
        },
        _ => fixture::shop(),
    };
    if arguments.get(2).is_some_and(|format| format == "text") {
        print!(
            "{}",
            splitcost_report::text::render(
                &study,
                &splitcost_report::text::Style {
                    color: true,
                    width: std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(120)
                }
            )
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

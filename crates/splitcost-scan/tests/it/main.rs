//! The labelled suite: what is found in small programs, with the way to it; and what is not.
//!
//! A case begins with `# case: NAME`; further files of it with `# file: NAME.py`. It ends with what is expected, a line
//! each: `#> CODE file:line function > function > sink`; a case without such lines is one where nothing is found.
#![expect(clippy::unwrap_used, reason = "a test")]

mod cache;
mod graph;
mod hostile;

use std::fs;
use std::path::Path;

use splitcost_model::finding::{Finding, Scan};
use splitcost_scan::{Options, scan};

struct Case {
    name: String,
    files: Vec<(String, String)>,
    expected: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# case: ") {
            let files = vec![("app.py".to_owned(), String::new())];
            cases.push(Case { name: name.to_owned(), files, expected: Vec::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(name) = line.strip_prefix("# file: ") {
            case.files.push((name.to_owned(), String::new()));
        } else if let Some(expected) = line.strip_prefix("#> ") {
            case.expected.push(expected.to_owned());
        } else if let Some((_, text)) = case.files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    cases
}

fn found(case: &Case) -> Scan {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut scan = scan(&Options { paths: vec![dir.path().to_owned()], ..Options::default() }).unwrap();
    let prefix = format!("{}/", dir.path().display());
    for finding in &mut scan.findings {
        finding.location.path = finding.location.path.replacen(&prefix, "", 1);
    }
    scan
}

fn line(finding: &Finding) -> String {
    let mut names = vec![finding.function.as_str()];
    names.extend(finding.way.iter().map(|step| step.callee.as_str()));
    format!("{} {}:{} {}", finding.code, finding.location.path, finding.location.line, names.join(" > "))
}

#[test]
fn every_case_is_found_with_its_way_or_not_at_all() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        // A file's cases are about the rules that it is named after.
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for case in cases(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            let findings = found(&case).findings;
            let about = |finding: &&Finding| name.split('_').any(|code| finding.code.starts_with(code));
            let lines: Vec<String> = findings.iter().filter(about).map(line).collect();
            if lines != case.expected {
                wrong.push(format!("{name}: {}\n  expected {:#?}\n  found {lines:#?}", case.name, case.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 0, "there are no cases");
}

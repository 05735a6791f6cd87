//! Files that are broken, odd or hostile: they are reported, and the rest of the program is scanned.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use splitcost_model::finding::Scan;
use splitcost_scan::{Options, scan, scan_texts};

fn scan_directory(dir: &Path) -> Scan {
    scan(&Options { paths: vec![dir.to_owned()], ..Options::default() }).unwrap()
}

const SLEEPS: &str = "import time\nasync def wait():\n    time.sleep(1)\n";

#[test]
fn unreadable_files_are_reported_and_the_rest_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("good.py"), SLEEPS).unwrap();
    fs::write(dir.path().join("python2.py"), "print 'x'\n").unwrap();
    fs::write(dir.path().join("latin1.py"), b"# \xe9\nx = 1\n").unwrap();
    fs::write(dir.path().join("bom.py"), format!("\u{feff}{SLEEPS}")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling.py")).unwrap();
    let found = scan_directory(dir.path());
    let lines: Vec<u32> = found.findings.iter().map(|finding| finding.location.line).collect();
    assert_eq!(lines, [3, 3], "the good file and the one with a byte order mark");
    let skipped: Vec<String> = found
        .skipped
        .iter()
        .map(|skipped| {
            let name = Path::new(&skipped.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("{name}: {}", skipped.reason)
        })
        .collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(skipped.iter().any(|text| text == "latin1.py: line 1 is not UTF-8"), "{skipped:?}");
    assert!(skipped.iter().any(|text| text.starts_with("python2.py: 1:")), "{skipped:?}");
}

/// Checks that a scan gets through a text that nests deeply, and scans what stands behind it. The fault is recursion
/// without a bound, which overflows the stack and aborts the tests.
#[track_caller]
fn check_deep(text: &str) {
    let (scan, _) = scan_texts(vec![("app.py".into(), format!("{text}\n{SLEEPS}"))]).unwrap();
    assert_eq!(scan.skipped, [], "it is valid Python");
    let codes: Vec<&str> = scan.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["SC103"], "the last line is scanned");
}

/// Levels of an expression: more than the stack of a scan has room for. Python itself takes fewer.
const LEVELS: usize = 300_000;

#[test]
fn deep_operators_are_scanned() {
    check_deep(&format!("x = {}1", "-".repeat(LEVELS)));
}

#[test]
fn deep_subscripts_are_scanned() {
    check_deep(&format!("x = {{}}\nx[{}1] = 1", "-".repeat(LEVELS)));
}

#[test]
fn deep_targets_are_scanned() {
    check_deep(&format!("{}x{} = 1", "(".repeat(LEVELS), ",)".repeat(LEVELS)));
}

#[test]
fn long_chains_of_calls_are_scanned() {
    check_deep(&format!("x = str{}", ".a()".repeat(LEVELS)));
}

#[test]
fn deep_statements_are_scanned() {
    let nested: Vec<String> = (0..1_000).map(|level| format!("{}if 1:", " ".repeat(level))).collect();
    check_deep(&format!("{}\n{}pass", nested.join("\n"), " ".repeat(1_000)));
}

#[test]
fn deep_functions_and_classes_are_scanned() {
    for head in ["def f():", "class C:"] {
        let nested: Vec<String> = (0..300).map(|level| format!("{}{head}", " ".repeat(level))).collect();
        check_deep(&format!("{}\n{}pass", nested.join("\n"), " ".repeat(300)));
    }
}

#[test]
fn long_chains_of_functions_are_scanned() {
    // Each function needs the result of the next one.
    let functions: Vec<String> = (0..20_000).map(|at| format!("def f{at}(): return f{}()", at + 1)).collect();
    check_deep(&format!("{}\ndef f20000(): return 1", functions.join("\n")));
}

#[test]
fn long_and_circular_hierarchies_are_scanned() {
    let classes: Vec<String> = (1..200).map(|at| format!("class C{at}(C{}, C0): pass", at - 1)).collect();
    check_deep(&format!("class C0: pass\n{}\nC199().x()", classes.join("\n")));
    check_deep("class A(B): pass\nclass B(A): pass\nA().x()");
}

#[test]
fn a_call_that_is_interpreted_twice_is_counted_once() {
    let text = "@a()()\ndef f(x=b()): pass\nc()[0], d().e = 1, 2\n";
    let (scan, _) = scan_texts(vec![("app.py".into(), text.to_owned())]).unwrap();
    assert_eq!((scan.calls, scan.unresolved_calls), (5, 5));
}

const SEED: &str = include_str!("cases/blocking_in_async.py");

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_program_is_a_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..40_usize), 1..6)
    ) {
        let lines: Vec<&str> = SEED.lines().collect();
        let mut mixed = lines.clone();
        for (from, to, count) in cuts {
            let from = from.index(lines.len());
            let piece: Vec<&str> = lines[from..].iter().take(count).copied().collect();
            let to = to.index(mixed.len());
            let end = (to + count / 2).min(mixed.len());
            mixed.splice(to..end, piece);
            if mixed.is_empty() {
                mixed.push("");
            }
        }
        let (scan, _) = scan_texts(vec![("app.py".into(), mixed.join("\n"))]).unwrap();
        prop_assert_eq!(scan.files, 1);
    }
}

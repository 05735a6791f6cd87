//! Files that are broken, odd or hostile: told of, and the rest is scanned.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use splitcost_model::finding::Scan;
use splitcost_scan::{Options, scan};

fn scanned(dir: &Path) -> Scan {
    scan(&Options { paths: vec![dir.to_owned()], ..Options::default() }).unwrap()
}

const SLEEPS: &str = "import time\nasync def wait():\n    time.sleep(1)\n";

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("good.py"), SLEEPS).unwrap();
    fs::write(dir.path().join("python2.py"), "print 'x'\n").unwrap();
    fs::write(dir.path().join("latin1.py"), b"# \xe9\nx = 1\n").unwrap();
    fs::write(dir.path().join("bom.py"), format!("\u{feff}{SLEEPS}")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling.py")).unwrap();
    let found = scanned(dir.path());
    let lines: Vec<u32> = found.findings.iter().map(|finding| finding.location.line).collect();
    assert_eq!(lines, [3, 3], "the good one and the one with a mark");
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

#[test]
fn deep_and_long_programs_end() {
    let dir = tempfile::tempdir().unwrap();
    let deep = format!("x = {}1{}\n", "(".repeat(5_000), ")".repeat(5_000));
    let chain = format!("import requests\nx = requests{}\n", ".get()".repeat(3_000));
    let nested: Vec<String> = (0..150).map(|i| format!("{}def f{i}():", " ".repeat(i))).collect();
    let classes: Vec<String> = (1..200).map(|i| format!("class C{i}(C{}, C0): pass", i - 1)).collect();
    let (nested, classes) = (nested.join("\n"), format!("class C0: pass\n{}", classes.join("\n")));
    let circle = "class A(B): pass\nclass B(A): pass\nA().x()\n";
    let texts =
        [("deep", deep), ("chain", chain), ("nested", nested), ("classes", classes), ("circle", circle.to_owned())];
    for (name, text) in texts {
        fs::write(dir.path().join(format!("{name}.py")), text).unwrap();
    }
    assert_eq!(scanned(dir.path()).files, 5);
}

#[test]
fn a_call_that_is_looked_at_twice_is_counted_once() {
    let text = "@a()()\ndef f(x=b()): pass\nc()[0], d().e = 1, 2\n";
    let (scan, _) = splitcost_scan::scan_texts(vec![("app.py".into(), text.to_owned())]).unwrap();
    assert_eq!((scan.calls, scan.unresolved_calls), (5, 5));
}

const SEED: &str = include_str!("cases/SC101_SC102_SC103.py");

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
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.py"), mixed.join("\n")).unwrap();
        prop_assert_eq!(scanned(dir.path()).files, 1);
    }
}

//! Python source in several files. Whatever they contain, the scan must end, without a panic and with bounded
//! recursion.
//!
//! `# file: NAME` begins another file, as in the labelled tests of the scanner, whose cases are good seeds. The option
//! `-detect_leaks=0` makes fuzzing ten times as fast: each scan starts threads, and leaks are searched for when they
//! end.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use splitcost_scan::scan_texts;

fuzz_target!(|text: &str| {
    let mut files = vec![(PathBuf::from("app.py"), String::new())];
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("# file: ") {
            files.push((PathBuf::from(name.trim()), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        }
    }
    let count = files.len() as u64;
    let (scan, graph) = scan_texts(files).expect("threads");
    assert_eq!(scan.files, count, "every file is scanned");
    assert!(scan.unresolved_calls <= scan.calls, "there are more unresolved calls than calls");
    splitcost_report::finding::text(&scan, false, 100);
    splitcost_report::graph::dot(&graph);
});

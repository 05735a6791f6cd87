//! Python source, in several files: whatever they hold, the scan ends, without a panic and with bounded recursion.
//!
//! `# file: NAME` begins another file, as in the labelled suite, whose cases are good seeds. With `-detect_leaks=0` it is
//! ten times as fast: each scan has threads of its own, at whose end leaks are searched for.
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
    assert_eq!(scan.files, count, "every file is looked at");
    assert!(scan.unresolved_calls <= scan.calls, "more calls are unknown than there are");
    splitcost_report::finding::text(&scan, false, 100);
    splitcost_report::graph::dot(&graph);
});

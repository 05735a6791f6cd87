//! A workload in TOML is refused, or its requests are written as HTTP/1.1 without additional line breaks.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use splitcost_load::{Session, WorkloadTable};

fuzz_target!(|text: &str| {
    let Ok(table) = toml::from_str::<WorkloadTable>(text) else { return };
    let Ok(workload) = table.compile(Path::new("/nowhere")) else { return };
    for i in 0..4 {
        let mut bytes = Vec::new();
        workload.write(workload.draw(0, i), &Session::default(), "localhost", &mut bytes);
        let head = bytes.split(|byte| *byte == b'\n').take_while(|line| *line != b"\r");
        assert!(head.into_iter().all(|line| line.ends_with(b"\r")), "a header has a line break of its own");
    }
});

//! An archive of requests from a browser: made into a workload, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_load::{Session, Workload};

fuzz_target!(|text: &str| {
    if let Ok(archive) = splitcost_bench::har::read(text, "localhost")
        && let Ok(workload) = Workload::new(0, archive.requests)
    {
        workload.write(workload.draw(0, 0), &Session::default(), "localhost", &mut Vec::new());
    }
});

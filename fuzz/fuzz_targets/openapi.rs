//! A description of an API: made into a workload, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_load::{Session, Workload};

fuzz_target!(|text: &str| {
    if let Ok(document) = splitcost_bench::openapi::read(text) {
        for operation in document.operations {
            if let Ok(workload) = Workload::new(0, vec![operation.spec]) {
                workload.write(workload.draw(0, 0), &Session::default(), "localhost", &mut Vec::new());
            }
        }
    }
});

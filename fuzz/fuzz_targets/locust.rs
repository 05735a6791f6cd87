//! Results written by Locust: each is read into a measurement, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: (&str, &str)| {
    if let Ok(measurement) = splitcost_bench::locust::import("results", text.0, text.1) {
        let _ = serde_json::to_string(&measurement);
    }
});

//! A study as `splitcost report FILE` reads it: JSON, then the page and the text made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_model::study::Study;
use splitcost_report::text::Style;

fuzz_target!(|text: &str| {
    if let Ok(study) = serde_json::from_str::<Study>(text) {
        splitcost_report::html::render(&study);
        splitcost_report::text::render(&study, &Style::default());
    }
});

//! An evaluation as `splitcost report FILE` reads it: JSON, then the page and the text made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_model::evaluation::Evaluation;
use splitcost_report::text::Style;

fuzz_target!(|text: &str| {
    if let Ok(evaluation) = serde_json::from_str::<Evaluation>(text) {
        splitcost_report::html::render(&evaluation);
        splitcost_report::text::render(&evaluation, &Style::default());
    }
});

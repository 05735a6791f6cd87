//! The report: one HTML file with its data, style, script and charts inside.
//!
//! The tables are written here and read without a script; the script adds the charts and shows one split at a time. A
//! cell that shows a number of the study names it by its JSON pointer in `data-path` and holds it unrounded in
//! `data-value`; `data-scale` is the factor between that and the shown number. A cell with `data-length` shows the length
//! of a list. A policy in the page's head forbids every network request.

mod data;
mod endpoints;
mod evidence;
mod markup;
mod service;
mod split;

use splitcost_model::recording::{Phase, PhaseKind};
use splitcost_model::study::Study;

use self::markup::{Mark, Page, escape};

/// Vendored: see `vendor/echarts/README.md`.
const ECHARTS: &str = include_str!("../vendor/echarts/echarts.min.js");
const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");
/// Nothing is loaded from anywhere, and nothing is sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// Renders a study as one self-contained HTML file.
///
/// # Panics
/// Never: a study consists of numbers, strings, lists and structs, which all have JSON.
pub fn render(study: &Study) -> String {
    #[expect(clippy::expect_used, reason = "writing plain data to a string cannot fail")]
    let json = serde_json::to_string(study).expect("a study is plain data");

    let mut page = Page::default();
    page.raw(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>Cost of the split: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&subject(study))
    ));
    header(&mut page, study);
    page.raw("<main>\n");
    verdicts(&mut page, study);
    if !study.splits.is_empty() {
        comparison(&mut page, study);
        if study.splits.len() > 1 {
            page.raw("<nav class=\"tabs\" aria-label=\"Splits\">\n");
            for (i, split) in study.splits.iter().enumerate() {
                page.raw(&format!("<a href=\"#split-{i}\">{}</a>\n", escape(&split.name)));
            }
            page.raw("</nav>\n");
        }
    }
    for (i, split) in study.splits.iter().enumerate() {
        split::section(&mut page, i, split);
    }
    for (i, split) in study.splits.iter().enumerate() {
        service::pages(&mut page, i, split);
    }
    provenance(&mut page, study);
    page.raw("</main>\n");
    page.raw(&format!(
        "<script type=\"application/json\" id=\"study\">{}</script>\n\
         <script>{ECHARTS}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        inside_script(&json),
    ));
    page.finish()
}

/// JSON that cannot end the script element that holds it.
fn inside_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn subject(study: &Study) -> String {
    let names: Vec<&str> = study.splits.iter().map(|s| s.name.as_str()).collect();
    if names.is_empty() { "no split".to_owned() } else { names.join(", ") }
}

fn header(page: &mut Page, study: &Study) {
    let provenance = &study.provenance;
    page.raw(
        "<header class=\"top\">\n<p class=\"brand\">splitcost</p>\n<h1>Cost of the split</h1>\n<p class=\"facts\">",
    );
    let facts = [
        provenance.command.join(" "),
        provenance.made_at.replace('T', " ").replace('Z', " UTC"),
        provenance.machine.clone(),
    ];
    for fact in facts.iter().filter(|fact| !fact.is_empty()) {
        page.raw(&format!("<span>{}</span> ", escape(fact)));
    }
    page.raw("</p>\n</header>\n");
}

fn verdicts(page: &mut Page, study: &Study) {
    page.raw("<section class=\"verdicts\" aria-label=\"Verdict\">\n");
    if study.splits.is_empty() {
        page.raw("<p class=\"sentence\">The study has no split.</p>\n");
    }
    for split in &study.splits {
        let Some(verdict) = &split.verdict else { continue };
        let agreement = split.comparison.agreement.as_ref();
        let agreement = agreement
            .map_or_else(String::new, |found| format!("<p class=\"agreement\">{}</p>\n", escape(&found.sentence)));
        page.raw(&format!(
            "<article class=\"verdict {}\">\n<p class=\"label\"><b>{}</b> <span>{}</span></p>\n<div><p class=\"sentence\">{}</p>\n{agreement}</div>\n</article>\n",
            split::verdict_class(verdict.class),
            verdict.class.label(),
            escape(&split.name),
            escape(&verdict.sentence),
        ));
    }
    if !study.provenance.warnings.is_empty() {
        page.raw("<aside class=\"warnings\" aria-label=\"Warnings\">\n<h2>Read with care</h2>\n<ul>\n");
        for warning in &study.provenance.warnings {
            page.raw(&format!("<li>{}</li>\n", escape(warning)));
        }
        page.raw("</ul>\n</aside>\n");
    }
    page.raw("</section>\n");
}

fn comparison(page: &mut Page, study: &Study) {
    page.raw("<section>\n<h2>Side by side</h2>\n<p class=\"note\">");
    page.raw("Monolith → split at the stated load, and split ÷ monolith with intervals. ");
    for mark in [Mark::Measured, Mark::Simulated, Mark::Assumed] {
        page.raw(&format!("<span class=\"key\">{} {}</span> ", mark.glyph(), mark.name()));
    }
    page.raw("</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison of the splits\">\n");
    page.raw("<table class=\"comparison\">\n<thead><tr><td></td>");
    for split in &study.splits {
        page.raw(&format!("<th scope=\"col\">{}</th>", escape(&split.name)));
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for row in split::comparison_rows() {
        page.raw(&format!("<tr><th scope=\"row\">{}</th>", row.head));
        for (i, split) in study.splits.iter().enumerate() {
            page.raw("<td>");
            (row.cell)(page, i, split);
            page.raw("</td>");
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody>\n</table>\n</div>\n</section>\n");
}

fn provenance(page: &mut Page, study: &Study) {
    let provenance = &study.provenance;
    page.raw("<section class=\"provenance\">\n<h2>Origin of the numbers</h2>\n<dl class=\"marks\">\n");
    for mark in [Mark::Measured, Mark::Simulated, Mark::Assumed] {
        page.raw(&format!("<dt>{}</dt><dd>{}</dd>\n", mark.tag(), mark.source()));
    }
    page.raw("</dl>\n<dl class=\"facts-list\">\n");
    let measured = Mark::Measured.glyph();
    let facts = [
        ("App", escape(&provenance.command.join(" "))),
        ("Machine", escape(&provenance.machine)),
        ("Python", escape(&provenance.python_version)),
        ("Recording", escape(&provenance.recording)),
        ("splitcost", escape(&provenance.splitcost_version)),
        ("Requests run in", escape(&provenance.served)),
        ("Made", escape(&provenance.made_at)),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        page.raw(&format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    }
    page.raw(&format!("<div><dt>Recorded requests</dt><dd>{measured} "));
    page.count("/provenance/recorded_requests", provenance.recorded_requests);
    if let Some(course) = &study.course {
        page.raw(&format!("</dd></div>\n<div><dt>Time of measuring</dt><dd>{measured} "));
        page.short("/course/secs", course.secs, 1.0);
        page.raw(&format!(" s</dd></div>\n<div><dt>Blocks under load</dt><dd>{measured} "));
        page.count("/course/blocks", course.blocks);
    }
    page.raw("</dd></div>\n<div><dt>Seed</dt><dd>");
    page.count("/provenance/seed", provenance.seed);
    page.raw(&format!("</dd></div>\n<div><dt>Price of a core</dt><dd>{} $ ", Mark::Assumed.glyph()));
    page.number("/provenance/usd_per_vcpu_hour", provenance.usd_per_vcpu_hour, 1.0);
    page.raw(" an hour</dd></div>\n</dl>\n");
    if !provenance.notes.is_empty() || !provenance.assumptions.is_empty() {
        page.raw("<ul class=\"notes\">\n");
        for assumption in &provenance.assumptions {
            page.raw(&format!("<li>{} {}</li>\n", Mark::Assumed.glyph(), escape(assumption)));
        }
        for note in &provenance.notes {
            page.raw(&format!("<li>{}</li>\n", escape(note)));
        }
        page.raw("</ul>\n");
    }
    stacks(page, study);
    phases(page, &provenance.phases);
    page.raw("</section>\n");
}

fn stacks(page: &mut Page, study: &Study) {
    if study.provenance.stacks.is_empty() {
        return;
    }
    let measured = Mark::Measured.tag();
    page.raw(&format!(
        "<h3>Cost of a call</h3>\n<p class=\"note\">A small call over each stack, with the recorded gaps between calls.</p>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Stacks\">\n<table>\n<thead><tr><th scope=\"col\">Stack</th>\
         <th scope=\"col\" class=\"n\">CPU, µs {measured}</th><th scope=\"col\" class=\"n\">Wall, µs {measured}</th>\
         <th scope=\"col\">Holds for</th><th scope=\"col\">Measured at</th></tr></thead>\n<tbody>\n"
    ));
    for (i, stack) in study.provenance.stacks.iter().enumerate() {
        let path = format!("/provenance/stacks/{i}");
        page.raw(&format!("<tr><th scope=\"row\">{}</th><td class=\"n\">", escape(&stack.name)));
        page.interval(&format!("{path}/call_cpu_micros"), Some(stack.call_cpu_micros), 1.0);
        page.raw("</td><td class=\"n\">");
        page.interval(&format!("{path}/call_wall_micros"), Some(stack.call_wall_micros), 1.0);
        page.raw(&format!(
            "</td><td class=\"wide\">{}</td><td>{}</td></tr>\n",
            escape(&stack.fingerprint),
            escape(&stack.measured_at)
        ));
    }
    page.raw("</tbody>\n</table>\n</div>\n");
}

fn phases(page: &mut Page, phases: &[Phase]) {
    if phases.is_empty() {
        return;
    }
    let measured = Mark::Measured.tag();
    page.raw(&format!(
        "<h3>The recording</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Load phases\">\n<table>\n\
         <thead><tr><th scope=\"col\">Load</th><th scope=\"col\" class=\"n\">Seconds {measured}</th>\
         <th scope=\"col\" class=\"n\">Requests {measured}</th><th scope=\"col\" class=\"n\">App CPU, s {measured}</th>\
         <th scope=\"col\" class=\"n\">Generator CPU, s {measured}</th></tr></thead>\n<tbody>\n"
    ));
    for (i, phase) in phases.iter().enumerate() {
        let path = format!("/provenance/phases/{i}");
        page.raw("<tr><th scope=\"row\">");
        match phase.kind {
            PhaseKind::Open => {
                page.raw("open loop, ");
                page.short(&format!("{path}/rate_reqs_per_sec"), phase.rate_reqs_per_sec, 1.0);
                page.raw(" requests/s");
            }
            PhaseKind::Closed => {
                page.raw("closed loop, ");
                page.count(&format!("{path}/concurrency"), u64::from(phase.concurrency));
                page.raw(" in flight");
            }
        }
        let recorder = if phase.bare { ", without the recorder" } else { "" };
        page.raw(&format!("{recorder}</th><td class=\"n\">"));
        // Phases take turns: this is the time during which they were driven.
        page.short(&format!("{path}/driven_nanos"), phase.driven_nanos as f64, 1e-9);
        page.raw("</td><td class=\"n\">");
        page.count(&format!("{path}/requests"), phase.requests);
        page.raw("</td><td class=\"n\">");
        page.number(&format!("{path}/app_cpu_nanos"), phase.app_cpu_nanos as f64, 1e-9);
        page.raw("</td><td class=\"n\">");
        page.number(&format!("{path}/load_cpu_nanos"), phase.load_cpu_nanos as f64, 1e-9);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n</div>\n");
}

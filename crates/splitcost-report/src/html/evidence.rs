//! The notes of a split about its calls, the audit and the answers of its rehearsal.

use splitcost_model::answers::Aspect;
use splitcost_model::study::SplitStudy;

use super::markup::{Page, breakable, escape};
use super::split::{extra, show_all};

/// The calls between services by the evidence for their price, and the audit of the rehearsal.
pub(super) fn evidence(page: &mut Page, i: usize, split: &SplitStudy) {
    let evidence = split.estimate.evidence;
    let path = format!("/splits/{i}/estimate/evidence");
    page.raw("<p class=\"note\">Of ");
    page.short(&format!("{path}/calls_per_request"), evidence.calls_per_request, 1.0);
    page.raw(" calls between services per request, ");
    page.short(&format!("{path}/measured_per_request"), evidence.measured_per_request, 1.0);
    page.raw(" carry data of measured size, and ");
    page.short(&format!("{path}/rehearsed_per_request"), evidence.rehearsed_per_request, 1.0);
    page.raw(" can be rehearsed.");
    if split.estimate.as_rehearsed.is_some() && split.rehearsal.is_some() {
        page.raw(" Predicted numbers are for all of these calls, measured numbers for those that can be rehearsed.");
    }
    page.raw("</p>\n");
    for (words, modules) in [
        ("Every service has a copy of", &split.copied),
        (
            "Several services call these modules with plain values, and they keep no state, so that every service could have a copy:",
            &split.proposed_copies,
        ),
    ] {
        if !modules.is_empty() {
            let names: Vec<String> =
                modules.iter().map(|module| format!("<code>{}</code>", breakable(module))).collect();
            page.raw(&format!("<p class=\"note\">{words} {}.</p>\n", names.join(", ")));
        }
    }
    answers(page, i, split);
    uses(page, i, split);
    let Some(audit) = split.rehearsal.as_ref().map(|rehearsal| &rehearsal.audit) else { return };
    let path = format!("/splits/{i}/rehearsal/audit");
    page.raw("<p class=\"note\">Audit: for the same ");
    page.count(&format!("{path}/requests"), audit.requests);
    page.raw(" requests, ");
    page.short(&format!("{path}/predicted_per_request"), audit.predicted_per_request, 1.0);
    page.raw(" calls per request were predicted and ");
    page.short(&format!("{path}/answered_per_request"), audit.answered_per_request, 1.0);
    page.raw(" were answered.</p>\n");
    if audit.differences.is_empty() {
        return;
    }
    page.raw(
        "<table class=\"stack\">\n<thead><tr><th scope=\"col\">Call</th><th scope=\"col\" class=\"n\">Predicted</th>\
         <th scope=\"col\" class=\"n\">Answered</th><th scope=\"col\">Likely cause of the difference</th></tr></thead>\n<tbody>\n",
    );
    for (d, difference) in audit.differences.iter().enumerate() {
        let path = format!("{path}/differences/{d}");
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}</code><span class=\"meta\">from {}, {}</span></th><td class=\"n\" data-label=\"Predicted\">",
            extra(d),
            breakable(&difference.site.callee),
            breakable(&difference.site.caller),
            escape(&difference.site.endpoint),
        ));
        page.short(&format!("{path}/predicted_per_request"), difference.predicted_per_request, 1.0);
        page.raw("</td><td class=\"n\" data-label=\"Answered\">");
        page.short(&format!("{path}/answered_per_request"), difference.answered_per_request, 1.0);
        page.raw(&format!("</td><td data-label=\"Cause\">{}</td></tr>\n", escape(&difference.cause)));
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, &format!("{path}/differences"), audit.differences.len());
}

/// The answers of the split, compared with those of the monolith.
fn answers(page: &mut Page, i: usize, split: &SplitStudy) {
    let found = split.rehearsal.as_ref().and_then(|rehearsal| rehearsal.answers.as_ref());
    let Some(found) = found.filter(|found| found.compared > 0) else {
        if let Some(reason) = &split.not_rehearsed {
            page.raw(&format!("<p class=\"note\">Not rehearsed: {}.</p>\n", escape(reason)));
        }
        if let Some(words) = split.answers_in_words() {
            page.raw(&format!("<p class=\"note\">Answers: {}.</p>\n", escape(&words)));
        }
        return;
    };
    let path = format!("/splits/{i}/rehearsal/answers");
    page.raw("<p class=\"note\">Answers: ");
    page.count(&format!("{path}/equal"), found.equal);
    page.raw(" of ");
    page.count(&format!("{path}/compared"), found.compared);
    page.raw(" equal those of the monolith");
    for (d, difference) in found.differences.iter().enumerate() {
        page.raw("; ");
        page.count(&format!("{path}/differences/{d}/answers"), difference.answers);
        let (endpoint, place) = (breakable(&difference.endpoint), breakable(&difference.place));
        page.raw(&format!(" of <code>{endpoint}</code> differ (<code>{place}</code>)"));
    }
    for endpoint in &found.not_compared {
        let parts = match endpoint.from {
            Aspect::Status => "answers",
            Aspect::ContentType => "content types and bodies",
            Aspect::Body => "bodies",
        };
        let name = breakable(&endpoint.endpoint);
        page.raw(&format!("; {parts} of <code>{name}</code> differ between two monoliths: not compared"));
    }
    page.raw(".</p>\n");
}

/// The transactions of which the split made two, and the uses of objects that stayed in their service.
fn uses(page: &mut Page, i: usize, split: &SplitStudy) {
    let (transactions, commits) = split.transactions();
    let part = if split.rehearsal.is_some() { "rehearsal" } else { "estimate" };
    for (t, two) in transactions.iter().enumerate() {
        let (module, function) = (breakable(&two.caller), breakable(&two.callee));
        page.raw(&format!(
            "<p class=\"note\"><code>{function}</code> {commits} its own transaction, not that of <code>{module}</code>, "
        ));
        let path = format!("/splits/{i}/{part}/transactions/{t}/calls_per_request");
        page.number(&path, two.calls_per_request, 1.0);
        page.raw(&format!(" times per <code>{}</code>.</p>\n", breakable(&two.endpoint)));
    }
    for (u, used) in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.uses).enumerate() {
        page.raw(&format!("<p class=\"note\"><code>{}</code> is called back ", breakable(&used.class)));
        page.number(&format!("/splits/{i}/rehearsal/uses/{u}/uses_per_request"), used.uses_per_request, 1.0);
        page.raw(&format!(" times per request by <code>{}</code>.</p>\n", breakable(&used.caller)));
    }
}

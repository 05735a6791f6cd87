//! The pages about single services: the interface of each as it was recorded, and what a real split has to know about it.

use std::fmt::Write;

use splitcost_model::boundary::Readiness;
use splitcost_model::number::byte_unit;
use splitcost_model::recording::interface::{
    InterfaceCaller, InterfaceFunction, InterfaceTable, Interfaces, ServiceInterface,
};
use splitcost_model::recording::tables::TableAccess;
use splitcost_model::study::SplitStudy;

use super::data::{owners, place};
use super::markup::{Mark, Page, breakable, escape};
use super::split::{extra, show_all};
use crate::interface;

/// The pages of a split's services. One of them is seen while the address names it.
pub(super) fn pages(page: &mut Page, i: usize, split: &SplitStudy) {
    let Some(interfaces) = &split.interfaces else { return };
    for (s, service) in interfaces.services.iter().enumerate() {
        let path = format!("/splits/{i}/interfaces/services/{s}");
        page.raw(&format!(
            "<section class=\"service\" id=\"service-{i}-{s}\" aria-label=\"Service {0} of the split {1}\">\n\
             <p class=\"brand\"><a href=\"#split-{i}\">← Split {1}</a></p>\n<h2>The service {0}</h2>\n",
            escape(&service.service),
            escape(&split.name)
        ));
        if interfaces.services.len() > 1 {
            page.raw("<nav class=\"siblings\" aria-label=\"Services\">");
            for (other, one) in interfaces.services.iter().enumerate() {
                let current = if other == s { " aria-current=\"page\"" } else { "" };
                page.raw(&format!("<a href=\"#service-{i}-{other}\"{current}>{}</a> ", escape(&one.service)));
            }
            page.raw("</nav>\n");
        }
        summary(page, &path, service);
        functions(page, &path, service);
        types(page, service);
        code(page, interfaces, service);
        shared_code(page, &path, service);
        tables(page, &path, service);
        cuts(page, i, interfaces, service);
        settings(page, service);
        page.raw("</section>\n");
    }
}

/// Returns a link to the page of a service, or its name where it has none.
pub(super) fn link(i: usize, split: &SplitStudy, service: &str) -> String {
    let pages = split.interfaces.iter().flat_map(|interfaces| &interfaces.services);
    match pages.into_iter().position(|one| one.service == service) {
        Some(s) => format!("<a href=\"#service-{i}-{s}\">{}</a>", escape(service)),
        None => escape(service),
    }
}

fn summary(page: &mut Page, path: &str, service: &ServiceInterface) {
    let modules: Vec<String> = service.modules.iter().map(|m| format!("<code>{}</code>", breakable(m))).collect();
    let modules = if modules.is_empty() { "no recorded module".to_owned() } else { modules.join(" ") };
    page.raw(&format!("<p class=\"modules\">{modules}</p>\n"));
    if service.functions.is_empty() {
        page.raw("<p class=\"empty\">No other service calls it.</p>\n");
        return;
    }
    page.raw("<dl class=\"figures\">\n");
    let (measured, simulated) = (Mark::Measured.glyph(), Mark::Simulated.glyph());
    page.raw("<div><dt>Functions that others call</dt><dd>");
    page.length(&format!("{path}/functions"), service.functions.len());
    page.raw(&format!("</dd></div>\n<div><dt>Calls per request {measured}</dt><dd>"));
    page.short(&format!("{path}/calls_per_request"), service.calls_per_request, 1.0);
    page.raw(&format!("</dd></div>\n<div><dt>Sent per request {measured}</dt><dd>"));
    bytes(page, &format!("{path}/bytes_per_request"), service.bytes_per_request);
    page.raw("</dd></div>\n");
    if let Some(added) = service.added_ms_per_request {
        page.raw(&format!("<div><dt>Added per request {simulated}</dt><dd>+"));
        page.number(&format!("{path}/added_ms_per_request"), added, 1.0);
        page.raw(" <small>ms</small></dd></div>\n");
    }
    page.raw(
        "</dl>\n<p class=\"note\">The interface as the recorded requests used it: all calls from other services, also those \
         for which the code has to change first. Rates are per request of any endpoint; times are without queueing.</p>\n",
    );
}

fn bytes(page: &mut Page, path: &str, value: f64) {
    let (scale, unit) = byte_unit(value);
    page.short(path, value, scale);
    page.raw(&format!(" <small>{unit}</small>"));
}

fn functions(page: &mut Page, path: &str, service: &ServiceInterface) {
    if service.functions.is_empty() {
        return;
    }
    page.raw("<h3>Functions and methods</h3>\n<p class=\"note legend\">");
    for (class, names, meaning) in [
        ("good", "ready", "crosses as it is"),
        ("warn", "adapted, object", "needs an adapter"),
        ("bad", "by reference, rewrite", "the code has to change"),
    ] {
        page.raw(&format!("<span><b class=\"readiness {class}\">{names}</b> {meaning}</span> "));
    }
    page.raw("</p>\n");
    for (f, function) in service.functions.iter().enumerate() {
        one_function(page, &format!("{path}/functions/{f}"), function);
    }
}

fn one_function(page: &mut Page, path: &str, function: &InterfaceFunction) {
    let (measured, simulated) = (Mark::Measured.glyph(), Mark::Simulated.glyph());
    page.raw(&format!(
        "<article class=\"function\">\n<h4><code>{}</code> <b class=\"readiness {}\">{}</b></h4>\n<p class=\"meta\">{}",
        signature(function),
        class(function.readiness),
        function.readiness.name(),
        function.kind.name()
    ));
    if !function.defined.file.is_empty() {
        page.raw(&format!(" at {}", place(&function.defined)));
    }
    page.raw("</p>\n");
    if let Some(reason) = &function.reason {
        page.raw(&format!("<p class=\"reason\">{}</p>\n", escape(reason)));
    }
    page.raw(&format!("<dl class=\"figures small\">\n<div><dt>Calls per request {measured}</dt><dd>"));
    page.short(&format!("{path}/calls_per_request"), function.calls_per_request, 1.0);
    page.raw("</dd></div>\n");
    for (head, key, value) in [
        ("Sent per request", "bytes_per_request", function.bytes_per_request),
        ("Sent per call", "bytes_per_call", function.bytes_per_call),
    ] {
        if let Some(value) = value {
            page.raw(&format!("<div><dt>{head} {measured}</dt><dd>"));
            bytes(page, &format!("{path}/{key}"), value);
            page.raw("</dd></div>\n");
        }
    }
    if let Some(added) = function.added_ms_per_request {
        page.raw(&format!("<div><dt>Added per request {simulated}</dt><dd>+"));
        page.number(&format!("{path}/added_ms_per_request"), added, 1.0);
        page.raw(" <small>ms</small></dd></div>\n");
    }
    page.raw("</dl>\n");
    if function.samples == 0 {
        page.raw("<p class=\"note\">Its arguments were not sampled.</p>\n");
    }
    if !function.exceptions.is_empty() {
        let raised: Vec<String> =
            function.exceptions.iter().map(|name| format!("<code>{}</code>", breakable(name))).collect();
        page.raw(&format!("<p class=\"note\">Raises {}.</p>\n", raised.join(", ")));
    }
    page.raw(&format!(
        "<table class=\"callers stack\">\n<thead><tr><th scope=\"col\">Called by</th><th scope=\"col\" class=\"n\">Calls per request {measured}</th>\
         <th scope=\"col\">Most by a request of</th><th scope=\"col\" class=\"n\">Its calls {measured}</th>\
         <th scope=\"col\" class=\"n\">By one call of it {measured}</th></tr></thead>\n<tbody>\n"
    ));
    for (c, caller) in function.callers.iter().enumerate() {
        one_caller(page, &format!("{path}/callers/{c}"), c, caller);
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, &format!("{path}/callers"), function.callers.len());
    page.raw("</article>\n");
}

fn one_caller(page: &mut Page, path: &str, c: usize, caller: &InterfaceCaller) {
    let sites: Vec<String> = caller.sites.iter().filter(|site| !site.file.is_empty()).map(place).collect();
    page.raw(&format!(
        "<tr{}><th scope=\"row\"><code>{}</code><span class=\"meta\">in {}{}{}</span></th><td class=\"n\" data-label=\"Calls per request ●\">",
        extra(c),
        breakable(&caller.caller),
        escape(&caller.service),
        if sites.is_empty() { "" } else { ", at " },
        sites.join(", ")
    ));
    page.short(&format!("{path}/calls_per_request"), caller.calls_per_request, 1.0);
    page.raw(&format!(
        "</td><td data-label=\"Most by a request of\">{}</td><td class=\"n\" data-label=\"Its calls ●\">",
        breakable(&caller.endpoint)
    ));
    page.short(&format!("{path}/calls_per_request_of_endpoint"), caller.calls_per_request_of_endpoint, 1.0);
    page.raw("</td><td class=\"n\" data-label=\"By one call of it ●\"><span>");
    page.short(&format!("{path}/calls_per_caller"), caller.calls_per_caller, 1.0);
    page.raw(" <small>at most ");
    page.count(&format!("{path}/calls_per_caller_max"), caller.calls_per_caller_max);
    page.raw("</small></span></td></tr>\n");
}

/// Returns a function as its definition would be written, with an argument a line where it is long.
fn signature(function: &InterfaceFunction) -> String {
    /// The longest signature that stays on one line.
    ///
    /// Chosen: the width of the page.
    const LINE: usize = 84;
    let (module, name) = function.function.split_once(':').unwrap_or(("", &function.function));
    let arguments: Vec<String> = function.arguments.iter().map(interface::field).collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", result.annotation())).unwrap_or_default();
    let length = name.len() + result.len() + arguments.iter().map(|one| one.len() + 2).sum::<usize>();
    let arguments = match (function.samples, length > LINE) {
        (0, _) => "…".to_owned(),
        (_, false) => escape(&arguments.join(", ")),
        (_, true) => arguments.iter().fold("\n".to_owned(), |mut lines, one| {
            let _ = writeln!(lines, "    {},", escape(one));
            lines
        }),
    };
    format!(
        "<span class=\"module\">{}:</span>{}({arguments}){}",
        breakable(module),
        breakable(name).replace("<wbr>(", "("),
        escape(&result)
    )
}

fn class(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Ready => "good",
        Readiness::Adapted | Readiness::Object => "warn",
        Readiness::ByReference | Readiness::Rewrite => "bad",
    }
}

fn types(page: &mut Page, service: &ServiceInterface) {
    let types = interface::types_of(service);
    if types.is_empty() {
        return;
    }
    page.raw("<h3>Types in arguments and results</h3>\n<div class=\"types\">\n");
    for (name, fields) in types {
        let fields: Vec<String> = fields.iter().map(|field| escape(&interface::field(field))).collect();
        page.raw(&format!("<pre><code><b>{}</b>\n    {}</code></pre>\n", escape(&name), fields.join("\n    ")));
    }
    page.raw("</div>\n");
}

/// The interface in the formats of other tools, each to be copied or kept as a file.
fn code(page: &mut Page, interfaces: &Interfaces, service: &ServiceInterface) {
    if service.functions.is_empty() {
        return;
    }
    page.raw(
        "<h3>As code</h3>\n<p class=\"note\">A draft to start from: the interface of a service should be coarser than the calls \
         that were made inside one process.</p>\n",
    );
    let documents = [
        ("pydantic models", "py", interface::pydantic(interfaces, service)),
        ("Protocol Buffers", "proto", interface::proto(interfaces, service)),
        ("OpenAPI", "json", interface::openapi(interfaces, service)),
    ];
    for (name, extension, text) in documents {
        let file = escape(&format!("{}.{extension}", service.service));
        page.raw(&format!(
            "<details class=\"code\"><summary>{name} <code>{file}</code></summary>\n<p class=\"actions\">\
             <button type=\"button\" class=\"copy\">Copy</button> <button type=\"button\" class=\"save\" data-file=\"{file}\">Download</button></p>\n\
             <pre tabindex=\"0\"><code>{}</code></pre>\n</details>\n",
            escape(&text)
        ));
    }
}

fn shared_code(page: &mut Page, path: &str, service: &ServiceInterface) {
    if service.shared_code.is_empty() {
        return;
    }
    page.raw(&format!(
        "<h3>Code that other services need too</h3>\n<p class=\"note\">Its calls never cross: put it into a library, or let every \
         service have a copy.</p>\n<table class=\"stack\">\n<thead><tr><th scope=\"col\">Function</th><th scope=\"col\">Why</th>\
         <th scope=\"col\" class=\"n\">Calls per request {}</th></tr></thead>\n<tbody>\n",
        Mark::Measured.tag()
    ));
    for (f, function) in service.shared_code.iter().enumerate() {
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}</code></th><td data-label=\"Why\">{}</td><td class=\"n\" data-label=\"Calls per request ●\">",
            extra(f),
            breakable(&function.function),
            escape(function.reason.in_words())
        ));
        page.short(&format!("{path}/shared_code/{f}/calls_per_request"), function.calls_per_request, 1.0);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, &format!("{path}/shared_code"), service.shared_code.len());
}

fn tables(page: &mut Page, path: &str, service: &ServiceInterface) {
    if service.tables.is_empty() {
        return;
    }
    let measured = Mark::Measured.tag();
    page.raw(&format!(
        "<h3>Tables</h3>\n<p class=\"note\">The tables that its modules own or use, with their statements and rows per request.</p>\n\
         <table class=\"tables stack\">\n<thead><tr><th scope=\"col\">Table</th><th scope=\"col\">Used by</th>\
         <th scope=\"col\" class=\"n\">Reads {measured}</th><th scope=\"col\" class=\"n\">Writes {measured}</th>\
         <th scope=\"col\" class=\"n\">Rows {measured}</th></tr></thead>\n<tbody>\n"
    ));
    for (t, table) in service.tables.iter().enumerate() {
        let path = format!("{path}/tables/{t}/accesses");
        let head = table_head(service, table);
        if table.accesses.is_empty() {
            page.raw(&format!(
                "<tr><th scope=\"row\">{head}</th><td colspan=\"4\" data-label=\"Used by\">other services only</td></tr>\n"
            ));
        }
        for (a, access) in table.accesses.iter().enumerate() {
            let head = if a == 0 { &head } else { "" };
            one_access(page, &format!("{path}/{a}"), head, access);
        }
    }
    page.raw("</tbody>\n</table>\n");
}

/// The name of a table, and in which sense it is the service's.
fn table_head(service: &ServiceInterface, table: &InterfaceTable) -> String {
    let is_owned = table.owned_by.as_deref() == Some(&service.service);
    let (class, owner) = match (&table.owned_by, &table.owner) {
        (Some(_), Some(owner)) if is_owned => {
            ("good", format!("table of <code>{}</code> ({})", breakable(&owner.module), owner.by.name()))
        }
        (Some(service), _) => ("bad", format!("table of the service {}", escape(service))),
        (None, _) => ("warn", "table without an owner".to_owned()),
    };
    let shared = if table.shared_with.is_empty() {
        String::new()
    } else {
        format!("<span class=\"meta\">shared with {}</span>", escape(&table.shared_with.join(", ")))
    };
    format!(
        "<code>{}</code><span class=\"meta\"><b class=\"readiness {class}\">{}</b> {owner}</span>{shared}",
        breakable(&table.table),
        if is_owned { "own" } else { "foreign" },
    )
}

fn one_access(page: &mut Page, path: &str, head: &str, access: &TableAccess) {
    page.raw(&format!(
        "<tr><th scope=\"row\">{head}</th><td data-label=\"Used by\"><code>{}</code></td>",
        breakable(&access.module)
    ));
    for (label, key, value) in [
        ("Reads", "reads_per_request", access.reads_per_request),
        ("Writes", "writes_per_request", access.writes_per_request),
        ("Rows", "rows_per_request", access.rows_per_request),
    ] {
        page.raw(&format!("<td class=\"n\" data-label=\"{label} ●\">"));
        page.short(&format!("{path}/{key}"), value, 1.0);
        page.raw("</td>");
    }
    page.raw("</tr>\n");
}

/// The transactions and statements that the boundary of the service cuts.
fn cuts(page: &mut Page, i: usize, interfaces: &Interfaces, service: &ServiceInterface) {
    let path = format!("/splits/{i}/interfaces");
    let cut = |page: &mut Page, path: &str, what: &str, endpoint: &str, sites: &str, rate: f64| {
        page.raw(&format!(
            "<tr><th scope=\"row\">{what}<span class=\"meta\">{sites}</span></th><td data-label=\"By requests of\">{}</td>\
             <td class=\"n\" data-label=\"Per request ●\">",
            breakable(endpoint)
        ));
        page.short(path, rate, 1.0);
        page.raw("</td></tr>\n");
    };
    let head = |page: &mut Page, title: &str, note: &str| {
        page.raw(&format!(
            "<h3>{title}</h3>\n<p class=\"note\">{note}</p>\n<table class=\"data stack\">\n<thead><tr><th scope=\"col\">Tables</th>\
             <th scope=\"col\">By requests of</th><th scope=\"col\" class=\"n\">Per request {}</th></tr></thead>\n<tbody>\n",
            Mark::Measured.tag()
        ));
    };
    let transactions = interfaces.cut_transactions.iter().enumerate();
    let ours: Vec<_> =
        transactions.filter(|(_, cut)| cut.owners.iter().any(|owner| owner.service == service.service)).collect();
    if !ours.is_empty() {
        head(
            page,
            "Transactions that are cut",
            "They write tables of several services: with a database for each service, these are several transactions.",
        );
        for (t, one) in ours {
            let sites: Vec<String> = one.sites.iter().filter(|site| !site.file.is_empty()).map(place).collect();
            let path = format!("{path}/cut_transactions/{t}/transactions_per_request");
            let what = format!("Writes {}", owners(&one.owners));
            cut(page, &path, &what, &one.endpoint, &sites.join(", "), one.transactions_per_request);
        }
        page.raw("</tbody>\n</table>\n");
    }
    let joins = interfaces.cut_joins.iter().enumerate();
    let ours: Vec<_> =
        joins.filter(|(_, cut)| cut.owners.iter().any(|owner| owner.service == service.service)).collect();
    if !ours.is_empty() {
        head(page, "Statements that are cut", "Each uses tables of several services at once.");
        for (j, one) in ours {
            let what = format!("Joins {}", owners(&one.owners));
            let path = format!("{path}/cut_joins/{j}/statements_per_request");
            cut(page, &path, &what, &one.endpoint, &place(&one.site), one.statements_per_request);
        }
        page.raw("</tbody>\n</table>\n");
    }
}

fn settings(page: &mut Page, service: &ServiceInterface) {
    let by_name = interface::settings_by_name(service);
    if by_name.is_empty() {
        return;
    }
    page.raw(
        "<h3>Settings and environment</h3>\n<p class=\"note\">Names that the source of its modules spells out; values are never \
         looked at.</p>\n<table class=\"stack\">\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Kind</th>\
         <th scope=\"col\">Read at</th></tr></thead>\n<tbody>\n",
    );
    for ((kind, name), sites) in by_name {
        let sites: Vec<String> = sites.into_iter().map(place).collect();
        page.raw(&format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"Kind\">{}</td><td data-label=\"Read at\"><span>{}</span></td></tr>\n",
            breakable(name),
            kind.name(),
            sites.join(", ")
        ));
    }
    page.raw("</tbody>\n</table>\n");
}

//! The part of the page about the tables of a split's database: what services share, and what a split cuts.

use splitcost_model::database::{Database, ServiceTables, Site};
use splitcost_model::study::SplitStudy;

use super::markup::{Mark, Page, breakable, escape};
use super::split::{extra, show_all};

/// A row: its first cells as HTML, and the numbers of the following ones with their keys in the document.
struct Row<'a> {
    subject: String,
    sites: &'a [Site],
    sql: &'a str,
    endpoint: &'a str,
    numbers: Vec<(&'static str, f64)>,
}

/// The transactions, joins and statements of several services.
pub(super) fn data(page: &mut Page, i: usize, split: &SplitStudy) {
    let data = &split.data;
    if data.cut_transactions.is_empty() && data.cut_joins.is_empty() && data.foreign.is_empty() {
        return;
    }
    page.raw("<h3>Tables of several services</h3>\n<p class=\"note\">");
    page.raw(match split.database {
        Database::Shared => {
            "All services use one database, so that these stay as they are. With a database for each service, the \
             transactions and joins would be cut, and the other statements would become calls."
        }
        Database::PerService => {
            "Each service has its own database. The transactions and joins are cut: they need another design. The other \
             statements are priced as calls."
        }
    });
    page.raw("</p>\n");
    let path = format!("/splits/{i}/data");

    let transactions = data.cut_transactions.iter().map(|cut| Row {
        subject: format!("Writes {}", owners(&cut.owners)),
        sites: &cut.sites,
        sql: "",
        endpoint: &cut.endpoint,
        numbers: vec![("transactions_per_request", cut.transactions_per_request)],
    });
    let heads = ["Transactions of several services", "Transactions per request"];
    table(page, &format!("{path}/cut_transactions"), &heads, &transactions.collect::<Vec<_>>());

    let joins = data.cut_joins.iter().map(|cut| Row {
        subject: format!("Joins {}", owners(&cut.owners)),
        sites: std::slice::from_ref(&cut.site),
        sql: &cut.sql,
        endpoint: &cut.endpoint,
        numbers: vec![("statements_per_request", cut.statements_per_request)],
    });
    let heads = ["Joins of several services", "Statements per request"];
    table(page, &format!("{path}/cut_joins"), &heads, &joins.collect::<Vec<_>>());

    let foreign = data.foreign.iter().map(|access| Row {
        subject: format!(
            "{} {} by <code>{}</code>",
            if access.is_write { "Writes of" } else { "Reads of" },
            owners(std::slice::from_ref(&access.owner)),
            breakable(&access.module)
        ),
        sites: std::slice::from_ref(&access.site),
        sql: &access.sql,
        endpoint: &access.endpoint,
        numbers: vec![
            ("statements_per_request", access.statements_per_request),
            ("rows_per_request", access.rows_per_request),
            ("parameter_bytes_per_request", access.parameter_bytes_per_request),
            ("row_bytes_per_request", access.row_bytes_per_request),
        ],
    });
    let heads = [
        "Statements on tables of another service",
        "Statements per request",
        "Rows per request",
        "Bytes sent per request",
        "Bytes fetched per request",
    ];
    table(page, &format!("{path}/foreign"), &heads, &foreign.collect::<Vec<_>>());
}

/// One table; the list at `path` of the document has its rows in the same order.
fn table(page: &mut Page, path: &str, heads: &[&str], rows: &[Row<'_>]) {
    let [first, numbers @ ..] = heads else { return };
    if rows.is_empty() {
        return;
    }
    page.raw(&format!(
        "<table class=\"data stack\">\n<thead><tr><th scope=\"col\">{first}</th><th scope=\"col\">By requests of</th>"
    ));
    for head in numbers {
        page.raw(&format!("<th scope=\"col\" class=\"n\">{head} {}</th>", Mark::Measured.tag()));
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for (at, row) in rows.iter().enumerate() {
        let sites: Vec<String> = row.sites.iter().filter(|site| !site.file.is_empty()).map(place).collect();
        page.raw(&format!("<tr{}><th scope=\"row\">{}", extra(at), row.subject));
        if !row.sql.is_empty() {
            page.raw(&format!("<span class=\"meta\"><code>{}</code></span>", escape(row.sql)));
        }
        page.raw(&format!(
            "<span class=\"meta\">{}</span></th><td data-label=\"By requests of\">{}</td>",
            sites.join(", "),
            breakable(row.endpoint)
        ));
        for (head, (key, number)) in numbers.iter().zip(&row.numbers) {
            page.raw(&format!("<td class=\"n\" data-label=\"{head} ●\">"));
            page.short(&format!("{path}/{at}/{key}"), *number, 1.0);
            page.raw("</td>");
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, path, rows.len());
}

pub(super) fn place(site: &Site) -> String {
    format!("<code>{}:{}</code>", breakable(&site.file), site.line)
}

/// The tables of each service.
pub(super) fn owners(owners: &[ServiceTables]) -> String {
    let code = |name: &String| format!("<code>{}</code>", breakable(name));
    let of_service = |owner: &ServiceTables| {
        let tables: Vec<String> = owner.tables.iter().map(code).collect();
        format!("{} of {}", tables.join(", "), code(&owner.service))
    };
    owners.iter().map(of_service).collect::<Vec<_>>().join(" and ")
}

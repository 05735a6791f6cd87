//! The requests of a bench: from options, from a file like `[workload]`, or from a HAR.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use splitcost_bench::endpoint::{Reach, Requests};
use splitcost_bench::grpc::Schema;
use splitcost_bench::har;
use splitcost_load::{Body, Method, RequestSpec, Roots, Version, Workload, WorkloadTable, literal};

use crate::args::bench::UrlArgs;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::shown;
use crate::settings::file::File;

/// A settings file with a workload among other tables.
#[derive(Deserialize)]
struct FileWithWorkload {
    workload: WorkloadTable,
}

/// Returns the requests to send to every address.
pub(crate) fn ask(args: &UrlArgs, printer: &mut Printer) -> anyhow::Result<Requests> {
    let Some(path) = &args.requests_file else { return Ok(Requests::Path(one(args)?)) };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))?;
    let is_har = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("har"));
    let (seed, mut requests) = if is_har { (0, archive(args, path, &text, printer)?) } else { table(path, &text)? };
    for (name, value) in &args.headers {
        for request in &mut requests {
            request.set_header(name, literal(value));
        }
    }
    Workload::new(seed, requests.clone())
        .map_err(|error| Failure::new(format!("{}: failed to {error}", path.display())))?;
    Ok(Requests::Several { seed, requests })
}

/// Returns how the addresses are reached.
pub(crate) fn reach(args: &UrlArgs) -> anyhow::Result<Reach> {
    let version = match (args.http1, args.http2) {
        (true, _) => Version::Http1,
        (_, true) => Version::Http2,
        _ => Version::Negotiated,
    };
    let roots = match &args.cacert {
        _ if args.insecure => Roots::Unverified,
        None => Roots::Public,
        Some(path) => Roots::Pem(
            fs::read(path).map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))?,
        ),
    };
    Ok(Reach { version, roots, unix_socket: args.unix_socket.clone(), schema: schema(args) })
}

/// Returns the source that describes the services of a gRPC server.
fn schema(args: &UrlArgs) -> Schema {
    match &args.descriptor_set {
        Some(path) => Schema::DescriptorSet(path.clone()),
        None if args.protos.is_empty() => Schema::Reflection,
        None => Schema::Proto { files: args.protos.clone(), import_paths: args.proto_paths.clone() },
    }
}

/// Returns the request that the options describe.
fn one(args: &UrlArgs) -> anyhow::Result<RequestSpec> {
    let body = match (&args.json, &args.body) {
        (Some(json), _) => {
            Some(Body::Bytes { bytes: json.to_string().into_bytes(), content_type: "application/json".to_owned() })
        }
        (None, Some(body)) => Some(match body.strip_prefix('@') {
            Some(path) => Body::file(Path::new(path)).map_err(|error| {
                Failure::new(format!("failed to read {path}: {error}"))
                    .hint("--body @FILE sends a file, --body TEXT sends a text")
            })?,
            None => Body::Text(literal(body)),
        }),
        (None, None) => None,
    };
    let method = args.method.unwrap_or(if body.is_some() { Method::Post } else { Method::Get });
    let mut request = RequestSpec { body, ..RequestSpec::new(method, "/") };
    for (name, value) in &args.headers {
        request.set_header(name, literal(value));
    }
    Ok(request)
}

/// Reads the seed and the requests of a TOML file, which is a workload or a `splitcost.toml` that has one.
fn table(path: &Path, text: &str) -> anyhow::Result<(u64, Vec<RequestSpec>)> {
    let file = File { path, text };
    let hint = "the file is written like [workload] of splitcost.toml: see docs/configuration.md";
    let whole: toml::Table = toml::from_str(text).map_err(|error| file.broken(&error).hint(hint))?;
    let table = if whole.contains_key("workload") {
        toml::from_str::<FileWithWorkload>(text).map(|file| file.workload)
    } else {
        toml::from_str::<WorkloadTable>(text)
    };
    let table = table.map_err(|error| file.broken(&error).hint(hint))?;
    if table.has_before() {
        return Err(Failure::new(format!(
            "{}: [[workload.before]] is only for apps that splitcost starts",
            path.display()
        ))
        .hint("for `splitcost bench`, give cookies and tokens with -H NAME:VALUE")
        .into());
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let seed = table.seed();
    let requests = table.requests(dir);
    Ok((seed, requests.map_err(|error| Failure::new(format!("{}: failed to {error}", path.display())))?))
}

/// Reads the requests of a HAR that go to the host of the first address.
fn archive(args: &UrlArgs, path: &Path, text: &str, printer: &mut Printer) -> anyhow::Result<Vec<RequestSpec>> {
    let url = args.urls.first().map_or("", String::as_str);
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let found = har::read(text, host).map_err(|problem| {
        Failure::new(format!("failed to read {}: {problem}", path.display()))
            .hint("save one in the network panel of a browser, with \"Save all as HAR\"")
    })?;
    let entries: u32 = found.requests.iter().map(|request| request.weight).sum();
    printer.note(&format!(
        "{}: {entries} entries for {}, {} different requests",
        shown(path).display(),
        found.host,
        found.requests.len()
    ));
    for reason in &found.left_out {
        printer.note(&format!("left out: {reason}"));
    }
    Ok(found.requests)
}

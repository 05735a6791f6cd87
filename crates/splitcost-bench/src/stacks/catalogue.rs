//! The clients and servers of the Python package, and the stacks that they form.

use std::collections::BTreeMap;

use serde::Deserialize;
use splitcost_lab::cpu;
use splitcost_lab::python::Python;
use splitcost_lab::record::now;
use splitcost_model::bench::{MeasuredOn, Stack};

use crate::{Error, Result};

/// The server of a client where none was named, by transport.
///
/// Chosen: `pip install uvicorn[standard]` runs the first; hypercorn is the only h2c server that is neither experimental
/// nor written in Rust.
const USUAL_SERVERS: [(&str, &str); 2] = [("http/1.1", "uvicorn_httptools_uvloop"), ("h2c", "hypercorn")];

/// The codec of both sides.
///
/// Chosen: the fastest JSON of docs/codecs.md, so that clients and servers are seen rather than codecs.
const CODEC: &str = "orjson";

/// The stacks of a comparison where nothing was named: client, transport, server.
///
/// Chosen: those that teams argue about.
const ARGUED: [(&str, &str, &str); 11] = [
    ("requests_session", "http/1.1", "uvicorn_httptools_uvloop"),
    ("urllib3", "http/1.1", "uvicorn_httptools_uvloop"),
    ("http_client", "http/1.1", "uvicorn_httptools_uvloop"),
    ("httpx_sync", "http/1.1", "uvicorn_httptools_uvloop"),
    ("httpx_async", "http/1.1", "uvicorn_httptools_uvloop"),
    ("httpx2_async", "http/1.1", "uvicorn_httptools_uvloop"),
    ("aiohttp", "http/1.1", "uvicorn_httptools_uvloop"),
    ("aiohttp", "http/1.1", "granian"),
    ("httpx2_async", "h2c", "hypercorn"),
    ("grpcio", "grpc", "grpcio"),
    ("grpc_aio", "grpc", "grpc_aio"),
];

/// Every client and server of the package `splitcost`, and the packages that this interpreter has or lacks for them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Catalogue {
    clients: Vec<Part>,
    servers: Vec<Part>,
    max_body_bytes: u64,
    #[serde(skip)]
    python: Option<Python>,
}

#[derive(Clone, Debug, Deserialize)]
struct Part {
    name: String,
    transports: Vec<String>,
    missing: Vec<String>,
    versions: BTreeMap<String, String>,
    #[serde(default)]
    per_call: bool,
}

/// The clients and servers that the user named; an empty list selects all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The names of clients.
    pub clients: Vec<String>,
    /// The names of servers.
    pub servers: Vec<String>,
}

/// The stacks that were chosen.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The stacks, in alphabetical order of clients.
    pub stacks: Vec<Stack>,
    /// A sentence for each client or server that lacks packages, with the pip command.
    pub left_out: Vec<String>,
}

impl Catalogue {
    /// Asks an interpreter for its clients and servers.
    pub fn ask(python: &Python) -> Result<Self> {
        let found: Self = python.query("look for clients and servers", &["splitcost.stacks", "--json"])?;
        Ok(Self { python: Some(python.clone()), ..found })
    }

    /// Returns every stack whose client and server speak the same protocol. Clients that connect for every call get only
    /// the usual server, unless servers were named.
    pub fn all(&self, filter: &Filter) -> Result<Chosen> {
        self.choose(filter, |client, transport, server| {
            !client.per_call || !filter.servers.is_empty() || usual(transport, &client.name, &server.name)
        })
    }

    /// Returns the stacks that teams argue about where nothing was named; otherwise every stack of the named clients and
    /// servers, with the usual server where no server was named.
    pub fn argued(&self, filter: &Filter) -> Result<Chosen> {
        let nothing_named = filter.clients.is_empty() && filter.servers.is_empty();
        self.choose(filter, |client, transport, server| {
            if nothing_named {
                ARGUED.contains(&(&client.name, transport, &server.name))
            } else if filter.servers.is_empty() {
                usual(transport, &client.name, &server.name)
            } else {
                !client.per_call || !filter.clients.is_empty()
            }
        })
    }

    /// The largest body that the servers accept, in bytes.
    pub fn max_body_bytes(&self) -> u64 {
        self.max_body_bytes
    }

    fn choose(&self, filter: &Filter, makes_sense: impl Fn(&Part, &str, &Part) -> bool) -> Result<Chosen> {
        let clients = named("client", &self.clients, &filter.clients)?;
        let servers = named("server", &self.servers, &filter.servers)?;
        let mut chosen = Chosen::default();
        let mut lacking = BTreeMap::new();
        for client in &clients {
            for transport in &client.transports {
                for server in servers.iter().filter(|server| server.transports.contains(transport)) {
                    if !makes_sense(client, transport, server) {
                        continue;
                    }
                    let missing = [client, server].into_iter().filter(|part| !part.missing.is_empty());
                    let missing: Vec<_> = missing.map(|part| (part.name.clone(), part.missing.clone())).collect();
                    if missing.is_empty() {
                        chosen.stacks.push(Stack {
                            client: client.name.clone(),
                            codec: CODEC.to_owned(),
                            transport: transport.clone(),
                            server: server.name.clone(),
                        });
                    }
                    lacking.extend(missing);
                }
            }
        }
        let path = self.python.as_ref().map(|python| python.executable.clone()).unwrap_or_default();
        let wanted = |name: &String| filter.clients.contains(name) || filter.servers.contains(name);
        if let Some((stack, packages)) = lacking.iter().find(|(name, _)| wanted(name)) {
            return Err(Error::StackMissing { stack: stack.clone(), path, packages: packages.clone() });
        }
        for (name, packages) in lacking {
            let command = format!("{} -m pip install {}", path.display(), packages.join(" "));
            chosen.left_out.push(format!("{name} is left out: {command}"));
        }
        if chosen.stacks.is_empty() && chosen.left_out.is_empty() {
            let speak = |parts: &[&Part]| {
                let each = parts.iter().map(|part| format!("{} speaks {}", part.name, part.transports.join(" and ")));
                each.collect::<Vec<_>>().join(", ")
            };
            let reason = format!("{}; {}", speak(&clients), speak(&servers));
            return Err(Error::StackPart { reason: format!("no client speaks what a server does: {reason}") });
        }
        Ok(chosen)
    }

    /// Returns the machine and the versions of the packages of these stacks.
    pub(super) fn measured_on(&self, stacks: &[Stack]) -> MeasuredOn {
        MeasuredOn {
            machine: cpu::machine(),
            python_version: self.python.as_ref().map(|python| python.version.clone()).unwrap_or_default(),
            versions: stacks.iter().flat_map(|stack| self.versions(stack)).collect(),
            measured_at: now(),
        }
    }

    fn versions(&self, stack: &Stack) -> BTreeMap<String, String> {
        let clients = self.clients.iter().filter(|part| part.name == stack.client);
        let servers = self.servers.iter().filter(|part| part.name == stack.server);
        clients.chain(servers).flat_map(|part| part.versions.clone()).collect()
    }

    /// Returns everything that the costs of a stack depend on, as text for people.
    pub(super) fn fingerprint(&self, stack: &Stack) -> String {
        let versions = self.versions(stack);
        let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let python = self.python.as_ref().map(|python| (python.version.as_str(), python.package_version.as_str()));
        let (python, package) = python.unwrap_or_default();
        let Stack { client, transport, server, .. } = stack;
        format!(
            "{client} over {transport} to {server}: {}; Python {python}; splitcost {package}; {}",
            versions.join(", "),
            cpu::machine()
        )
    }
}

/// Returns the server of a client where none was named, by transport.
pub(crate) fn usual_servers() -> BTreeMap<&'static str, &'static str> {
    USUAL_SERVERS.into_iter().chain([("grpc", "grpcio")]).collect()
}

fn usual(transport: &str, client: &str, server: &str) -> bool {
    // A blocking gRPC client goes with the blocking server, as most have it.
    transport == "grpc" && client == server || USUAL_SERVERS.contains(&(transport, server))
}

fn named<'a>(kind: &str, parts: &'a [Part], names: &[String]) -> Result<Vec<&'a Part>> {
    for name in names {
        if parts.iter().all(|part| part.name != *name) {
            let known: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            let reason = format!("there is no {kind} {name}: the {kind}s are {}", known.join(", "));
            return Err(Error::StackPart { reason });
        }
    }
    Ok(parts.iter().filter(|part| names.is_empty() || names.contains(&part.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let part = |name: &str, transports: &[&str], per_call, missing: &[&str]| Part {
            name: name.into(),
            transports: transports.iter().map(|t| (*t).to_owned()).collect(),
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
            versions: [(name.to_owned(), "1".to_owned())].into(),
            per_call,
        };
        Catalogue {
            clients: vec![
                part("aiohttp", &["http/1.1"], false, &[]),
                part("grpcio", &["grpc"], false, &[]),
                part("httpx_async", &["http/1.1", "h2c"], false, &[]),
                part("requests_bare", &["http/1.1"], true, &[]),
            ],
            servers: vec![
                part("granian", &["http/1.1", "h2c"], false, &["granian"]),
                part("grpcio", &["grpc"], false, &[]),
                part("hypercorn", &["http/1.1", "h2c"], false, &[]),
                part("uvicorn_httptools_uvloop", &["http/1.1"], false, &[]),
            ],
            max_body_bytes: 1_000,
            python: None,
        }
    }

    fn names(chosen: Result<Chosen>) -> String {
        match chosen {
            Ok(chosen) => chosen.stacks.iter().map(Stack::name).chain(chosen.left_out).collect::<Vec<_>>().join("\n"),
            Err(error) => format!("failed to {error}"),
        }
    }

    fn filter(clients: &[&str], servers: &[&str]) -> Filter {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Filter { clients: owned(clients), servers: owned(servers) }
    }

    #[test]
    fn all_stacks() {
        insta::assert_snapshot!(names(catalogue().all(&Filter::default())), @r"
        aiohttp → hypercorn
        aiohttp → uvicorn_httptools_uvloop
        grpcio → grpcio
        httpx_async → hypercorn
        httpx_async → uvicorn_httptools_uvloop
        httpx_async → hypercorn, h2c
        requests_bare → uvicorn_httptools_uvloop
        granian is left out:  -m pip install granian
        ");
    }

    #[test]
    fn named_parts() {
        let argued = |clients: &[&str], servers: &[&str]| names(catalogue().argued(&filter(clients, servers)));
        insta::assert_snapshot!(argued(&["httpx_async"], &[]), @r"
        httpx_async → uvicorn_httptools_uvloop
        httpx_async → hypercorn, h2c
        ");
        insta::assert_snapshot!(argued(&[], &["hypercorn"]), @r"
        aiohttp → hypercorn
        httpx_async → hypercorn
        httpx_async → hypercorn, h2c
        ");
        assert_eq!(argued(&["requests_bare"], &["hypercorn"]), "requests_bare → hypercorn");
    }

    #[test]
    fn impossible_choices() {
        let argued = |clients: &[&str], servers: &[&str]| names(catalogue().argued(&filter(clients, servers)));
        insta::assert_snapshot!(argued(&["pigeon"], &[]), @"failed to choose stacks: there is no client pigeon: the clients are aiohttp, grpcio, httpx_async, requests_bare");
        insta::assert_snapshot!(argued(&["grpcio"], &["hypercorn"]), @"failed to choose stacks: no client speaks what a server does: grpcio speaks grpc; hypercorn speaks http/1.1 and h2c");
        insta::assert_snapshot!(argued(&[], &["granian"]), @"failed to use the granian stack:  has no granian");
    }
}

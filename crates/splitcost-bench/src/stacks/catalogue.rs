//! Which clients and servers there are, and which of them can talk.

use std::collections::BTreeMap;

use serde::Deserialize;
use splitcost_lab::cpu;
use splitcost_lab::python::Python;
use splitcost_lab::record::now;
use splitcost_model::bench::{Combination, MeasuredOn};

use crate::{Error, Result};

/// The server that a client meets where none was named, by transport.
///
/// Chosen: what `pip install uvicorn[standard]` runs; the only one of h2c's that is neither experimental nor Rust's.
const USUAL_SERVERS: [(&str, &str); 2] = [("http/1.1", "uvicorn_httptools_uvloop"), ("h2c", "hypercorn")];

/// What teams argue about, where nothing was named.
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

/// Every client and server of the package, as the interpreter sees them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Catalogue {
    clients: Vec<Part>,
    servers: Vec<Part>,
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

/// What the user named; empty: all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Clients.
    pub clients: Vec<String>,
    /// Servers.
    pub servers: Vec<String>,
}

/// What is measured, and what is left out.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// In the order of the files.
    pub combinations: Vec<Combination>,
    /// Parts that lack packages, each as a sentence with the pip command.
    pub left_out: Vec<String>,
}

impl Catalogue {
    /// Asks the interpreter.
    pub fn ask(python: &Python) -> Result<Self> {
        let found: Self = python.query("look for clients and servers", &["splitcost.stacks", "--json"])?;
        Ok(Self { python: Some(python.clone()), ..found })
    }

    /// Every combination that makes sense: all that speak the same; those that connect for every call only with the
    /// usual server, unless servers were named.
    pub fn all(&self, filter: &Filter) -> Result<Chosen> {
        self.choose(filter, |client, transport, server| {
            !client.per_call || !filter.servers.is_empty() || usual(transport, &client.name, &server.name)
        })
    }

    /// What teams argue about; of what was named, all combinations, clients without a named server with the usual one.
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
                        chosen.combinations.push(Combination {
                            client: client.name.clone(),
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
        if chosen.combinations.is_empty() && chosen.left_out.is_empty() {
            let speak = |parts: &[&Part]| {
                let each = parts.iter().map(|part| format!("{} speaks {}", part.name, part.transports.join(" and ")));
                each.collect::<Vec<_>>().join(", ")
            };
            let reason = format!("{}; {}", speak(&clients), speak(&servers));
            return Err(Error::StackPart { reason: format!("no client speaks what a server does: {reason}") });
        }
        Ok(chosen)
    }

    /// Machine and versions, for what takes part.
    pub(super) fn measured_on(&self, combinations: &[Combination]) -> MeasuredOn {
        MeasuredOn {
            machine: cpu::machine(),
            python_version: self.python.as_ref().map(|python| python.version.clone()).unwrap_or_default(),
            versions: combinations.iter().flat_map(|combination| self.versions(combination)).collect(),
            measured_at: now(),
        }
    }

    fn versions(&self, combination: &Combination) -> BTreeMap<String, String> {
        let clients = self.clients.iter().filter(|part| part.name == combination.client);
        let servers = self.servers.iter().filter(|part| part.name == combination.server);
        clients.chain(servers).flat_map(|part| part.versions.clone()).collect()
    }

    /// Everything that the costs of a combination depend on, readable.
    pub(super) fn fingerprint(&self, combination: &Combination) -> String {
        let versions = self.versions(combination);
        let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let python = self.python.as_ref().map(|python| (python.version.as_str(), python.package_version.as_str()));
        let (python, package) = python.unwrap_or_default();
        let Combination { client, transport, server } = combination;
        format!(
            "{client} over {transport} to {server}: {}; Python {python}; splitcost {package}; {}",
            versions.join(", "),
            cpu::machine()
        )
    }
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
            python: None,
        }
    }

    fn names(chosen: Result<Chosen>) -> String {
        match chosen {
            Ok(chosen) => {
                chosen.combinations.iter().map(Combination::name).chain(chosen.left_out).collect::<Vec<_>>().join("\n")
            }
            Err(error) => format!("failed to {error}"),
        }
    }

    fn filter(clients: &[&str], servers: &[&str]) -> Filter {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Filter { clients: owned(clients), servers: owned(servers) }
    }

    #[test]
    fn all_that_makes_sense() {
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
    fn what_was_named() {
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
    fn what_cannot_be() {
        let argued = |clients: &[&str], servers: &[&str]| names(catalogue().argued(&filter(clients, servers)));
        insta::assert_snapshot!(argued(&["pigeon"], &[]), @"failed to choose stacks: there is no client pigeon: the clients are aiohttp, grpcio, httpx_async, requests_bare");
        insta::assert_snapshot!(argued(&["grpcio"], &["hypercorn"]), @"failed to choose stacks: no client speaks what a server does: grpcio speaks grpc; hypercorn speaks http/1.1 and h2c");
        insta::assert_snapshot!(argued(&[], &["granian"]), @"failed to use the granian stack:  has no granian");
    }
}

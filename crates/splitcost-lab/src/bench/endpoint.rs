//! Where load goes, and what is asked there.

use std::net::ToSocketAddrs;

use http::Uri;
use splitcost_load::{Address, RequestSpec, Roots, Target, Tls, Version, Workload, literal};

use crate::grpc::{self, Schema};
use crate::{Error, Result, cpu};

/// What is asked of each endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// This request, of the URL's own path.
    Path(RequestSpec),
    /// Several, of their own paths; the URL has none.
    Several {
        /// Seed of what is drawn.
        seed: u64,
        /// At least one.
        requests: Vec<RequestSpec>,
    },
}

/// Where load goes.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) url: String,
    pub(super) target: Target,
    pub(super) workload: Workload,
    /// The processes that listen there, where they are on this host.
    pub(super) servers: Vec<u32>,
}

impl Endpoint {
    /// Finds the server of a URL, and checks what shall be asked of it; with `grpc://`, by a schema.
    pub fn new(url: &str, ask: &Ask, services: &Schema) -> Result<Self> {
        let fail = |reason: String| Error::Url { url: url.to_owned(), reason };
        if !url.contains("://") {
            return Err(fail(format!("it has no scheme: write http://{url}")));
        }
        let uri: Uri = url.parse().map_err(|error| fail(format!("{error}")))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        let (is_grpc, is_encrypted) = match scheme {
            "http" => (false, false),
            "https" => (false, true),
            "grpc" => (true, false),
            "grpcs" => (true, true),
            other => return Err(fail(format!("the scheme {other} is neither HTTP nor gRPC"))),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fail("it names no host".to_owned()))?;
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = (name, port).to_socket_addrs().map_err(|error| fail(error.to_string()))?.next();
        let address = found.ok_or_else(|| fail("the host has no address".to_owned()))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let (seed, mut requests) = match ask {
            // Braces are placeholders in a workload, and nothing special in a URL.
            Ask::Path(request) => (0, vec![RequestSpec { path: literal(path), ..request.clone() }]),
            Ask::Several { .. } if path != "/" => {
                return Err(fail(format!("the paths are those of the requests: name it without {path}")));
            }
            Ask::Several { seed, requests } => (*seed, requests.clone()),
        };
        let target = Target {
            address: Address::Tcp(address),
            authority: authority.to_owned(),
            tls: is_encrypted.then(|| Tls { server_name: name.to_owned(), roots: Roots::Public }),
            version: if is_grpc { Version::Http2 } else { Version::Negotiated },
        };
        if is_grpc {
            let calls = requests.into_iter().map(|request| grpc::call(request, services, &target));
            requests = calls.collect::<Result<_>>()?;
        }
        let workload = Workload::new(seed, requests)?;
        let servers = if address.ip().is_loopback() { cpu::listeners(port) } else { Vec::new() };
        Ok(Self { url: url.to_owned(), target, workload, servers })
    }

    /// As it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is asked there.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }
}

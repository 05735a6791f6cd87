//! The server under load, and the requests that are sent to it.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;

use http::Uri;
use splitcost_lab::cpu;
use splitcost_load::{Address, RequestSpec, Roots, Target, Tls, Version, Workload, literal, monotonic_now};
use splitcost_model::quantity::Nanos;

use crate::grpc::{self, Schema};
use crate::{Error, Result};

/// The requests that are sent to each endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Requests {
    /// One request, to the path of the URL.
    Path(RequestSpec),
    /// Several requests with paths of their own; the URL has no path.
    Several {
        /// The seed of requests and parameters.
        seed: u64,
        /// The requests; at least one.
        requests: Vec<RequestSpec>,
    },
}

impl Requests {
    /// Returns the requests to a URL.
    pub fn at(&self, url: &str) -> Result<Vec<RequestSpec>> {
        let uri: Uri = url.parse().map_err(|error| Error::Url { url: url.to_owned(), reason: format!("{error}") })?;
        self.of(&uri, url)
    }

    fn of(&self, uri: &Uri, url: &str) -> Result<Vec<RequestSpec>> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        match self {
            // Braces are placeholders in a workload, and nothing special in a URL.
            Self::Path(request) => Ok(vec![RequestSpec { path: literal(path), ..request.clone() }]),
            Self::Several { .. } if path != "/" => Err(Error::Url {
                url: url.to_owned(),
                reason: format!("the paths are those of the requests: name it without {path}"),
            }),
            Self::Several { requests, .. } => Ok(requests.clone()),
        }
    }

    fn seed(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Several { seed, .. } => *seed,
        }
    }
}

/// The way to reach endpoints, as far as a URL does not say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// The HTTP version of `http://` and `https://`; `grpc://` is HTTP/2.
    pub version: Version,
    /// The certificates that `https://` and `grpcs://` trust.
    pub roots: Roots,
    /// The server's unix socket, whatever host the URL names.
    pub unix_socket: Option<PathBuf>,
    /// The description of the services of `grpc://`.
    pub schema: Schema,
}

/// A server under load, with the requests for it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) url: String,
    pub(crate) target: Target,
    pub(crate) workload: Workload,
    /// The processes that listen there, if they are on this host.
    pub(crate) servers: Vec<u32>,
    /// The time that the lookup of the host's name took; `None` for an address.
    pub(crate) name_lookup: Option<Nanos>,
}

impl Endpoint {
    /// Finds the server of a URL, and checks the requests; with `grpc://`, against the schema.
    pub fn new(url: &str, ask: &Requests, reach: &Reach) -> Result<Self> {
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
        let (address, servers, name_lookup) = if let Some(path) = &reach.unix_socket {
            (Address::Unix(path.clone()), cpu::unix_listeners(path), None)
        } else {
            let begun = monotonic_now();
            let mut found = (name, port).to_socket_addrs().map_err(|error| fail(error.to_string()))?;
            let address = found.next().ok_or_else(|| fail("the host has no address".to_owned()))?;
            let name_lookup = name.parse::<IpAddr>().is_err().then(|| monotonic_now() - begun);
            let servers = if address.ip().is_loopback() { cpu::listeners(port) } else { Vec::new() };
            (Address::Tcp(address), servers, name_lookup)
        };
        let mut requests = ask.of(&uri, url)?;
        let target = Target {
            address,
            authority: authority.to_owned(),
            tls: is_encrypted.then(|| Tls { server_name: name.to_owned(), roots: reach.roots.clone() }),
            version: if is_grpc { Version::Http2 } else { reach.version },
        };
        if is_grpc {
            let calls = requests.into_iter().map(|request| grpc::call(request, &reach.schema, &target));
            requests = calls.collect::<Result<_>>()?;
        }
        let workload = Workload::new(ask.seed(), requests)?;
        Ok(Self { url: url.to_owned(), target, workload, servers, name_lookup })
    }

    /// Returns the URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the requests.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }
}

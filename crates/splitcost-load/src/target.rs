//! Where requests go, and how they get there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::connection::tls;
use crate::connection::wire::TlsParams;
use crate::{Error, Workload};

/// One server, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// `host` or `host:port`, as requests name it, unless they have a `host` header of their own.
    pub authority: String,
    /// Encrypted, if any.
    pub tls: Option<Tls>,
    /// The version of HTTP.
    pub version: Version,
}

impl From<SocketAddr> for Target {
    /// HTTP/1.1 in the clear.
    fn from(address: SocketAddr) -> Self {
        Self { address: Address::Tcp(address), authority: address.to_string(), tls: None, version: Version::Negotiated }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port, IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// The version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What the server chooses (ALPN) over TLS, HTTP/1.1 in the clear.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: ALPN with `h2` alone over TLS, prior knowledge in the clear.
    Http2,
}

/// How the server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Who the certificate must be for, and what the server is told (SNI): a name or an IP address.
    pub server_name: String,
    /// Whom to trust.
    pub roots: Roots,
}

impl Tls {
    /// What it means to rustls, and the name that it checks.
    ///
    /// # Errors
    /// Says what is wrong with the name or the certificates.
    pub fn client_config(&self, version: Version) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let TlsParams { config, server_name } = tls::params(self, version)?;
        Ok((config, server_name))
    }
}

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that browsers trust (Mozilla's list, as the `webpki-roots` crate has it).
    #[default]
    Public,
    /// The certificates of a PEM bundle, alone.
    Pem(Vec<u8>),
    /// Anybody: no certificate is checked.
    Unverified,
}

/// Where the requests of a workload go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    default: Target,
    by_name: BTreeMap<String, Target>,
}

impl Targets {
    /// All to one server.
    pub fn all(default: impl Into<Target>) -> Self {
        Self { default: default.into(), by_name: BTreeMap::new() }
    }

    /// The request of this name to another server.
    #[must_use]
    pub fn with(mut self, request: impl Into<String>, target: impl Into<Target>) -> Self {
        self.by_name.insert(request.into(), target.into());
        self
    }

    /// Each request's target, in the workload's order.
    pub(crate) fn resolve(&self, workload: &Workload) -> Result<Vec<&Target>, Error> {
        if let Some(name) = self.by_name.keys().find(|name| workload.requests().iter().all(|r| r.name() != *name)) {
            return Err(Error::UnknownTarget(name.clone()));
        }
        Ok(workload.requests().iter().map(|r| self.by_name.get(r.name()).unwrap_or(&self.default)).collect())
    }
}

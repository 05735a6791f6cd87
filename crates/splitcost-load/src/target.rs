//! The servers that requests go to, and how connections to them are made.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::session::Session;
use crate::workload::Workload;

/// A server: its address, and the protocols that are used to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address that the server listens on.
    pub address: Address,
    /// The `host` or `host:port` that requests carry, unless they set a `host` header of their own.
    pub authority: String,
    /// The TLS settings; `None` sends requests unencrypted.
    pub tls: Option<Tls>,
    /// The version of HTTP that requests are sent over.
    pub version: Version,
}

impl From<SocketAddr> for Target {
    /// Makes a target for unencrypted HTTP/1.1.
    fn from(address: SocketAddr) -> Self {
        Self { address: Address::Tcp(address), authority: address.to_string(), tls: None, version: Version::Negotiated }
    }
}

/// An address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port on an IPv4 or IPv6 address.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The version that the server chooses by ALPN over TLS; HTTP/1.1 without TLS.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: ALPN offers only `h2` over TLS; without TLS, prior knowledge is assumed.
    Http2,
}

/// The name and the authorities that a server's certificate is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name or IP address that the certificate must be valid for. It is also sent to the server (SNI).
    pub server_name: String,
    /// The certificate authorities that are trusted.
    pub roots: Roots,
}

/// The certificate authorities that a connection trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The authorities on Mozilla's list, as the `webpki-roots` crate ships it.
    #[default]
    Public,
    /// Only the certificates of this PEM bundle.
    Pem(Vec<u8>),
    /// Any server: certificates are not verified.
    Unverified,
}

/// The target of each request of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    default: Target,
    by_name: BTreeMap<String, Target>,
    sessions: Arc<[Session]>,
}

impl Targets {
    /// Sends all requests to one server.
    pub fn all(default: impl Into<Target>) -> Self {
        Self { default: default.into(), by_name: BTreeMap::new(), sessions: Arc::default() }
    }

    /// Sends the request with this name to another server.
    #[must_use]
    pub fn with(mut self, request: impl Into<String>, target: impl Into<Target>) -> Self {
        self.by_name.insert(request.into(), target.into());
        self
    }

    /// Sends requests as these users, who take turns: see [`open_sessions`](crate::open_sessions).
    #[must_use]
    pub fn with_sessions(mut self, sessions: Arc<[Session]>) -> Self {
        self.sessions = sessions;
        self
    }

    pub(crate) fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Returns the target of the request with this name.
    pub(crate) fn of(&self, request: &str) -> &Target {
        self.by_name.get(request).unwrap_or(&self.default)
    }

    /// Returns the target of each request, in the order of the workload.
    pub(crate) fn resolve(&self, workload: &Workload) -> Result<Vec<&Target>, Error> {
        if let Some(name) = self.by_name.keys().find(|name| workload.requests().iter().all(|r| r.name() != *name)) {
            return Err(Error::UnknownTarget(name.clone()));
        }
        Ok(workload.requests().iter().map(|r| self.of(r.name())).collect())
    }
}

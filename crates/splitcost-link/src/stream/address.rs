//! Where a link listens or leads to.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::Error;

/// Chosen: as many as the kernel gives by default.
const BACKLOG: i32 = 4_096;

/// An address of TCP, or a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Of TCP.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The addresses of `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:app.sock`.
    ///
    /// # Errors
    /// When it is none, or the name is not known.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(vec![Self::Unix(path.into())]);
        }
        let resolve = |source| Error::Address { text: text.to_owned(), source };
        let addresses: Vec<Self> = text.to_socket_addrs().map_err(resolve)?.map(Self::Tcp).collect();
        if addresses.is_empty() {
            return Err(resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
        }
        Ok(addresses)
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// A socket that listens, to one network device or to all, and where.
    pub(super) fn listen(&self, device: Option<&str>) -> io::Result<(Socket, Self)> {
        let socket = self.socket()?;
        #[cfg(target_os = "linux")]
        socket.bind_device(device.map(str::as_bytes))?;
        #[cfg(not(target_os = "linux"))]
        let _ = device;
        if let Self::Tcp(_) = self {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&self.sock_addr()?)?;
        socket.listen(BACKLOG)?;
        let listens = match self {
            Self::Tcp(asked) => Self::Tcp(socket.local_addr()?.as_socket().unwrap_or(*asked)),
            Self::Unix(path) => Self::Unix(path.clone()),
        };
        Ok((socket, listens))
    }

    /// A socket that begins to connect.
    pub(super) fn connect(&self) -> io::Result<Socket> {
        let socket = self.socket()?;
        prepare(&socket, self)?;
        match socket.connect(&self.sock_addr()?) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
            _ => Ok(socket),
        }
    }

    fn socket(&self) -> io::Result<Socket> {
        let domain = match self {
            Self::Tcp(address) => Domain::for_address(*address),
            Self::Unix(_) => Domain::UNIX,
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn sock_addr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Tcp(address) => Ok((*address).into()),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }
}

/// Makes a socket of a connection hand on at once what it is given.
pub(super) fn prepare(socket: &Socket, address: &Address) -> io::Result<()> {
    match address {
        Address::Tcp(_) => socket.set_tcp_nodelay(true),
        Address::Unix(_) => Ok(()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

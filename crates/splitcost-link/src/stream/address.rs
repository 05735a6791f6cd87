//! The addresses of links and servers, and the sockets for them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::Error;

/// The length of the accept queue.
///
/// Chosen: the default limit of the kernel.
const BACKLOG: i32 = 4_096;

/// A TCP address, or the path of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Returns the addresses for a text such as `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:app.sock`.
    ///
    /// # Errors
    /// Fails when the text is not an address, or the host name is unknown.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(vec![Self::Unix(path.into())]);
        }
        let resolve = |source| Error::Address { text: text.to_owned(), source };
        let addresses: Vec<Self> = text.to_socket_addrs().map_err(resolve)?.map(Self::Tcp).collect();
        if addresses.is_empty() {
            return Err(resolve(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(addresses)
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Binds a socket that does not listen, so that the kernel gives the port to no other socket. Returns the socket and the
    /// bound address. Only Linux lets a second socket listen on the port meanwhile; elsewhere, nothing is reserved.
    pub(super) fn reserve(&self, device: Option<&str>) -> io::Result<(Option<Socket>, Self)> {
        let Self::Tcp(asked) = self else { return Ok((None, self.clone())) };
        if !cfg!(target_os = "linux") {
            return Ok((None, self.clone()));
        }
        let socket = self.bind(device)?;
        let bound = Self::Tcp(socket.local_addr()?.as_socket().unwrap_or(*asked));
        Ok((Some(socket), bound))
    }

    /// Makes a socket that listens, and returns it with its address. With a device, it accepts connections only through that
    /// network device.
    pub(super) fn listen(&self, device: Option<&str>) -> io::Result<(Socket, Self)> {
        let socket = self.bind(device)?;
        socket.listen(BACKLOG)?;
        let listens = match self {
            Self::Tcp(asked) => Self::Tcp(socket.local_addr()?.as_socket().unwrap_or(*asked)),
            Self::Unix(path) => Self::Unix(path.clone()),
        };
        Ok((socket, listens))
    }

    fn bind(&self, device: Option<&str>) -> io::Result<Socket> {
        let socket = self.socket()?;
        #[cfg(target_os = "linux")]
        socket.bind_device(device.map(str::as_bytes))?;
        #[cfg(not(target_os = "linux"))]
        let _ = device;
        if let Self::Tcp(_) = self {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&self.sock_addr()?)?;
        Ok(socket)
    }

    /// Makes a socket that begins to connect.
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

/// Makes the socket of a connection send each write at once.
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

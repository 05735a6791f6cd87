//! TCP ports for servers that take a number and cannot be handed a socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

use crate::{Error, Result};

/// A port on loopback that the kernel gives to nobody else while this lives.
///
/// A socket is bound to it that does not listen. A server that sets `SO_REUSEADDR`, as nearly all do, can listen there
/// nevertheless; until it does, connections are refused.
///
/// # Source
/// socket(7), `SO_REUSEADDR`: an address may be bound again except when there is an active listening socket.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    number: u16,
    socket: Option<OwnedFd>,
}

impl ReservedPort {
    /// Reserves a port.
    pub(crate) fn new() -> Result<Self> {
        Self::bound().map_err(Error::io("reserve a port on", "127.0.0.1"))
    }

    fn bound() -> io::Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        // Only now: a socket that may share an address could be given one that is reserved already.
        set_socket_reuseaddr(&socket, true)?;
        let address = SocketAddr::try_from(getsockname(&socket)?)?;
        Ok(Self { number: address.port(), socket: Some(socket) })
    }

    /// Gives the port free; the number stays.
    pub(crate) fn release(&mut self) {
        drop(self.socket.take());
    }

    /// Returns the number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_and_can_be_listened_on() {
        let port = ReservedPort::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        // The standard library sets SO_REUSEADDR.
        let listener = TcpListener::bind(address).unwrap();
        let connection = TcpStream::connect(address).unwrap();
        drop((listener, connection));
        assert_eq!(bind_plainly(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    /// Binds as a server does that does not set `SO_REUSEADDR`.
    fn bind_plainly(address: SocketAddr) -> io::Result<()> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok(bind(&socket, &address)?)
    }
}

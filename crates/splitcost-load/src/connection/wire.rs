//! The byte stream of a connection: a non-blocking socket, with TLS over it where the target asks for that.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustls::{ClientConnection, InvalidMessage};

use super::tls::TlsParams;
use crate::outcome::Failure;
use crate::target::Address;

/// The most bytes that are read from one connection before the other connections are served.
///
/// Chosen: a server may send without end, and must not keep the others waiting.
const READ_BUDGET_BYTES: usize = 1 << 20;

/// The byte stream of one connection.
pub(crate) struct Wire {
    pub(crate) socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
    /// True when the kernel had no buffer space for the bytes to send.
    pub(crate) blocked: bool,
    /// True once any byte was sent, which shows that the connection is established.
    pub(crate) connected: bool,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// The first bytes that were received, before decryption.
    first: Vec<u8>,
    /// The bytes that may still be read in this turn.
    budget: usize,
    /// True when the kernel had no more bytes; epoll reports when there are new ones.
    drained: bool,
    /// The first failure of reading or writing.
    pub(crate) failure: Option<Failure>,
    /// The error message of TLS.
    pub(crate) detail: String,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ReadOutcome {
    Bytes(usize),
    Blocked,
    /// The server closed its sending side.
    End,
}

impl Wire {
    /// Creates a socket and begins to connect it.
    pub(crate) fn open(address: &Address, tls: Option<&TlsParams>) -> Result<Self, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, connecting) = match address {
            Address::Tcp(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
                // With Nagle's algorithm the last part of a request could wait for an acknowledgement.
                rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
                let connecting = rustix::net::connect(&socket, address);
                (socket, connecting)
            }
            Address::Unix(path) => {
                let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
                let connecting = rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_path())?);
                (socket, connecting)
            }
        };
        match connecting {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let tls = match tls {
            Some(tls) => match ClientConnection::new(Arc::clone(&tls.config), tls.server_name.clone()) {
                Ok(connection) => Some(Box::new(connection)),
                Err(_) => return Err(Errno::INVAL),
            },
            None => None,
        };
        Ok(Self {
            socket,
            tls,
            blocked: false,
            connected: false,
            bytes_in: 0,
            bytes_out: 0,
            first: Vec::new(),
            budget: READ_BUDGET_BYTES,
            drained: false,
            failure: None,
            detail: String::new(),
        })
    }

    /// Begins a turn: the socket may accept bytes again, and has bytes to read if `readable` is true.
    pub(crate) fn refresh(&mut self, readable: bool) {
        self.budget = READ_BUDGET_BYTES;
        self.blocked = false;
        self.drained &= !readable;
    }

    /// Continues the TLS handshake. Returns true when the connection is ready for requests.
    pub(crate) fn establish(&mut self) -> Result<bool, Failure> {
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            self.flush()?;
            match self.fill()? {
                ReadOutcome::Bytes(_) => {}
                ReadOutcome::Blocked => return Ok(false),
                ReadOutcome::End => {
                    "the server closed the connection during the handshake".clone_into(&mut self.detail);
                    return Err(self.fail(Failure::ClosedEarly));
                }
            }
        }
        Ok(true)
    }

    /// Returns true if the server chose HTTP/2 by ALPN.
    pub(crate) fn chose_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.alpn_protocol() == Some(b"h2"))
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends as many of the bytes as the kernel takes, and returns their number.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if let Some(tls) = &mut self.tls {
            let taken = tls.writer().write(bytes).unwrap_or(0);
            self.flush()?;
            return Ok(taken);
        }
        self.send(bytes)
    }

    /// Sends the bytes that TLS has encrypted.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while let Some(tls) = &mut self.tls
            && tls.wants_write()
        {
            let mut sent = Err(Errno::AGAIN);
            let socket = &self.socket;
            let written = tls.write_tls(&mut Sender(|bytes: &[u8]| {
                sent = rustix::net::send(socket, bytes, SendFlags::NOSIGNAL);
                sent
            }));
            self.sent(if written.is_ok() { sent } else { sent.and(Err(Errno::AGAIN)) })?;
            if self.blocked {
                break;
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let sent = rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL);
        self.sent(sent)
    }

    fn sent(&mut self, sent: Result<usize, Errno>) -> Result<usize, Failure> {
        match sent {
            Ok(count) => {
                self.connected = true;
                self.bytes_out += count as u64;
                Ok(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.blocked = true;
                Ok(0)
            }
            Err(errno) => Err(self.fail(failure(errno))),
        }
    }

    /// Reads at most one buffer of decrypted bytes.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, Failure> {
        if self.tls.is_none() {
            return self.receive(buffer);
        }
        loop {
            let Some(tls) = &mut self.tls else { return Ok(ReadOutcome::Blocked) };
            match tls.reader().read(buffer) {
                Ok(0) => return Ok(ReadOutcome::End),
                Ok(count) => return Ok(ReadOutcome::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Ok(ReadOutcome::End),
            }
            match self.fill()? {
                ReadOutcome::Bytes(_) => {}
                // A truncated answer is detected by the framing of HTTP.
                other => return Ok(other),
            }
        }
    }

    /// Reads encrypted bytes from the socket and decrypts them.
    fn fill(&mut self) -> Result<ReadOutcome, Failure> {
        let mut buffer = [0; 16_384];
        let got = self.receive(&mut buffer)?;
        let ReadOutcome::Bytes(count) = got else { return Ok(got) };
        let Some(tls) = &mut self.tls else { return Ok(got) };
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            let taken = tls.read_tls(&mut bytes).unwrap_or(0);
            if let Err(error) = tls.process_new_packets() {
                let failure = match &error {
                    rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
                    | rustls::Error::NoApplicationProtocol
                    | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
                        Failure::WrongProtocol
                    }
                    _ => Failure::Tls,
                };
                self.detail = error.to_string();
                // This sends the TLS alert; a failure to send it changes nothing.
                let _ = self.flush();
                return Err(self.fail(failure));
            }
            if taken == 0 {
                break;
            }
        }
        self.flush()?;
        Ok(got)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, Failure> {
        if self.budget == 0 || self.drained {
            return Ok(ReadOutcome::Blocked);
        }
        match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => Ok(ReadOutcome::End),
            Ok((count, _)) => {
                self.budget = self.budget.saturating_sub(count);
                self.bytes_in += count as u64;
                // A short read has emptied the socket, so that another call would return nothing. Epoll reports new bytes.
                self.drained = count < buffer.len();
                if self.first.len() < 8 {
                    self.first.extend_from_slice(&buffer[..count.min(8)]);
                }
                Ok(ReadOutcome::Bytes(count))
            }
            Err(Errno::AGAIN) => {
                self.drained = true;
                Ok(ReadOutcome::Blocked)
            }
            Err(Errno::INTR) => Ok(ReadOutcome::Blocked),
            Err(errno) => Err(self.fail(failure(errno))),
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        *self.failure.get_or_insert(failure)
    }

    /// Classifies an answer that cannot be parsed: another protocol, or malformed.
    pub(crate) fn unreadable(&self, expects_http2: bool) -> Failure {
        let is_alert = self.first.starts_with(&[0x15, 3]);
        let is_http1 = self.first.starts_with(b"HTTP/");
        // A SETTINGS frame, with which each HTTP/2 server begins.
        let is_http2 = self.first.len() >= 5 && self.first[..2] == [0, 0] && self.first[3] == 4;
        let is_other = if expects_http2 { is_http1 } else { is_http2 };
        if self.tls.is_none() && (is_alert || is_other) { Failure::WrongProtocol } else { Failure::Malformed }
    }
}

/// A writer that calls a function.
struct Sender<F>(F);

impl<F: FnMut(&[u8]) -> Result<usize, Errno>> std::io::Write for Sender<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)(bytes).map_err(Into::into)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the failure that an error of a socket is counted as.
pub(crate) fn failure(errno: Errno) -> Failure {
    match errno {
        // Without its file, a unix socket has no listener.
        Errno::CONNREFUSED | Errno::NOENT => Failure::Refused,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => Failure::Reset,
        Errno::TIMEDOUT => Failure::Timeout,
        _ => Failure::Unreachable,
    }
}

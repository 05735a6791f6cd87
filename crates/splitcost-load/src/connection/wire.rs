//! The bytes of a connection: a socket that does not block, and TLS over it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, InvalidMessage};

use crate::outcome::Failure;
use crate::target::Address;

/// Chosen: how much is read of one connection before others have their turn; a server may send without end.
const READ_BUDGET_BYTES: usize = 1 << 20;

/// How connections to a target are encrypted.
#[derive(Clone)]
pub(crate) struct TlsParams {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

pub(crate) struct Wire {
    pub(crate) socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
    /// Whether the kernel had no room for what shall be sent.
    pub(crate) blocked: bool,
    /// Whether anything was sent: then it is connected.
    pub(crate) connected: bool,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// The first bytes that came, below TLS.
    first: Vec<u8>,
    /// What may still be read in this turn.
    budget: usize,
    /// Whether the kernel had nothing more; it tells when that has changed.
    drained: bool,
    /// Why reading or writing failed.
    pub(crate) failure: Option<Failure>,
    /// What TLS said about it.
    pub(crate) detail: String,
}

/// What reading led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Got {
    Bytes(usize),
    Blocked,
    /// The server has closed its side.
    End,
}

impl Wire {
    /// Begin to connect.
    pub(crate) fn open(address: &Address, tls: Option<&TlsParams>) -> Result<Self, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, connecting) = match address {
            Address::Tcp(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
                // Without it an answer may be waited for with the rest of the request unsent.
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

    /// A new turn: the socket may have room again, and bytes if the kernel said so.
    pub(crate) fn refresh(&mut self, readable: bool) {
        self.budget = READ_BUDGET_BYTES;
        self.blocked = false;
        self.drained &= !readable;
    }

    /// Go on with the TLS handshake; whether the connection is ready for requests.
    pub(crate) fn establish(&mut self) -> Result<bool, Failure> {
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            self.flush()?;
            match self.fill()? {
                Got::Bytes(_) => {}
                Got::Blocked => return Ok(false),
                Got::End => {
                    "the server closed in the handshake".clone_into(&mut self.detail);
                    return Err(self.fail(Failure::ClosedEarly));
                }
            }
        }
        Ok(true)
    }

    /// Whether ALPN chose HTTP/2.
    pub(crate) fn chose_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.alpn_protocol() == Some(b"h2"))
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Send what there is room for; how many bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if let Some(tls) = &mut self.tls {
            let taken = tls.writer().write(bytes).unwrap_or(0);
            self.flush()?;
            return Ok(taken);
        }
        self.send(bytes)
    }

    /// Send what TLS has to send.
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

    /// Read at most a buffer.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Got, Failure> {
        if self.tls.is_none() {
            return self.receive(buffer);
        }
        loop {
            let Some(tls) = &mut self.tls else { return Ok(Got::Blocked) };
            match tls.reader().read(buffer) {
                Ok(0) => return Ok(Got::End),
                Ok(count) => return Ok(Got::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Ok(Got::End),
            }
            match self.fill()? {
                Got::Bytes(_) => {}
                // Truncation is for HTTP's framing to find.
                other => return Ok(other),
            }
        }
    }

    /// Take bytes of TLS from the socket.
    fn fill(&mut self) -> Result<Got, Failure> {
        let mut buffer = [0; 16_384];
        let got = self.receive(&mut buffer)?;
        let Got::Bytes(count) = got else { return Ok(got) };
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
                // The alert that says so; that it cannot be sent changes nothing.
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

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Got, Failure> {
        if self.budget == 0 || self.drained {
            return Ok(Got::Blocked);
        }
        match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => Ok(Got::End),
            Ok((count, _)) => {
                self.budget = self.budget.saturating_sub(count);
                self.bytes_in += count as u64;
                // Asking again would be a system call for nothing; what comes now is told as something new.
                self.drained = count < buffer.len();
                if self.first.len() < 8 {
                    self.first.extend_from_slice(&buffer[..count.min(8)]);
                }
                Ok(Got::Bytes(count))
            }
            Err(Errno::AGAIN) => {
                self.drained = true;
                Ok(Got::Blocked)
            }
            Err(Errno::INTR) => Ok(Got::Blocked),
            Err(errno) => Err(self.fail(failure(errno))),
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        *self.failure.get_or_insert(failure)
    }

    /// What an answer that cannot be read is: of another protocol, or broken.
    pub(crate) fn unreadable(&self, expects_http2: bool) -> Failure {
        let is_alert = self.first.starts_with(&[0x15, 3]);
        let is_http1 = self.first.starts_with(b"HTTP/");
        // A frame of SETTINGS, of stream 0.
        let is_http2 = self.first.len() >= 5 && self.first[..2] == [0, 0] && self.first[3] == 4;
        let is_other = if expects_http2 { is_http1 } else { is_http2 };
        if self.tls.is_none() && (is_alert || is_other) { Failure::WrongProtocol } else { Failure::Malformed }
    }
}

/// A function as a writer.
struct Sender<F>(F);

impl<F: FnMut(&[u8]) -> Result<usize, Errno>> std::io::Write for Sender<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)(bytes).map_err(Into::into)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How an error of a socket is counted.
pub(crate) fn failure(errno: Errno) -> Failure {
    match errno {
        // No file of that name: nobody listens on the unix socket.
        Errno::CONNREFUSED | Errno::NOENT => Failure::Refused,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => Failure::Reset,
        Errno::TIMEDOUT => Failure::Timeout,
        _ => Failure::Unreachable,
    }
}

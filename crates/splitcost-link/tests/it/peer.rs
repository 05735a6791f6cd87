//! The two ends of a link: sockets with a deadline, so that no test hangs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use splitcost_link::policy::{Policy, Rule, parse};
use splitcost_link::stream::{Address, Emulator, LinkId, Spec, Tally};

/// Long enough for any machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A TCP or unix socket.
pub(crate) trait Peer: Read + Write + Send + 'static {
    fn finish(&self);
    fn set_deadline(&self);
}

macro_rules! peer {
    ($socket:ty) => {
        impl Peer for $socket {
            fn finish(&self) {
                self.shutdown(Shutdown::Write).unwrap();
            }
            fn set_deadline(&self) {
                self.set_read_timeout(Some(DEADLINE)).unwrap();
                self.set_write_timeout(Some(DEADLINE)).unwrap();
            }
        }
    };
}
peer!(TcpStream);
peer!(UnixStream);

/// The function that serves a connection.
pub(crate) type Serve = fn(&mut dyn Read, &mut dyn Write) -> io::Result<()>;

/// Returns an address that refuses connections for as long as the socket lives: the socket is bound, but does not listen.
pub(crate) fn refusing() -> (Address, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (Address::Tcp(socket.local_addr().unwrap().as_socket().unwrap()), socket)
}

/// Sends back all bytes, until the end of the stream.
pub(crate) fn echo(read: &mut dyn Read, write: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        match read.read(&mut buffer)? {
            0 => return Ok(()),
            count => write.write_all(&buffer[..count])?,
        }
    }
}

/// Starts a server with a thread for each connection, which runs until the process ends.
pub(crate) fn serve_tcp(address: &str, serve: Serve) -> Address {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            socket.set_deadline();
            std::thread::spawn(move || serve(&mut socket.try_clone()?, &mut socket));
        }
    });
    Address::Tcp(address)
}

pub(crate) fn serve_unix(path: &Path, serve: Serve) -> Address {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            socket.set_deadline();
            std::thread::spawn(move || serve(&mut socket.try_clone()?, &mut socket));
        }
    });
    Address::Unix(path.to_owned())
}

/// A link of the stream engine to a server.
pub(crate) struct StreamLink {
    pub(crate) emulator: Emulator,
    pub(crate) id: LinkId,
    pub(crate) listens: Address,
}

impl StreamLink {
    /// Opens a link on a free port.
    pub(crate) fn new(server: Address, faults: &[&str]) -> Self {
        Self::at("127.0.0.1:0", server, policy(faults))
    }

    pub(crate) fn at(listen: &str, server: Address, policy: Policy) -> Self {
        let emulator = Emulator::start().unwrap();
        let listen = Address::parse(listen).unwrap().remove(0);
        let (id, listens) = emulator.open(Spec { listen, to: vec![server], policy }).unwrap();
        Self { emulator, id, listens }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let Address::Tcp(address) = self.listens else { panic!("not of TCP") };
        let socket = TcpStream::connect(address).unwrap();
        socket.set_deadline();
        socket
    }

    pub(crate) fn tally(&self) -> Tally {
        self.emulator.tally(self.id).unwrap()
    }

    /// Waits until the counts of the link satisfy a condition.
    pub(crate) fn wait(&self, reached: impl Fn(&Tally) -> bool) {
        let begun = std::time::Instant::now();
        while !reached(&self.tally()) {
            assert!(begun.elapsed() < DEADLINE, "the condition is still false: {:?}", self.tally());
            std::thread::yield_now();
        }
    }
}

pub(crate) fn rules(faults: &[&str]) -> Vec<Rule> {
    faults.iter().map(|fault| parse(fault).unwrap()).collect()
}

pub(crate) fn policy(faults: &[&str]) -> Policy {
    Policy::new(rules(faults), 7)
}

/// Sends bytes from another thread.
pub(crate) fn send(mut socket: TcpStream, bytes: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        socket.write_all(&bytes).unwrap();
        socket.finish();
    })
}

/// Receives all bytes until the end of the stream.
pub(crate) fn receive(socket: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Returns pseudorandom bytes.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

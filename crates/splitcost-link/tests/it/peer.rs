//! Both ends of a link: real sockets, each with a deadline, so that nothing hangs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use splitcost_link::policy::{Policy, Rule, parse};
use splitcost_link::stream::{Address, Emulator, LinkId, Spec, Tally};

/// Long enough for any machine; whatever takes it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A socket of either kind.
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

/// What a server does with a connection.
pub(crate) type Serve = fn(&mut dyn Read, &mut dyn Write) -> io::Result<()>;

/// Sends back what comes, until the end.
pub(crate) fn echo(read: &mut dyn Read, write: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        match read.read(&mut buffer)? {
            0 => return Ok(()),
            count => write.write_all(&buffer[..count])?,
        }
    }
}

/// Serves every connection in a thread of its own, until the process ends.
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

/// A link to a server.
pub(crate) struct Link {
    pub(crate) emulator: Emulator,
    pub(crate) id: LinkId,
    pub(crate) listens: Address,
}

impl Link {
    /// From a port of its own to `server`, with these faults.
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

    /// Waits until the link has come to a state.
    pub(crate) fn wait(&self, reached: impl Fn(&Tally) -> bool) {
        let begun = std::time::Instant::now();
        while !reached(&self.tally()) {
            assert!(begun.elapsed() < DEADLINE, "it is still at {:?}", self.tally());
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

/// Sends bytes from a thread of its own.
pub(crate) fn send(mut socket: TcpStream, bytes: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        socket.write_all(&bytes).unwrap();
        socket.finish();
    })
}

/// All that comes until the end.
pub(crate) fn receive(socket: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Bytes of which no two neighbours are alike.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

//! A link emulator whose engine is chosen at run time.

use splitcost_model::link::Link;

use crate::Error;
use crate::policy::Policy;
use crate::stream::{Address, LinkId, Spec};
use crate::tally::Tally;
use crate::{packet, stream};

/// An engine that emulates links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A proxy. It needs no privileges, and handles bytes, not packets.
    #[default]
    Stream,
    /// A network device. It handles packets, and needs Linux and the right to make network devices.
    Packet,
}

impl Engine {
    /// Returns the name of the engine.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Packet => "packet",
        }
    }

    /// Returns the properties of a link that this engine does not emulate.
    pub fn left_out(self, link: &Link) -> Vec<String> {
        match self {
            Self::Stream => stream::left_out(link),
            Self::Packet => packet::left_out(link),
        }
    }
}

/// A running engine.
#[derive(Debug)]
pub enum Emulator {
    /// The stream engine.
    Stream(stream::Emulator),
    /// The packet engine.
    Packet(packet::Emulator),
}

impl Emulator {
    /// Starts an engine without links.
    ///
    /// # Errors
    /// Fails when the system refuses a thread or a network device.
    pub fn start(engine: Engine) -> Result<Self, Error> {
        Ok(match engine {
            Engine::Stream => Self::Stream(stream::Emulator::start()?),
            Engine::Packet => Self::Packet(packet::Emulator::start()?),
        })
    }

    /// Returns the engine that runs.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Stream(_) => Engine::Stream,
            Self::Packet(_) => Engine::Packet,
        }
    }

    /// Returns the address for a link whose user asks for none. Its port is 0, so that the kernel chooses one.
    pub fn any_address(&self) -> Address {
        let host = match self {
            Self::Stream(_) => std::net::Ipv4Addr::LOCALHOST,
            Self::Packet(emulator) => emulator.address(),
        };
        Address::Tcp((host, 0).into())
    }

    /// Parses the address that a link listens on. For the packet engine, a port alone is enough.
    ///
    /// # Errors
    /// Fails when the text is not an address, or the host name is unknown.
    pub fn address(&self, text: &str) -> Result<Address, Error> {
        let text = match self {
            Self::Packet(emulator) if !text.contains(|c: char| c != ':' && !c.is_ascii_digit()) => {
                &format!("{}:{}", emulator.address(), text.trim_start_matches(':'))
            }
            _ => text,
        };
        Ok(Address::parse(text)?.swap_remove(0))
    }

    /// Returns true if the thread of the engine has real-time priority.
    pub fn realtime(&self) -> bool {
        match self {
            Self::Stream(emulator) => emulator.realtime(),
            Self::Packet(emulator) => emulator.realtime(),
        }
    }

    /// Opens a link, and returns its address.
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy, or cannot listen on the address.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        match self {
            Self::Stream(emulator) => emulator.open(spec),
            Self::Packet(emulator) => emulator.open(spec),
        }
    }

    /// Replaces the policy of a link and of all its connections.
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy.
    pub fn change(&self, id: LinkId, policy: Policy) -> Result<(), Error> {
        match self {
            Self::Stream(emulator) => emulator.change(id, policy),
            Self::Packet(emulator) => emulator.change(id, &policy),
        }
    }

    /// Closes a link and all its connections.
    pub fn close(&self, id: LinkId) {
        match self {
            Self::Stream(emulator) => emulator.close(id),
            Self::Packet(emulator) => emulator.close(id),
        }
    }

    /// Returns the counts and times of a link so far.
    ///
    /// # Errors
    /// Fails when the engine has stopped.
    pub fn tally(&self, id: LinkId) -> Result<Tally, Error> {
        match self {
            Self::Stream(emulator) => emulator.tally(id),
            Self::Packet(emulator) => emulator.tally(id),
        }
    }
}

impl From<stream::Emulator> for Emulator {
    fn from(emulator: stream::Emulator) -> Self {
        Self::Stream(emulator)
    }
}

impl From<packet::Emulator> for Emulator {
    fn from(emulator: packet::Emulator) -> Self {
        Self::Packet(emulator)
    }
}

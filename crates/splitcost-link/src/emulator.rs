//! Either engine, chosen by a value.

use splitcost_model::link::Link;

use crate::Error;
use crate::policy::Policy;
use crate::stream::{Address, LinkId, Spec};
use crate::tally::Tally;
use crate::{packet, stream};

/// What a link is emulated by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A proxy, which needs no rights and knows of bytes only.
    #[default]
    Stream,
    /// A network device, which needs Linux and root and knows of packets.
    Packet,
}

impl Engine {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Packet => "packet",
        }
    }

    /// What belongs to a link, and this engine does not do.
    pub fn left_out(self, link: &Link) -> Vec<String> {
        match self {
            Self::Stream => stream::left_out(link),
            Self::Packet => packet::left_out(link),
        }
    }
}

/// A running engine of either kind.
#[derive(Debug)]
pub enum Emulator {
    /// Of streams.
    Stream(stream::Emulator),
    /// Of packets.
    Packet(packet::Emulator),
}

impl Emulator {
    /// Starts one, without a link.
    ///
    /// # Errors
    /// When the system refuses what it takes.
    pub fn start(engine: Engine) -> Result<Self, Error> {
        Ok(match engine {
            Engine::Stream => Self::Stream(stream::Emulator::start()?),
            Engine::Packet => Self::Packet(packet::Emulator::start()?),
        })
    }

    /// Of which kind it is.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Stream(_) => Engine::Stream,
            Self::Packet(_) => Engine::Packet,
        }
    }

    /// Where a link listens that has no address asked for.
    pub fn any_address(&self) -> Address {
        let host = match self {
            Self::Stream(_) => std::net::Ipv4Addr::LOCALHOST,
            Self::Packet(emulator) => emulator.address(),
        };
        Address::Tcp((host, 0).into())
    }

    /// The address that people mean by `text`: of an engine of packets, a port.
    ///
    /// # Errors
    /// When it is none, or the name is not known.
    pub fn address(&self, text: &str) -> Result<Address, Error> {
        let text = match self {
            Self::Packet(emulator) if !text.contains(|c: char| c != ':' && !c.is_ascii_digit()) => {
                &format!("{}:{}", emulator.address(), text.trim_start_matches(':'))
            }
            _ => text,
        };
        Ok(Address::parse(text)?.swap_remove(0))
    }

    /// Whether the thread has real-time priority.
    pub fn realtime(&self) -> bool {
        match self {
            Self::Stream(emulator) => emulator.realtime(),
            Self::Packet(emulator) => emulator.realtime(),
        }
    }

    /// Opens a link, and says where it listens.
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do, or the address cannot be listened on.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        match self {
            Self::Stream(emulator) => emulator.open(spec),
            Self::Packet(emulator) => emulator.open(spec),
        }
    }

    /// Puts a link and all its connections under another policy.
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do.
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

    /// What a link has done so far.
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

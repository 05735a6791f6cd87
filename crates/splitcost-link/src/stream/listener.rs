//! An open link of the stream engine: its listening socket, and the state that its connections share.

use std::io;

use socket2::Socket;
use splitcost_model::quantity::Nanos;

use super::address::Address;
use crate::Error;
use crate::policy::Policy;
use crate::poller::Poller;
use crate::tally::Tally;

/// An open link.
pub(super) struct Listener {
    pub(super) key: usize,
    /// The address, with the port that the kernel chose.
    pub(super) listens: Address,
    pub(super) to: Vec<Address>,
    pub(super) policy: Policy,
    pub(super) tally: Tally,
    pub(super) begun: Nanos,
    /// The listening socket; `None` while the link is down.
    pub(super) socket: Option<Socket>,
    /// A socket that keeps the port while the link is down.
    reserved: Option<Socket>,
    /// True when there may be clients to accept.
    pub(super) ready: bool,
    /// The number of connections so far, including refused ones.
    pub(super) count: u64,
}

impl Listener {
    /// Begins to listen on an address.
    pub(super) fn open(
        listen: &Address,
        to: Vec<Address>,
        policy: Policy,
        (device, poller, key): (Option<&str>, &Poller, usize),
        now: Nanos,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: listen.to_string(), source };
        let (reserved, address) = listen.reserve(device).map_err(failed)?;
        let (socket, listens) = address.listen(device).map_err(failed)?;
        poller.add(&socket, key).map_err(failed)?;
        Ok(Self {
            key,
            listens,
            to,
            policy,
            tally: Tally::default(),
            begun: now,
            socket: Some(socket),
            reserved,
            ready: true,
            count: 0,
        })
    }

    /// Begins or stops listening, as the policy demands now. Returns the time of the next change.
    pub(super) fn update(&mut self, poller: &Poller, device: Option<&str>, now: Nanos) -> io::Result<Nanos> {
        let (down, change) = self.policy.is_down(now - self.begun);
        if down {
            self.socket = None;
        } else if self.socket.is_none() {
            if let Address::Unix(path) = &self.listens {
                // This is the file of the earlier socket. A failure means that it was removed already.
                let _ = std::fs::remove_file(path);
            }
            let (socket, _) = self.listens.listen(device)?;
            poller.add(&socket, self.key)?;
            self.socket = Some(socket);
            self.ready = true;
        }
        Ok(self.begun + change)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.reserved.take());
        if let Address::Unix(path) = &self.listens {
            // A failure means that the file was removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

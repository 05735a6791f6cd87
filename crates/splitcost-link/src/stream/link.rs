//! One listener, and what it shares among its connections.

use std::io;

use socket2::Socket;
use splitcost_model::quantity::Nanos;

use super::address::Address;
use crate::Error;
use crate::policy::Policy;
use crate::poller::Poller;
use crate::tally::Tally;

pub(super) struct Link {
    pub(super) key: usize,
    /// Where it listens, the port that the kernel chose included.
    pub(super) listens: Address,
    pub(super) to: Vec<Address>,
    pub(super) policy: Policy,
    pub(super) tally: Tally,
    pub(super) begun: Nanos,
    /// Absent while it is down.
    pub(super) listener: Option<Socket>,
    /// There may be clients to accept.
    pub(super) ready: bool,
    /// Connections so far, those that were refused included.
    pub(super) count: u64,
}

impl Link {
    /// Listens, or not, as the policy says now; when that changes next.
    pub(super) fn update(&mut self, poller: &Poller, device: Option<&str>, now: Nanos) -> io::Result<Nanos> {
        let (down, change) = self.policy.is_down(now - self.begun);
        if down {
            self.listener = None;
        } else if self.listener.is_none() {
            if let Address::Unix(path) = &self.listens {
                // It is our own of before; somebody may have removed it already.
                let _ = std::fs::remove_file(path);
            }
            let (listener, _) = self.listens.listen(device)?;
            poller.add(&listener, self.key)?;
            self.listener = Some(listener);
            self.ready = true;
        }
        Ok(self.begun + change)
    }

    pub(super) fn listen(
        listen: &Address,
        device: Option<&str>,
        poller: &Poller,
        key: usize,
    ) -> Result<(Socket, Address), Error> {
        let failed = |source| Error::Listen { address: listen.to_string(), source };
        let (listener, listens) = listen.listen(device).map_err(failed)?;
        poller.add(&listener, key).map_err(failed)?;
        Ok((listener, listens))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.listens {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

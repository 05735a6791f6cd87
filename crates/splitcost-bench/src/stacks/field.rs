//! The processes of an experiment: a client each, a server each, started when they are first wanted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;
use serde_json::json;
use splitcost_lab::Cancel;
use splitcost_lab::app::Scratch;
use splitcost_lab::helper::Helper;
use splitcost_lab::python::Python;
use splitcost_lab::secret::token;
use splitcost_model::bench::Combination;

use super::{Cell, Stop, Visit};
use crate::{Error, Result};

/// Running clients and servers.
pub(super) struct Field<'a> {
    python: &'a Python,
    cancel: &'a Cancel,
    token: String,
    clients: BTreeMap<String, Helper>,
    servers: BTreeMap<(String, String), (Helper, Serving)>,
    scratch: Scratch,
}

/// What a server tells once it can be reached.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Serving {
    pub(super) url: String,
    /// The process that serves.
    pub(super) pid: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed { error: String },
    Found(Visit),
}

impl<'a> Field<'a> {
    pub(super) fn new(python: &'a Python, cancel: &'a Cancel) -> Result<Self> {
        let (clients, servers) = Default::default();
        Ok(Self { python, cancel, token: token()?, clients, servers, scratch: Scratch::empty()? })
    }

    /// Starts both sides.
    pub(super) fn start(&mut self, combination: &Combination) -> Result<()> {
        let Combination { client, transport, server } = combination;
        let env = [("SPLITCOST_TOKEN", self.token.as_str())];
        if let Entry::Vacant(entry) = self.clients.entry(client.clone()) {
            let arguments = ["splitcost.stacks", "drive"];
            let name = format!("client-{client}");
            let action = format!("drive {client}");
            entry.insert(Helper::start(&action, &name, self.python, &self.scratch, &arguments, &env)?);
        }
        if let Entry::Vacant(entry) = self.servers.entry((server.clone(), transport.clone())) {
            let arguments = ["splitcost.stacks", "serve", "--server", server, "--transport", transport];
            let name = format!("server-{server}-{}", transport.replace('/', "-"));
            let action = format!("serve with {server} over {transport}");
            let mut helper = Helper::start(&action, &name, self.python, &self.scratch, &arguments, &env)?;
            let serving = helper.answer(self.cancel)?;
            entry.insert((helper, serving));
        }
        Ok(())
    }

    /// Measures a cell. Where its calls fail, or never end, that is told and nothing is measured.
    pub(super) fn visit(&mut self, cell: &Cell) -> Result<Visit> {
        self.start(&cell.combination)?;
        match self.ask(cell) {
            Err(Error::Lab(splitcost_lab::Error::Helper { reason, .. })) => {
                // A client that hangs takes its server's threads with it: others get new ones.
                let Combination { client, transport, server } = &cell.combination;
                self.clients.remove(client);
                self.servers.remove(&(server.clone(), transport.clone()));
                let reason = format!("{} callers, {}: {reason}", cell.concurrency, cell.payload.question());
                Err(Error::StackFailed { stack: cell.combination.name(), reason })
            }
            other => other,
        }
    }

    fn ask(&mut self, cell: &Cell) -> Result<Visit> {
        let Combination { client, transport, server } = &cell.combination;
        let missing = || Error::StackPart { reason: format!("{} was not started", cell.combination.name()) };
        let (_, serving) = self.servers.get(&(server.clone(), transport.clone())).ok_or_else(missing)?;
        let mut question = json!({
            "client": client,
            "transport": transport,
            "url": serving.url,
            "pid": serving.pid,
            "payload": cell.payload.question(),
            "concurrency": cell.concurrency,
            "repeats": cell.repeats,
        });
        match cell.stop {
            Stop::Secs(secs) => question["secs"] = secs.into(),
            Stop::Calls(calls) => question["calls"] = calls.into(),
        }
        let helper = self.clients.get_mut(client).ok_or_else(missing)?;
        match helper.ask(&question, self.cancel)? {
            Answer::Found(visit) => Ok(visit),
            Answer::Failed { error } => Err(Error::StackFailed { stack: cell.combination.name(), reason: error }),
        }
    }
}

//! The processes of an experiment: one per client and one per server, started when they are first needed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;
use serde_json::json;
use splitcost_lab::Cancel;
use splitcost_lab::app::Scratch;
use splitcost_lab::helper::Helper;
use splitcost_lab::python::Python;
use splitcost_lab::secret::token;
use splitcost_model::bench::Stack;

use super::{Visit, VisitLength, VisitPlan};
use crate::{Error, Result};

/// The server of a stack: stacks with equal keys share a process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ServerKey {
    server: String,
    transport: String,
    codec: String,
}

impl ServerKey {
    fn of(stack: &Stack) -> Self {
        Self { server: stack.server.clone(), transport: stack.transport.clone(), codec: stack.codec.clone() }
    }
}

/// The running clients and servers.
pub(super) struct Field<'a> {
    python: &'a Python,
    cancel: &'a Cancel,
    token: String,
    clients: BTreeMap<String, Helper>,
    servers: BTreeMap<ServerKey, (Helper, Serving)>,
    scratch: Scratch,
}

/// The announcement of a server that can be reached.
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

    /// Starts both sides of a stack that do not run yet.
    pub(super) fn start(&mut self, stack: &Stack) -> Result<()> {
        let Stack { client, codec, transport, server } = stack;
        let env = [("SPLITCOST_TOKEN", self.token.as_str())];
        if let Entry::Vacant(entry) = self.clients.entry(client.clone()) {
            let arguments = ["splitcost.stacks", "drive"];
            let name = format!("client-{client}");
            let action = format!("drive {client}");
            entry.insert(Helper::start(&action, &name, self.python, &self.scratch, &arguments, &env)?);
        }
        if let Entry::Vacant(entry) = self.servers.entry(ServerKey::of(stack)) {
            let arguments =
                ["splitcost.stacks", "serve", "--server", server, "--transport", transport, "--codec", codec];
            let name = format!("server-{server}-{}-{codec}", transport.replace('/', "-"));
            let action = format!("serve with {server} over {transport}");
            let mut helper = Helper::start(&action, &name, self.python, &self.scratch, &arguments, &env)?;
            let serving = helper.answer(self.cancel)?;
            entry.insert((helper, serving));
        }
        Ok(())
    }

    /// Makes a visit. If its calls fail or never end, both processes are replaced at the next visit.
    ///
    /// # Errors
    /// [`Error::StackFailed`] when the calls fail or never end.
    pub(super) fn visit(&mut self, plan: &VisitPlan) -> Result<Visit> {
        self.start(&plan.stack)?;
        match self.ask(plan) {
            Err(Error::Lab(splitcost_lab::Error::Helper { reason, .. })) => {
                // A client that hangs occupies threads of its server, too.
                self.clients.remove(&plan.stack.client);
                self.servers.remove(&ServerKey::of(&plan.stack));
                let reason = format!("{} callers, {}: {reason}", plan.concurrency, plan.payload.question());
                Err(Error::StackFailed { stack: plan.stack.name(), reason })
            }
            other => other,
        }
    }

    fn ask(&mut self, plan: &VisitPlan) -> Result<Visit> {
        let stack = &plan.stack;
        let missing = || Error::StackPart { reason: format!("{} was not started", stack.name()) };
        let (_, serving) = self.servers.get(&ServerKey::of(stack)).ok_or_else(missing)?;
        let mut question = json!({
            "client": stack.client,
            "transport": stack.transport,
            "codec": stack.codec,
            "url": serving.url,
            "pid": serving.pid,
            "payload": plan.payload.question(),
            "concurrency": plan.concurrency,
            "repeats": plan.repeats,
        });
        match plan.length {
            VisitLength::Secs(secs) => question["secs"] = secs.into(),
            VisitLength::Calls(calls) => question["calls"] = calls.into(),
        }
        let helper = self.clients.get_mut(&stack.client).ok_or_else(missing)?;
        match helper.ask(&question, self.cancel)? {
            Answer::Found(visit) => Ok(visit),
            Answer::Failed { error } => Err(Error::StackFailed { stack: stack.name(), reason: error }),
        }
    }
}

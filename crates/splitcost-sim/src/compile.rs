//! Requests compiled under a split: calls between services become crossings, and the rest becomes programs for the engine.

use splitcost_model::calibration::{ClientMode, HandlerMode};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{
    CallIndex, FunctionId, FunctionKind, ModuleId, Payload, PayloadClass, Recording, Request,
};
use splitcost_model::split::Split;

use crate::demand::{Demand, DemandStep};
use crate::program::{Body, BodyId, CrossingId, Op, Program, Remote};

/// Shorter stretches of blocking are merged until they are this long: less is the error of the clocks.
///
/// Chosen: a few times the length of the smallest blocking system call seen in recordings, to save events.
const SMALLEST_BLOCK: Nanos = Nanos::from_micros(20);

/// A call between two services, with everything that its cost depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The number of the endpoint whose request makes the call.
    pub endpoint: u32,
    /// The module that calls.
    pub caller: ModuleId,
    /// The service that calls, as an index into [`Split::service_names`].
    pub caller_service: u16,
    /// The function that is called.
    pub function: FunctionId,
    /// The service that answers.
    pub callee_service: u16,
    /// The way in which the caller waits.
    pub client: ClientMode,
    /// The way in which the server runs the function.
    pub handler: HandlerMode,
    /// An event loop is blocked during the call.
    pub blocks_event_loop: bool,
    /// The call is the request's first one to that service, which finds both sides cold.
    pub first: bool,
    /// The number of values in arguments and result.
    pub nodes: f64,
    /// The encoded size of arguments and result.
    pub bytes: f64,
}

/// The programs of a recording under a split. Crossing 0 is the entry of each request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// One program per demand.
    pub programs: Vec<Program>,
    /// The crossings by [`CrossingId`]; `None` for the entry.
    pub crossings: Vec<Option<Crossing>>,
}

/// A compiler of requests: everything that all requests of a recording share under one split.
pub struct Compiler<'a> {
    recording: &'a Recording,
    /// The service of each module.
    service: Vec<u16>,
    /// Per function: it can be called over the wire.
    can_cross: Vec<bool>,
    /// The mean (nodes, bytes) of a call of each function.
    payloads: Vec<(f64, f64)>,
    /// A plain function that is called on an event loop is awaited, as in the rewrite that is priced.
    awaited: bool,
    /// The service to which each endpoint's requests are sent.
    front: Vec<u16>,
}

impl<'a> Compiler<'a> {
    /// Prepares a split. `endpoints` are the names of the endpoints by number.
    pub fn new(recording: &'a Recording, split: &Split, endpoints: &[String], awaited: bool) -> Self {
        let names = split.service_names();
        let service: Vec<u16> = recording
            .modules
            .iter()
            .map(|m| names.iter().position(|n| *n == split.service_of(m)).unwrap_or(0) as u16)
            .collect();
        let handlers = recording.handler_modules();
        Self {
            can_cross: crossable(recording),
            payloads: mean_payloads(recording),
            front: endpoints.iter().map(|e| handlers.get(e.as_str()).map_or(0, |&m| service[m as usize])).collect(),
            recording,
            service,
            awaited,
        }
    }

    /// Compiles requests with their demands and endpoint numbers.
    pub fn compile(&self, requests: &[(&Request, &Demand, u32)]) -> Compiled {
        let mut compiled = Compiled { programs: Vec::with_capacity(requests.len()), crossings: vec![None] };
        for &(request, demand, endpoint) in requests {
            let front = self.front[endpoint as usize];
            let mut builder = Builder {
                compiler: self,
                request,
                demand,
                endpoint,
                bodies: Vec::new(),
                called: Vec::new(),
                crossings: &mut compiled.crossings,
            };
            let body = builder.body(0, front, true);
            let bodies = builder.bodies;
            let entry = Remote { crossing: 0, process: front + 1, body, blocking: false, pooled: false };
            compiled.programs.push(Program { endpoint, entry, bodies });
        }
        compiled
    }
}

/// Returns, per function, if it can be called over the wire: it is at module level, no generator, and every sampled payload
/// can cross.
pub fn crossable(recording: &Recording) -> Vec<bool> {
    let mut crossable: Vec<bool> = recording
        .functions
        .iter()
        .map(|f| !f.qualname.contains('.') && matches!(f.kind, FunctionKind::Plain | FunctionKind::Coroutine))
        .collect();
    for call in recording.requests.iter().flat_map(|r| &r.calls) {
        for payload in [&call.arguments, &call.result].into_iter().flatten() {
            if !payload.class.can_cross() {
                crossable[call.function as usize] = false;
            }
        }
    }
    crossable
}

/// The sampled payloads of one side of a function, summed.
#[derive(Clone, Copy, Default)]
struct PayloadSum {
    nodes: f64,
    bytes: f64,
    samples: f64,
}

/// Returns, per function, the mean nodes and bytes of a call's arguments and result together.
fn mean_payloads(recording: &Recording) -> Vec<(f64, f64)> {
    let mut sums = vec![[PayloadSum::default(); 2]; recording.functions.len()];
    for call in recording.requests.iter().flat_map(|r| &r.calls) {
        for (side, payload) in [&call.arguments, &call.result].into_iter().enumerate() {
            if let Some(Payload { nodes, encoded_bytes, .. }) = payload {
                let sum = &mut sums[call.function as usize][side];
                sum.nodes += *nodes as f64;
                sum.bytes += *encoded_bytes as f64;
                sum.samples += 1.0;
            }
        }
    }
    sums.into_iter()
        .map(|sides| {
            let mean = |of: fn(&PayloadSum) -> f64| sides.iter().map(|side| of(side) / side.samples.max(1.0)).sum();
            (mean(|side| side.nodes), mean(|side| side.bytes))
        })
        .collect()
}

struct Builder<'a> {
    compiler: &'a Compiler<'a>,
    request: &'a Request,
    demand: &'a Demand,
    endpoint: u32,
    bodies: Vec<Body>,
    /// The services called so far.
    called: Vec<u16>,
    crossings: &'a mut Vec<Option<Crossing>>,
}

/// The operations of a body under construction. Adjacent work is merged.
#[derive(Default)]
struct Ops {
    laid: Vec<Op>,
    cpu: Nanos,
    block: Nanos,
}

impl Ops {
    fn push(&mut self, op: Op) {
        self.flush();
        self.laid.push(op);
    }

    fn flush(&mut self) {
        if !self.cpu.is_zero() {
            self.laid.push(Op::Cpu(std::mem::take(&mut self.cpu).as_nanos()));
        }
        if self.block >= SMALLEST_BLOCK {
            self.laid.push(Op::Block(std::mem::take(&mut self.block).as_nanos()));
        }
    }

    fn finish(mut self) -> Vec<Op> {
        self.flush();
        if !self.block.is_zero() {
            self.laid.push(Op::Block(self.block.as_nanos()));
        }
        self.laid
    }
}

impl Builder<'_> {
    fn add(&mut self, ops: Vec<Op>) -> BodyId {
        self.bodies.push(Body { ops });
        (self.bodies.len() - 1) as BodyId
    }

    fn body(&mut self, call: CallIndex, service: u16, on_loop: bool) -> BodyId {
        let mut ops = Ops::default();
        self.lay(&mut ops, call, service, on_loop);
        self.add(ops.finish())
    }

    fn lay(&mut self, ops: &mut Ops, call: CallIndex, service: u16, on_loop: bool) {
        let demand = self.demand;
        for step in &demand.calls[call as usize] {
            match *step {
                DemandStep::Cpu(nanos) => ops.cpu += nanos,
                DemandStep::Block(nanos) => {
                    ops.block += nanos;
                    if ops.block >= SMALLEST_BLOCK {
                        ops.flush();
                    }
                }
                DemandStep::Wait { cpu, delay } => {
                    if !(cpu + delay).is_zero() {
                        ops.push(Op::Wait { cpu: cpu.as_nanos(), delay: delay.as_nanos() });
                    }
                }
                DemandStep::Inline(callee) => match self.crossing_to(callee, service) {
                    Some(target) => {
                        let remote = self.remote(callee, service, target, on_loop);
                        ops.push(Op::Remote(remote));
                    }
                    None => self.lay(ops, callee, service, on_loop),
                },
                DemandStep::Fork { call: callee, thread, joined } => {
                    let body = match self.crossing_to(callee, service) {
                        Some(target) => {
                            let remote = self.remote(callee, service, target, !thread);
                            self.add(vec![Op::Remote(remote)])
                        }
                        None => self.body(callee, service, !thread),
                    };
                    ops.push(Op::Fork { body, thread, joined });
                }
                DemandStep::Join => ops.push(Op::Join),
            }
        }
    }

    /// Returns the service that answers a call made in `service`, where that is another one.
    fn crossing_to(&self, call: CallIndex, service: u16) -> Option<u16> {
        let function = self.request.calls[call as usize].function;
        let target = self.compiler.service[self.compiler.recording.functions[function as usize].module as usize];
        (target != service && self.compiler.can_cross[function as usize]).then_some(target)
    }

    fn remote(&mut self, index: CallIndex, service: u16, target: u16, on_loop: bool) -> Remote {
        let call = &self.request.calls[index as usize];
        let coroutine = self.compiler.recording.functions[call.function as usize].kind == FunctionKind::Coroutine;
        let blocking = !(coroutine || on_loop && self.compiler.awaited);
        let (nodes, bytes) = match (&call.arguments, &call.result) {
            (Some(a), Some(r)) => ((a.nodes + r.nodes) as f64, (a.encoded_bytes + r.encoded_bytes) as f64),
            _ => self.compiler.payloads[call.function as usize],
        };
        let caller = self.request.calls[call.parent as usize].function;
        let first = !self.called.contains(&target);
        if first {
            self.called.push(target);
        }
        self.crossings.push(Some(Crossing {
            endpoint: self.endpoint,
            caller: self.compiler.recording.functions[caller as usize].module,
            caller_service: service,
            function: call.function,
            callee_service: target,
            client: if blocking { ClientMode::Sync } else { ClientMode::Async },
            handler: if coroutine { HandlerMode::Async } else { HandlerMode::Sync },
            blocks_event_loop: blocking && on_loop,
            first,
            nodes,
            bytes,
        }));
        let crossing = (self.crossings.len() - 1) as CrossingId;
        let body = self.body(index, target, coroutine);
        Remote { crossing, process: target + 1, body, blocking, pooled: !coroutine }
    }
}

/// Returns the reason why a payload cannot cross, in words.
pub fn reason(class: PayloadClass, path: &str) -> String {
    let path = if path.is_empty() { "a value" } else { path };
    match class {
        PayloadClass::Mutated => format!("{path} is changed in place by the callee"),
        PayloadClass::Callback => format!("{path} is a callback"),
        PayloadClass::Generator => format!("{path} is a generator"),
        _ => format!("{path} is a live resource"),
    }
}

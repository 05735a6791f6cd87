//! What `splitcost bench call` finds.

use serde::{Deserialize, Serialize};

use super::{Change, Place};
use crate::statistics::Interval;

/// One function in process, and behind stacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// As `shop.users:add_user`.
    pub function: String,
    /// Whether it is awaited.
    pub is_async: bool,
    /// What it gave back, as Python shows it.
    pub result: String,
    /// `CPython`'s version.
    pub python_version: String,
    /// Shuffled rounds that every time comes from.
    pub rounds: u64,
    /// A call in process, median over the rounds.
    pub in_process_nanos: Interval,
    /// The quickest round.
    pub in_process_nanos_min: f64,
    /// The same call over each stack.
    pub stacks: Vec<CallStack>,
}

/// The call over one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallStack {
    /// As it was asked for.
    pub name: String,
    /// The client's file.
    pub client: String,
    /// The codec's.
    pub codec: String,
    /// The server's.
    pub server: String,
    /// What both speak.
    pub transport: String,
    /// Arguments and results that the codec cannot carry: then there are no times.
    pub refused: Vec<Place>,
    /// Arguments and results that arrive as something else.
    pub changed: Vec<Place>,
    /// Absent where the codec cannot carry the call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub times: Option<CallTimes>,
}

/// What the call takes over a stack, one call at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTimes {
    /// From call to result, median over the rounds.
    pub wall_micros: Interval,
    /// That over the call in process.
    pub change: Change,
    /// Mean of the middle half of the rounds, by their wall time; the parts are of the same rounds.
    pub whole_micros: f64,
    /// Where it goes.
    pub parts: Parts,
    /// The first call of a new client, which it is made for; median over the rounds.
    pub first_call_micros: Interval,
    /// Encoded arguments.
    pub sent_bytes: u64,
    /// Encoded result.
    pub received_bytes: u64,
}

/// Where the time of a call goes: the parts add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Encoding the arguments and the result.
    pub encode_micros: f64,
    /// CPU of the client's process beyond coding and bare sockets.
    pub client_micros: f64,
    /// What the client takes longer than one that keeps its connection; zero where it keeps it.
    pub connect_micros: f64,
    /// A round trip of the same bytes between bare sockets of two processes, over loopback, with the CPU that takes.
    pub wire_micros: f64,
    /// What no CPU and no wire explains: waiting for a thread, an event loop or a core. Below zero where client and server
    /// compute at the same time.
    pub queue_micros: f64,
    /// CPU of the server's process beyond coding, the function and bare sockets.
    pub server_micros: f64,
    /// Decoding the arguments and the result.
    pub decode_micros: f64,
    /// The function itself, as in process.
    pub function_micros: f64,
}

impl Parts {
    /// All with their names, in the order of the call.
    pub fn each(&self) -> [(&'static str, f64); 8] {
        [
            ("encode", self.encode_micros),
            ("client", self.client_micros),
            ("connect", self.connect_micros),
            ("wire", self.wire_micros),
            ("queue", self.queue_micros),
            ("server", self.server_micros),
            ("decode", self.decode_micros),
            ("function", self.function_micros),
        ]
    }

    /// The whole.
    pub fn sum(&self) -> f64 {
        self.each().iter().map(|(_, micros)| micros).sum()
    }
}

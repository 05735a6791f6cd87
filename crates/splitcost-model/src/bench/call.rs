//! The result of `splitcost bench call`.

use serde::{Deserialize, Serialize};

use super::{Change, Stack, ValueDifference};
use crate::statistics::Interval;

/// One function in process and behind stacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallBench {
    /// The function, as `shop.users:add_user`.
    pub function: String,
    /// True for a coroutine function.
    pub is_async: bool,
    /// The result of the function, as Python shows it.
    pub result: String,
    /// The version of `CPython`.
    pub python_version: String,
    /// The shuffled rounds in which everything was measured.
    pub rounds: u64,
    /// The time of a call in process, median over the rounds.
    pub in_process_nanos: Interval,
    /// The quickest round.
    pub in_process_nanos_min: f64,
    /// The same call over each stack.
    pub stacks: Vec<CalledStack>,
}

/// The call over one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalledStack {
    /// The stack as the user wrote it.
    pub name: String,
    /// Its parts.
    #[serde(flatten)]
    pub stack: Stack,
    /// The arguments and results that the codec cannot carry. If there are any, there are no times.
    pub refused: Vec<ValueDifference>,
    /// The arguments and results that arrive as other values.
    pub changed: Vec<ValueDifference>,
    /// The times; absent where the codec cannot carry the call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub times: Option<CallTimes>,
}

/// The times of the call over a stack, one call at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTimes {
    /// The time from call to result, median over the rounds.
    pub wall_micros: Interval,
    /// The ratio of that time to the time of the call in process.
    pub change: Change,
    /// The mean wall time of the middle half of the rounds; the parts are of the same rounds.
    pub whole_micros: f64,
    /// The parts of that time.
    pub parts: CallParts,
    /// The time of the first call of a new client, the making of the client included; median over the rounds.
    pub first_call_micros: Interval,
    /// The bytes of the encoded arguments.
    pub sent_bytes: u64,
    /// The bytes of the encoded result.
    pub received_bytes: u64,
}

/// The parts of the time of a call, which add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallParts {
    /// Encoding the arguments and the result.
    pub encode_micros: f64,
    /// CPU of the client's process beyond coding and bare sockets.
    pub client_micros: f64,
    /// The additional time of a client that connects for every call; zero where connections are kept.
    pub connect_micros: f64,
    /// The round trip of the same bytes between bare sockets of two processes, over loopback, its CPU included.
    pub wire_micros: f64,
    /// The time that neither CPU nor wire explains: waiting for a thread, an event loop or a core. It is negative where
    /// client and server compute at the same time.
    pub queue_micros: f64,
    /// CPU of the server's process beyond coding, the function and bare sockets.
    pub server_micros: f64,
    /// Decoding the arguments and the result.
    pub decode_micros: f64,
    /// The function itself, as in process.
    pub function_micros: f64,
}

impl CallParts {
    /// Returns all parts with their names, in the order of the call.
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

    /// Returns the sum of all parts.
    pub fn sum(&self) -> f64 {
        self.each().iter().map(|(_, micros)| micros).sum()
    }
}

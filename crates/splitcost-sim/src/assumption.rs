//! The numbers and simplifications that the simulator takes for granted in every prediction.

use std::fmt;

use crate::engine::{BODY_CROWD, CROSSING_CROWD};
use crate::program::Machine;

/// A number or a simplification that enters every prediction and that was not measured on the app and the machine of that prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumption {
    /// The statement that is assumed, with the number in it.
    pub statement: &'static str,
    /// The number itself, in the unit of the statement; `None` where the statement is about the structure of the model.
    pub value: Option<f64>,
    /// The measurement, the specification or the choice that the number comes from.
    pub origin: &'static str,
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.statement, self.origin)
    }
}

/// All assumptions, those that were measured on one app first.
pub const ASSUMPTIONS: [Assumption; 8] = [
    Assumption {
        statement: "code inside a process gets half of its extra CPU time under contention when 8 other threads or tasks \
                    want to run",
        value: Some(BODY_CROWD),
        origin: "measured on one endpoint of the example shop, 2 cores, November 2026",
    },
    Assumption {
        statement: "a call between services gets half of its extra CPU time under contention when 1 other thread or task \
                    wants to run",
        value: Some(CROSSING_CROWD),
        origin: "measured with httpx2 on 2 cores, November 2026",
    },
    Assumption {
        statement: "the share of CPU time without the GIL, the cost of a cold process and the extra time under contention \
                    are one number each for the whole app, not one per endpoint",
        value: None,
        origin: "chosen: fitted to the phases of the recording",
    },
    Assumption {
        statement: "CPU time that contention adds beside the holder of the GIL occupies no core of the host",
        value: None,
        origin: "chosen: it is in the CPU per request, but nobody waits for it",
    },
    Assumption {
        statement: "a service runs the calls of other services to `def` functions on 40 threads",
        value: Some(Machine::CALL_THREADS as f64),
        origin: "as a rehearsal's services do",
    },
    Assumption {
        statement: "a thread gives up a GIL that others want after 5 ms",
        value: Some(Machine::SWITCH_INTERVAL_NANOS as f64 / 1e6),
        origin: "CPython's default switch interval",
    },
    Assumption {
        statement: "a thread gives up a core that others want after 0.7 ms times 1 + log2 of the cores",
        value: Some(Machine::BASE_SLICE_NANOS as f64 / 1e6),
        origin: "Linux's default base slice",
    },
    Assumption {
        statement: "a lost packet that too few packets follow is sent again after 200 ms and a round trip",
        value: Some(crate::engine::RETRANSMIT_NANOS as f64 / 1e6),
        origin: "Linux's TCP_RTO_MIN",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_contains_the_number_that_the_engine_uses() {
        for Assumption { statement, value, .. } in ASSUMPTIONS {
            let Some(value) = value else { continue };
            let words = || statement.split(|c: char| c.is_whitespace() || c == ',');
            assert!(words().any(|word| word.parse() == Ok(value)), "{value} is not in: {statement}");
        }
    }

    #[test]
    fn an_assumption_names_its_origin() {
        assert_eq!(
            ASSUMPTIONS[0].to_string(),
            "code inside a process gets half of its extra CPU time under contention when 8 other threads or tasks want to \
             run (measured on one endpoint of the example shop, 2 cores, November 2026)"
        );
    }
}

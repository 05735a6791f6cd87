//! The measured unit costs of a call over a stack on one machine, and the linear cost that is fitted to them.

use serde::{Deserialize, Serialize};

use crate::split::StackName;

/// Measured unit costs of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The stack.
    pub stack: StackName,
    /// The machine, Python and package versions that it holds for; the cache key.
    pub fingerprint: String,
    /// The time of the measurement, as RFC 3339 in UTC.
    pub measured_at: String,
    /// The paired, shuffled rounds, which are the unit of resampling.
    pub rounds: Vec<Round>,
}

/// One pass over all kinds of calls, in shuffled order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// One measurement per kind of call.
    pub points: Vec<Point>,
    /// The CPU time of the yardstick's fixed work during the round, which shows the speed of the machine; zero where it is
    /// unknown.
    #[serde(default)]
    pub yardstick_nanos: f64,
}

/// The way in which the caller waits for the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientMode {
    /// The call is awaited: the event loop goes on.
    #[default]
    Async,
    /// The calling thread blocks.
    Sync,
}

/// The way in which the server runs the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerMode {
    /// An `async def` function on the event loop.
    #[default]
    Async,
    /// A `def` function on a thread of the pool.
    Sync,
}

/// The activity before and beside a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// The first call after a long idle time: caches and cores are cold. The first call of a request to a service is like
    /// it.
    #[default]
    Cold,
    /// One of the first calls that follow a cold one after the recorded gap: the cores are awake again, the caches get warm, and
    /// the scheduler often places the processes badly.
    Burst,
    /// A call that follows these: the caches are warm.
    Settled,
    /// A call that follows another one after the gap that the recording shows between two calls of a request.
    Spaced,
    /// A call beside others of the same process: threads pass the GIL on, an event loop finds several answers at once. With and
    /// without other work around it.
    Crowded,
    /// A call between other work of the caller, without pauses: each drives the code of the other out of the caches, and the
    /// caller's core has been idle.
    Around,
    /// A call of a function that works itself, without pauses.
    Inside,
    /// A spaced call of a function that changes all of its arguments in place.
    Changing,
}

/// The calls from the cold one on until calls are settled.
///
/// Measured: 24 calls in a row after 15 ms of idle cost 1,153, 684, 596, 530, 501 and 483 µs of CPU, and then 479 to 465 (httpx2,
/// blocking, 2 cores, November 2026).
pub const BURST_CALLS: u32 = 6;

/// The number of concurrent callers in the measurement of a crowded call.
///
/// Measured: 1, 2, 4 and 16 threads calling through httpx2, 2 cores, November 2026: 0.43, 0.57, 0.68 and 0.74 ms of
/// client CPU a call: with w other callers, the extra time is w / (w + 1) of its limit.
pub const CROWDED_CALLERS: u32 = 16;

/// The measurement of many calls of one kind in one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The way in which the caller waits.
    pub client: ClientMode,
    /// The way in which the server runs the function.
    pub handler: HandlerMode,
    /// The activity before and beside the calls.
    pub pace: Pace,
    /// The number of calls.
    pub calls: u32,
    /// The number of values in arguments and result.
    pub nodes: f64,
    /// The encoded size of arguments and result.
    pub bytes: f64,
    /// The client's CPU time per call, without that of the pauses between calls.
    pub client_cpu_nanos: f64,
    /// The server's CPU time per call.
    pub server_cpu_nanos: f64,
    /// The median wall time per call; of crowded calls the mean time from one call's end to the next one's.
    pub wall_nanos: f64,
    /// The CPU time of the work around a call, or inside of it, where it is done in one process without a call. It is no part of
    /// the other times.
    #[serde(default)]
    pub work_nanos: f64,
}

/// The cost of one call: `fixed + per_node × nodes + per_byte × bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Nanoseconds per call.
    pub fixed_nanos: f64,
    /// Nanoseconds per value in the payload.
    pub nanos_per_node: f64,
    /// Nanoseconds per encoded byte.
    pub nanos_per_byte: f64,
}

impl Linear {
    /// Returns the cost of a call with this payload.
    pub fn nanos(&self, nodes: f64, bytes: f64) -> f64 {
        self.fixed_nanos + self.nanos_per_node * nodes + self.nanos_per_byte * bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = Point> {
        let modes = (
            prop_oneof![Just(ClientMode::Async), Just(ClientMode::Sync)],
            prop_oneof![Just(HandlerMode::Async), Just(HandlerMode::Sync)],
            prop_oneof![
                Just(Pace::Cold),
                Just(Pace::Burst),
                Just(Pace::Settled),
                Just(Pace::Spaced),
                Just(Pace::Crowded),
                Just(Pace::Around),
                Just(Pace::Inside),
                Just(Pace::Changing)
            ],
        );
        (modes, any::<u32>(), prop::array::uniform6(0.0_f64..1e12)).prop_map(
            |((client, handler, pace), calls, values)| {
                let [nodes, bytes, client_cpu_nanos, server_cpu_nanos, wall_nanos, work_nanos] = values;
                Point {
                    client,
                    handler,
                    pace,
                    calls,
                    nodes,
                    bytes,
                    client_cpu_nanos,
                    server_cpu_nanos,
                    wall_nanos,
                    work_nanos,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn json_round_trips(
            points in prop::collection::vec(point(), 0..4),
            yardstick_nanos in 0.0_f64..1e9,
            fingerprint in ".*",
        ) {
            let rounds = vec![Round { points, yardstick_nanos }];
            let stack = StackName::Grpc;
            let calibration = Calibration { stack, fingerprint, measured_at: "2026-11-24T10:00:00Z".into(), rounds };
            let json = serde_json::to_string(&calibration).unwrap();
            prop_assert_eq!(serde_json::from_str::<Calibration>(&json).unwrap(), calibration);
        }

        #[test]
        fn a_larger_payload_never_costs_less(
            costs in prop::array::uniform3(0.0_f64..1e6),
            payload in (0.0_f64..1e6, 0.0_f64..1e9),
            more in (0.0_f64..1e6, 0.0_f64..1e9),
        ) {
            let [fixed_nanos, nanos_per_node, nanos_per_byte] = costs;
            let line = Linear { fixed_nanos, nanos_per_node, nanos_per_byte };
            let larger = line.nanos(payload.0 + more.0, payload.1 + more.1);
            prop_assert!(fixed_nanos <= line.nanos(payload.0, payload.1) && line.nanos(payload.0, payload.1) <= larger);
        }
    }
}

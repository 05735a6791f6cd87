//! The results of an emulated link: its counts, and the accuracy of its delays.

use serde::{Deserialize, Serialize};

/// The results of an emulated link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Emulation {
    /// The address that clients connected to.
    pub listen: String,
    /// The address of the server.
    pub to: String,
    /// The engine: `stream` or `packet`.
    #[serde(default)]
    pub engine: String,
    /// The profile of the link.
    pub profile: String,
    /// The faults, as the user wrote them.
    pub faults: Vec<String>,
    /// The seed of all random draws.
    pub seed: u64,
    /// The running time of the link.
    pub secs: f64,
    /// The number of connections that it accepted.
    pub accepted: u64,
    /// The number of connections that were open at the end.
    pub open: u64,
    /// The number of connections that the server refused.
    pub refused: u64,
    /// The reason of the first refusal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
    /// The number of connections that a fault has reset.
    pub reset: u64,
    /// The number of connections that a fault has closed.
    pub closed: u64,
    /// The number of bytes that were delivered to the server.
    pub upstream_bytes: u64,
    /// The number of bytes that were delivered to clients.
    pub downstream_bytes: u64,
    /// The number of bytes that a fault has dropped.
    pub discarded_bytes: u64,
    /// The greatest number of bytes in flight at the same time, in one direction of one connection.
    pub most_under_way_bytes: u64,
    /// The counts of packets; only for the packet engine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packets: Option<Packets>,
    /// The number of deliveries: of bytes for the stream engine, of packets for the packet engine. Deliveries that waited for
    /// a slow receiver are not counted.
    pub deliveries: u64,
    /// The requested delays of the deliveries.
    pub requested_delay: Spread,
    /// The lateness of the deliveries.
    pub lateness: Spread,
    /// The share of deliveries that were late by more than 50 µs and more than a twentieth of their delay, in percent.
    pub late_percent: f64,
    /// True when the emulator had real-time priority.
    pub realtime: bool,
    /// The properties of the profile that the engine does not emulate.
    pub left_out: Vec<String>,
    /// The reason why the results are invalid; absent when they are valid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
    /// The remedies for invalid results.
    pub hints: Vec<String>,
}

/// The counts of the packets of a link, for both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// The number of packets that were sent.
    pub sent: u64,
    /// The number of packets that were lost at random.
    pub lost: u64,
    /// The number of packets that were lost because the queue in front of a rate was full.
    pub overflowed: u64,
    /// The number of packets that a blackhole dropped.
    pub vanished: u64,
    /// The number of packets that were delivered twice.
    pub duplicated: u64,
    /// The number of packets that were lost because the machine was too slow.
    pub missed: u64,
}

/// The quantiles of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub p50_micros: f64,
    /// The 99th percentile.
    pub p99_micros: f64,
    /// The 99.9th percentile.
    pub p99_9_micros: f64,
    /// The longest time.
    pub max_micros: f64,
}

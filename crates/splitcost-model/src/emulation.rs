//! What an emulated link did, and how exactly.

use serde::{Deserialize, Serialize};

/// What an emulated link did while it ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Emulation {
    /// Where clients connected to.
    pub listen: String,
    /// Where it led to.
    pub to: String,
    /// The engine: `stream` or `packet`.
    #[serde(default)]
    pub engine: String,
    /// The link's profile.
    pub profile: String,
    /// What was made to go wrong.
    pub faults: Vec<String>,
    /// The seed of everything that was drawn.
    pub seed: u64,
    /// How long it ran.
    pub secs: f64,
    /// Connections that it took.
    pub accepted: u64,
    /// Connections that were open at the end.
    pub open: u64,
    /// Connections that the server did not take.
    pub refused: u64,
    /// Why, the first time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
    /// Connections that a fault has reset.
    pub reset: u64,
    /// Connections that a fault has closed.
    pub closed: u64,
    /// Bytes that were handed on to the server.
    pub upstream_bytes: u64,
    /// Bytes that were handed on to clients.
    pub downstream_bytes: u64,
    /// Bytes that a fault has made vanish.
    pub discarded_bytes: u64,
    /// Bytes that were under way at the same time in one direction of a connection, at most.
    pub most_under_way_bytes: u64,
    /// What happened to packets, where the engine knows of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packets: Option<Packets>,
    /// Times that bytes were handed on at once, waits for a slow receiver left out; packets, where the engine knows of them.
    pub deliveries: u64,
    /// How long they should be under way.
    pub requested_delay: Spread,
    /// How much longer they were.
    pub lateness: Spread,
    /// Share of deliveries that were late by more than 50 µs and more than a twentieth of their delay, in percent.
    pub late_percent: f64,
    /// Whether the emulator had real-time priority.
    pub realtime: bool,
    /// What belongs to the profile, and this engine does not do.
    pub left_out: Vec<String>,
    /// Why its delays were not what was asked for; absent when they were.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
    /// What would help.
    pub hints: Vec<String>,
}

/// What happened to the packets of a link, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// That were sent.
    pub sent: u64,
    /// Of these, lost by chance.
    pub lost: u64,
    /// That found the queue in front of a rate full.
    pub overflowed: u64,
    /// That vanished in a blackhole.
    pub vanished: u64,
    /// That came twice.
    pub duplicated: u64,
    /// That were lost because the machine was too slow.
    pub missed: u64,
}

/// Quantiles of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub p50_micros: f64,
    /// 99th percentile.
    pub p99_micros: f64,
    /// 99.9th percentile.
    pub p99_9_micros: f64,
    /// The longest.
    pub max_micros: f64,
}

//! Any text is a fault, a profile or the output of a tool, or is refused. A policy from it can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_link::policy::{Direction, PacketHeader, PacketVerdict, Policy, parse};
use splitcost_link::profile::{Profile, import};
use splitcost_model::quantity::Nanos;

fuzz_target!(|text: &str| {
    if let Ok(profile) = Profile::read("fuzzed.toml", text) {
        use_policy(Policy::of(&profile.link, Vec::new(), 1));
    }
    if let Ok(imported) = import(&[("fuzzed".to_owned(), text.to_owned())]) {
        Profile::read("imported.toml", &imported).unwrap();
    }
    let faults: Vec<_> = text.lines().take(8).filter_map(|line| parse(line).ok()).collect();
    use_policy(Policy::new(faults, 1));
});

/// Passes bytes and packets in both directions, and the end of each direction.
fn use_policy(mut policy: Policy) {
    let mut flow = policy.open(1, Nanos::ZERO);
    let mut now = policy.handshake(&mut flow, Nanos::ZERO);
    for direction in [Direction::Upstream, Direction::Downstream, Direction::Upstream] {
        assert!(policy.window_bytes(direction) > 0);
        now += Nanos::from_millis(1);
        let mut left = 2_000;
        while left > 0 {
            let (take, _) = policy.pass(&mut flow, direction, now, left);
            assert!(0 < take && take <= left);
            left -= take;
        }
        policy.finish(&mut flow, direction, now);
    }
    policy.is_down(now);
    if let Ok((mut network, _)) = policy.for_packets() {
        let mut flow = network.open(1, Nanos::ZERO);
        for bytes in [60, 1_500] {
            let packet = PacketHeader { bytes, is_handshake: bytes == 60 };
            let verdict = network.pass_packet(&mut flow, Direction::Upstream, now, packet);
            if let PacketVerdict::Deliver { at, .. } = verdict {
                assert!(at >= now);
            }
        }
    }
}

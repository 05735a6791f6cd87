//! Laws of the policy, in virtual time: it is deterministic, keeps the order of bytes, and loses none.

use proptest::prelude::*;
use splitcost_link::policy::{
    Direction, Effect, Flow, LossCause, PacketHeader, PacketVerdict, Policy, Rule, Verdict, parse,
};
use splitcost_model::link::Delay;
use splitcost_model::quantity::Nanos;

use crate::peer::policy;

/// Generates faults that delay bytes, and lose none.
fn delaying() -> impl Strategy<Value = String> {
    let effect = prop_oneof![
        (0..5_000_u64).prop_map(|us| format!("delay {us}us")),
        (1..5_000_u64, 0..5_000_u64).prop_map(|(us, around)| format!("delay {us}us ±{around}us correlation 0.5")),
        (1..2_000_u64, 0.0..2.0_f64).prop_map(|(us, sigma)| format!("delay lognormal {us}us sigma {sigma:.2}")),
        (1..1_000_u64).prop_map(|rate| format!("rate {rate}kB/s")),
        (1..1_000_u64).prop_map(|rate| format!("rate {rate}MB/s each")),
        (1..2_000_u64, 0..3_000_u64).prop_map(|(bytes, vary)| format!("drip {bytes}B ±{vary}B every 100us")),
        (1..50_u64, 0..5_000_u64).prop_map(|(ms, after)| format!("stall {ms}ms after {after}B")),
    ];
    let narrowed = prop_oneof![Just(""), Just(" 50%"), Just(" upstream"), Just(" over 1kB"), Just(" from 5ms to 20ms")];
    (effect, narrowed).prop_map(|(effect, narrowed)| effect + narrowed)
}

/// Passes a chunk to the policy. Returns the sizes of its pieces, and the verdicts about them.
fn pass(policy: &mut Policy, flow: &mut Flow, direction: Direction, now: Nanos, bytes: usize) -> Vec<(usize, Verdict)> {
    let mut pieces = Vec::new();
    let mut left = bytes;
    while left > 0 {
        let (take, verdict) = policy.pass(flow, direction, now, left);
        assert!(0 < take && take <= left, "{take} of {left}");
        left -= take;
        pieces.push((take, verdict));
    }
    pieces
}

proptest! {
    #[test]
    fn nothing_is_lost_or_overtaken(
        faults in prop::collection::vec(delaying(), 0..5),
        chunks in prop::collection::vec((any::<bool>(), 0..3_000_u64, 1..20_000_usize), 1..50),
        seed: u64,
    ) {
        let rules: Vec<Rule> = faults.iter().map(|fault| parse(fault).unwrap()).collect();
        let mut all = Vec::new();
        for _ in 0..2 {
            let mut policy = Policy::new(rules.clone(), seed);
            let mut flow = policy.open(3, Nanos::ZERO);
            let mut now = Nanos::ZERO;
            let mut last = [Nanos::ZERO; 2];
            let mut verdicts = Vec::new();
            for (upstream, micros, bytes) in &chunks {
                now += Nanos::from_micros(*micros);
                let direction = if *upstream { Direction::Upstream } else { Direction::Downstream };
                for (_, verdict) in pass(&mut policy, &mut flow, direction, now, *bytes) {
                    let Verdict::Deliver(at) = verdict else { panic!("{verdict:?}") };
                    let last = &mut last[usize::from(*upstream)];
                    prop_assert!(at >= now && at >= *last && at < Nanos::MAX);
                    *last = at;
                    verdicts.push(verdict);
                }
            }
            prop_assert_eq!(flow.end(), None);
            all.push(verdicts);
        }
        // Equal seeds and bytes give equal verdicts.
        prop_assert_eq!(&all[0], &all[1]);
    }

    #[test]
    fn any_text_is_a_fault_or_an_error_with_a_place(text in "[a-z0-9% .=±-]{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.to_string().contains('^'));
        }
    }
}

#[test]
fn a_rate_passes_what_it_says() {
    let mut policy = policy(&["rate 1MB/s"]);
    let mut flow = policy.open(1, Nanos::ZERO);
    let pieces = pass(&mut policy, &mut flow, Direction::Upstream, Nanos::ZERO, 500_000);
    assert_eq!(pieces.last(), Some(&(pieces.last().unwrap().0, Verdict::Deliver(Nanos::from_millis(500)))));
    assert!(pieces.iter().all(|(bytes, _)| *bytes <= 1_448));
    // Another connection shares the bucket, unless the rule says `each`.
    let mut other = policy.open(2, Nanos::ZERO);
    let shared = pass(&mut policy, &mut other, Direction::Upstream, Nanos::ZERO, 1_000);
    assert_eq!(shared, [(1_000, Verdict::Deliver(Nanos::from_millis(501)))]);
    // The other direction has its own bucket.
    let back = pass(&mut policy, &mut other, Direction::Downstream, Nanos::ZERO, 1_000);
    assert_eq!(back, [(1_000, Verdict::Deliver(Nanos::from_millis(1)))]);
}

#[test]
fn correlation_leaves_the_distribution_as_it_is() {
    let delay = Delay::LogNormal { median: Nanos::from_micros(1_000), sigma: 0.3 };
    for correlation in [0.0, 0.5, 0.9] {
        let rule = Rule::new(Effect::Delay { delay: delay.clone(), correlation });
        let mut policy = Policy::new(vec![rule], 11);
        let mut delays = Vec::new();
        for connection in 0..200 {
            let mut flow = policy.open(connection, Nanos::ZERO);
            for chunk in 0..100 {
                let now = Nanos::from_millis(100 * (chunk + 1));
                let Verdict::Deliver(at) = policy.pass(&mut flow, Direction::Upstream, now, 1).1 else { panic!() };
                delays.push((at - now).as_nanos_f64());
            }
        }
        delays.sort_by(f64::total_cmp);
        for (share, deviate) in [(0.05, -1.645), (0.5, 0.0), (0.95, 1.645), (0.99, 2.326)] {
            let found = delays[(share * delays.len() as f64) as usize];
            let expected = delay.at(deviate).as_nanos_f64();
            assert!((found / expected - 1.0).abs() < 0.05, "{correlation} {share}: {found} for {expected}");
        }
    }
}

#[test]
fn rules_are_applied_in_order() {
    let arrival = |faults: &[&str]| {
        let mut policy = policy(faults);
        let mut flow = policy.open(1, Nanos::ZERO);
        let mut pieces = pass(&mut policy, &mut flow, Direction::Upstream, Nanos::ZERO, 1_000);
        pieces.extend(pass(&mut policy, &mut flow, Direction::Upstream, Nanos::from_millis(4), 1_000));
        let times = pieces.into_iter().map(|(_, verdict)| match verdict {
            Verdict::Deliver(at) => at.as_nanos() / 1_000_000,
            Verdict::Discard => panic!(),
        });
        times.collect::<Vec<u64>>()
    };
    // A stall until 10 ms comes before the rate, or after it.
    assert_eq!(arrival(&["stall to 10ms", "rate 1MB/s"]), [11, 12]);
    assert_eq!(arrival(&["rate 1MB/s", "stall to 10ms"]), [10, 10]);
}

/// Returns the verdicts about upstream packets that are sent one per microsecond.
fn verdicts(faults: &[&str], seed: u64, count: u64) -> Vec<PacketVerdict> {
    let rules = faults.iter().map(|fault| parse(fault).unwrap()).collect();
    let (mut network, _) = Policy::new(rules, seed).for_packets().unwrap();
    let mut flow = network.open(1, Nanos::ZERO);
    let packet = PacketHeader { bytes: 1_500, is_handshake: false };
    let pass = |i: u64| network.pass_packet(&mut flow, Direction::Upstream, Nanos::from_micros(i), packet);
    (0..count).map(pass).collect()
}

#[test]
fn losses_in_bursts_have_their_share_and_their_length() {
    for (share, burst) in [(0.01, 1.0), (0.01, 5.0), (0.2, 3.0)] {
        let verdicts = verdicts(&[&format!("loss {}% burst {burst}", share * 100.0)], 5, 1_000_000);
        let lost: Vec<bool> =
            verdicts.iter().map(|verdict| *verdict == PacketVerdict::Lose(LossCause::Chance)).collect();
        let count = lost.iter().filter(|lost| **lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| pair == &[false, true]).count() as f64;
        assert!((count / 1e6 / share - 1.0).abs() < 0.05, "{share} {burst}: {count}");
        assert!((count / bursts / burst - 1.0).abs() < 0.05, "{share} {burst}: {count} in {bursts}");
    }
}

#[test]
fn packets_keep_their_order_and_the_seed_decides_their_verdicts() {
    let faults = ["delay lognormal 1ms sigma 1 correlation 0.5", "loss 3%", "duplicate 2%", "rate 5Gbit/s"];
    let first = verdicts(&faults, 1, 20_000);
    let mut last = Nanos::ZERO;
    for verdict in &first {
        if let PacketVerdict::Deliver { at, .. } = verdict {
            assert!(*at >= last);
            last = *at;
        }
    }
    let twice = first.iter().filter(|verdict| matches!(verdict, PacketVerdict::Deliver { twice: true, .. })).count();
    assert!((300..500).contains(&twice), "{twice} of 20,000");
    assert_eq!(first, verdicts(&faults, 1, 20_000));
    assert_ne!(first, verdicts(&faults, 2, 20_000));
}

#[test]
fn packets_beyond_the_queue_are_lost() {
    // At 12 Mbit/s, the queue of 100 ms holds 100 packets while one is being sent.
    let verdicts = verdicts(&["rate 12Mbit/s"], 1, 150);
    let lost = verdicts.iter().position(|verdict| *verdict == PacketVerdict::Lose(LossCause::Queue));
    assert_eq!(lost, Some(101));
    assert_eq!(verdicts[100], PacketVerdict::Deliver { at: Nanos::from_millis(101), twice: false });
}

#[test]
fn rules_are_divided_between_network_and_server() {
    let rules = [
        "delay 1ms",
        "delay 1ms over 1kB",
        "rate 1MB/s",
        "drip 10B every 1ms",
        "stall 1s",
        "stall to 2s",
        "blackhole",
        "blackhole for 5s",
        "blackhole after-accept",
        "reset",
        "down",
        "loss 1%",
        "blackhole at-connect",
    ];
    let rules: Vec<Rule> = rules.iter().map(|fault| parse(fault).unwrap()).collect();
    let mut policy = Policy::new(rules, 1);
    policy.loss = 0.5;
    let (network, server) = policy.for_packets().unwrap();
    let words = |policy: &Policy| policy.rules().iter().map(|rule| rule.effect.word()).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&network), "loss delay rate stall blackhole loss blackhole");
    assert_eq!(words(&server), "delay drip stall blackhole blackhole reset down");
}

#[test]
fn packets_of_a_train_have_the_same_delay() {
    let verdicts = verdicts(&["delay lognormal 1ms sigma 1"], 1, 3_000);
    let delays = verdicts.iter().zip(0..).map(|(verdict, i)| match verdict {
        PacketVerdict::Deliver { at, .. } => *at - Nanos::from_micros(i),
        other => panic!("{other:?}"),
    });
    // A train of packets, one per microsecond, has a thousand. The next train may have to wait for this one.
    let delays: Vec<Nanos> = delays.collect();
    assert!(delays[..1_000].iter().all(|delay| *delay == delays[0]));
    assert_ne!(delays[2_999], delays[0]);

    // Packets with long gaps have independent delays.
    let (mut network, _) = policy(&["delay lognormal 1ms sigma 1"]).for_packets().unwrap();
    let mut flow = network.open(1, Nanos::ZERO);
    let packet = PacketHeader { bytes: 1_500, is_handshake: false };
    let mut times: Vec<PacketVerdict> = (0..100)
        .map(|i| network.pass_packet(&mut flow, Direction::Upstream, Nanos::from_millis(i * 1_000), packet))
        .collect();
    times.dedup();
    assert_eq!(times.len(), 100);
}

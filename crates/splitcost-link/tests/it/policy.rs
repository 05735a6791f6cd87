//! Laws of the policy: pure, seeded, in order, and nothing lost.

use proptest::prelude::*;
use splitcost_link::policy::{Direction, Effect, Flow, Policy, Rule, Verdict, parse};
use splitcost_model::link::Delay;
use splitcost_model::quantity::Nanos;

use crate::peer::policy;

/// Faults that hold bytes back, and lose none.
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

/// Passes a chunk on; when its pieces arrive, and how many bytes they are.
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
        // Equal seeds and bytes, equal verdicts.
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
    // Another connection shares it, unless each has its own.
    let mut other = policy.open(2, Nanos::ZERO);
    let shared = pass(&mut policy, &mut other, Direction::Upstream, Nanos::ZERO, 1_000);
    assert_eq!(shared, [(1_000, Verdict::Deliver(Nanos::from_millis(501)))]);
    // The other direction does not.
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
    // A stall that ends after 10 ms, before the slow part of the way or after it.
    assert_eq!(arrival(&["stall to 10ms", "rate 1MB/s"]), [11, 12]);
    assert_eq!(arrival(&["rate 1MB/s", "stall to 10ms"]), [10, 10]);
}

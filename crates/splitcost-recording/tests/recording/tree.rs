//! The quantities of a call tree.

use proptest::prelude::*;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Call, Function, FunctionKind, Request, Segment};
use splitcost_recording::tree::overlap;

fn request(calls: &[(u32, u64, u64)]) -> Request {
    let call = |&(parent, start, wall): &(u32, u64, u64)| Call {
        parent,
        segments: vec![Segment {
            start: Nanos::from_nanos(start),
            wall: Nanos::from_nanos(wall),
            ..Segment::default()
        }],
        ..Call::default()
    };
    Request { calls: calls.iter().map(call).collect(), ..Request::default() }
}

fn overlaps(calls: &[(u32, u64, u64)]) -> Vec<u64> {
    overlap(&[], &request(calls)).into_iter().map(Nanos::as_nanos).collect()
}

#[test]
fn only_siblings_overlap() {
    // One after the other, then a child within its parent.
    assert_eq!(overlaps(&[(0, 0, 100), (0, 10, 10), (0, 20, 10), (2, 22, 5)]), [0, 0, 0, 0]);
    // Three gathered: 10–40, 20–30, 35–50.
    assert_eq!(overlaps(&[(0, 0, 100), (0, 10, 30), (0, 20, 10), (0, 35, 15)]), [0, 15, 10, 5]);
    // Calls without length.
    assert_eq!(overlaps(&[(0, 0, 100), (0, 10, 0), (0, 10, 0), (0, 10, 5)]), [0, 0, 0, 0]);
}

#[test]
fn a_suspended_generator_is_not_under_way() {
    let segment = |(start, wall, suspended)| Segment {
        start: Nanos::from_nanos(start),
        wall: Nanos::from_nanos(wall),
        suspended,
        ..Segment::default()
    };
    let call = |function, stretches: &[(u64, u64, bool)]| Call {
        function,
        segments: stretches.iter().copied().map(segment).collect(),
        ..Call::default()
    };
    let check = |kind, expected: [u64; 4]| {
        let functions = [Function::default(), Function { kind, ..Function::default() }];
        // A context manager around two calls, of which the second ends while it runs again.
        let calls = vec![
            call(0, &[(0, 100, false)]),
            call(1, &[(10, 5, false), (15, 30, true), (45, 15, false)]),
            call(0, &[(20, 10, false)]),
            call(0, &[(30, 20, false)]),
        ];
        let found = overlap(&functions, &Request { calls, ..Request::default() });
        assert_eq!(found, expected.map(Nanos::from_nanos));
    };
    check(FunctionKind::Generator, [0, 5, 0, 5]);
    check(FunctionKind::AsyncGenerator, [0, 5, 0, 5]);
    check(FunctionKind::Coroutine, [0, 30, 10, 20]);
}

proptest! {
    #[test]
    fn overlap_is_what_the_others_cover(calls in proptest::collection::vec((0_u64..40, 0_u64..20), 0..12)) {
        let mut all = vec![(0, 0, 100)];
        all.extend(calls.iter().map(|&(start, wall)| (0, start, wall)));
        let covered = |of: usize| {
            let under_way = |call: usize, at: u64| (all[call].1..all[call].1 + all[call].2).contains(&at);
            let others = |at: u64| (1..all.len()).any(|other| other != of && under_way(other, at));
            (0..100).filter(|&at| under_way(of, at) && others(at)).count() as u64
        };
        let expected: Vec<u64> = (0..all.len()).map(|call| if call == 0 { 0 } else { covered(call) }).collect();
        prop_assert_eq!(overlaps(&all), expected);
    }
}

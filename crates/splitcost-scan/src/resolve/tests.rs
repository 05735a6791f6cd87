//! The work that a resolution does is bounded. It is counted, not timed.

use super::{MAX_VISITS, Resolution};
use crate::library::Library;
use crate::lower::lower;
use crate::program::{ModuleNames, Program};
use crate::value::ScopeNumber;

/// Resolves a program of one file, and hands the result to `read`.
fn resolved<R>(text: &str, read: impl FnOnce(&Resolution<'_>) -> R) -> R {
    let module = ModuleNames { names: vec!["app".to_owned()], is_package: false };
    let mut program = Program::new(vec![lower(text)], vec![module]);
    let library = Library::shipped();
    read(&Resolution::of(&mut program, &library))
}

/// Checks that the work grows in proportion to the length of a program.
#[track_caller]
fn check_linear(program: impl Fn(usize) -> String) {
    let steps = |length: usize| resolved(&program(length), |resolution| resolution.steps);
    let (short, long) = (steps(8), steps(16));
    assert!(long <= 3 * short, "{short} steps for a length of 8, {long} for 16");
}

#[test]
fn the_object_of_a_chained_call_is_evaluated_once() {
    check_linear(|length| format!("import requests\nx = requests{}\n", ".get()".repeat(length)));
}

#[test]
fn the_bases_of_diamonds_are_linearized_once() {
    check_linear(|length| {
        let diamond = |at: usize| {
            format!("class L{at}(C{at}): pass\nclass R{at}(C{at}): pass\nclass C{}(L{at}, R{at}): pass\n", at + 1)
        };
        let diamonds: String = (0..length).map(diamond).collect();
        format!("class C0: pass\n{diamonds}C{length}().x()\n")
    });
}

#[test]
fn a_function_is_visited_a_bounded_number_of_times() {
    // Each visit of `f` gives its own global one more value, which asks for another visit.
    let classes =
        (0..11).map(|at| format!("class C{at}:\n def next(self): return C{}()\n", at + 1)).collect::<Vec<_>>().concat();
    let text = format!("{classes}class C11: pass\ng = C0()\ndef f():\n global g\n g = g.next()\n");
    let visits = resolved(&text, |resolution| {
        (0..resolution.program.places() as ScopeNumber).map(|place| resolution.queue.visits(place)).max()
    });
    assert_eq!(visits, Some(MAX_VISITS), "more values than visits, so the bound is reached and kept");
}

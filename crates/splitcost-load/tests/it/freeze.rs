//! A server that is frozen: what it kept waiting must show.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use rustix::process::{Pid, Signal, kill_process};
use splitcost_load::{Arrivals, Mode, Phase, Plan, Schedule, Stop, Targets, monotonic_now, run};
use splitcost_model::quantity::Nanos;

use crate::engine::workload;
use crate::server;

/// Set in the process that is the server.
const SERVE: &str = "SPLITCOST_TEST_SERVE";

/// A process of its own, killed at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: the server of the test below, which starts this binary again.
#[test]
fn server_process() {
    if std::env::var_os(SERVE).is_some() {
        println!("\naddress {}", server::http(|_| server::ok("thawed")));
        // Until our parent kills us, or is gone.
        let _ = std::io::stdin().lines().next();
    }
}

#[test]
fn requests_meant_for_a_frozen_server_wait_until_it_thaws() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["freeze::server_process", "--exact", "--nocapture"])
        .env(SERVE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Server)
        .unwrap();
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let address: SocketAddr =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("address ")?.parse().ok()).unwrap();
    let pid = Pid::from_child(&child.0);

    let mode = Mode::Open { reqs_per_sec: 300.0, arrivals: Arrivals::Uniform };
    let plan = Plan { mode, deadline: Nanos::from_millis(60_000), ..Plan::closed(1, Stop::Requests(180)) };
    let (mut frozen, mut thawed) = (None, None);
    let one = workload("[[requests]]\npath = '/'");
    let outcome = run(&one, &plan, &Targets::all(address), &AtomicBool::new(false), &mut |progress| {
        let now = monotonic_now();
        if progress.phase == Phase::Measuring && frozen.is_none() {
            // No request has been sent yet.
            kill_process(pid, Signal::STOP).unwrap();
            frozen = Some(now);
        } else if frozen.is_some_and(|at| now >= at + Nanos::from_millis(300)) && thawed.is_none() {
            thawed = Some(now);
            kill_process(pid, Signal::CONT).unwrap();
        }
    })
    .unwrap();
    assert_eq!((outcome.ok(), outcome.failed()), (180, 0));

    // The schedule began no later than the window, so each waited at least so long.
    let thawed = thawed.unwrap();
    let intended = Schedule::new(Arrivals::Uniform, 0, 300.0).take(180).map(|after| outcome.started + after);
    let waits: Vec<Nanos> = intended.take_while(|at| *at < thawed).map(|at| thawed - at).collect();
    assert!(waits.len() > 60, "{}", waits.len());
    let mut responses: Vec<Nanos> = outcome.endpoints[0]
        .response
        .counts()
        .flat_map(|(time, count)| std::iter::repeat_n(time, usize::try_from(count).unwrap()))
        .collect();
    responses.reverse();
    for (response, wait) in responses.iter().zip(&waits) {
        assert!(*response >= *wait * 0.999, "{response:?} < {wait:?}");
    }
}

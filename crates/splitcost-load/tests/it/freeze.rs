//! A frozen server: the waiting time of its requests must be visible.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use rustix::process::{Pid, Signal, kill_process};
use splitcost_load::{Arrivals, Mode, Phase, Plan, Schedule, Stop, Targets, monotonic_now, run};
use splitcost_model::quantity::Nanos;

use crate::engine::workload;
use crate::server;

/// The environment variable that makes this test binary a server.
const SERVE: &str = "SPLITCOST_TEST_SERVE";

/// A server process, which is killed when this value is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of the test below, which runs this test in a second process. Without the variable, it does nothing.
#[test]
fn server_process() {
    if std::env::var_os(SERVE).is_some() {
        println!("\naddress {}", server::http(|_| server::ok("thawed")));
        // Standard input ends when the parent ends, and the parent may kill this process before.
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
    let (mut is_frozen, mut since, mut thawed) = (false, None, None);
    let one = workload("[[requests]]\npath = '/'");
    let outcome = run(&one, &plan, &Targets::all(address), &AtomicBool::new(false), &mut |progress| {
        let now = monotonic_now();
        if progress.phase == Phase::Measuring && !is_frozen {
            // No request has been sent yet. The window begins when this call returns.
            kill_process(pid, Signal::STOP).unwrap();
            is_frozen = true;
        } else if is_frozen && now >= *since.get_or_insert(now) + Nanos::from_millis(300) && thawed.is_none() {
            thawed = Some(now);
            kill_process(pid, Signal::CONT).unwrap();
        }
    })
    .unwrap();
    assert_eq!((outcome.ok(), outcome.failed()), (180, 0));

    // The schedule began no later than the window, so that each request waited at least this long.
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

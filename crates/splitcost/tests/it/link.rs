//! Tests of `splitcost link`.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::{Project, Running, wait_until};

/// Starts an echo server, which runs until this process ends. Returns its address.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4_096];
                while let Ok(count @ 1..) = socket.read(&mut buffer) {
                    if socket.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Starts a link, and returns its address.
fn start(project: &Project, arguments: &[&str]) -> (Running, String) {
    let running = project.start(&[&["link"], arguments].concat());
    let line = running.wait_for_line("listening on ");
    let address = line.split([' ', ',']).nth(2).unwrap().to_owned();
    (running, address)
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    socket
}

fn ask(address: &str) {
    let mut socket = connect(address);
    socket.write_all(b"question").unwrap();
    let mut answer = [0; 8];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
}

fn end(running: Running) -> String {
    kill_process(Pid::from_raw(running.pid()).unwrap(), Signal::INT).unwrap();
    running.transcript()
}

#[test]
fn a_link_prints_its_results() {
    let project = Project::empty();
    let options = ["--profile", "cross-az-aws+mtls", "--fault", "slow-close 1ms", "--format", "json"];
    let (running, address) = start(&project, &[&["--to", &echo()], &options[..]].concat());
    ask(&address);
    let text = end(running);
    let (begin, end) = (text.find('{').unwrap(), text.rfind('}').unwrap());
    let found: Value = serde_json::from_str(&text[begin..=end]).unwrap();
    assert_eq!(found["listen"], address);
    assert_eq!((&found["profile"], &found["faults"][0]), (&"cross-az-aws+mtls".into(), &"slow-close 1ms".into()));
    assert_eq!((&found["accepted"], &found["upstream_bytes"]), (&1.into(), &8.into()));
    // The delay is at least half of the shortest round trip without loopback.
    assert!(found["requested_delay"]["p50_micros"].as_f64().unwrap() >= 392.0, "{found}");
    assert!(found["left_out"][0].as_str().unwrap().contains("slow start"), "{found}");
}

#[test]
fn a_link_shows_it_to_people_too() {
    let project = Project::empty();
    let to = echo();
    let (running, address) = start(&project, &["--to", &to]);
    ask(&address);
    let text = end(running).replace(&address, "[LISTEN]").replace(&to, "[TO]");
    // On a busy machine, more lines may follow, because deliveries were late.
    let lines: Vec<&str> = text.lines().skip(1).take(3).collect();
    insta::with_settings!({filters => vec![(r"; [\d.]+ s", "; [SECS] s"), (r"\d open", "[N] open")]}, {
        insta::assert_snapshot!(lines.join("\n"), @r"
        [LISTEN] → [TO]: loopback; [SECS] s
        connections  1 accepted, [N] open at the end
        bytes        8 B upstream, 8 B downstream
        ");
    });
}

/// Returns the number of clients in the accept queue of a port, from the kernel's table.
fn clients_to_accept(address: &str) -> u32 {
    const LISTEN: &str = "0A";
    let port = address.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listener = sockets
        .filter(|fields| fields[3] == LISTEN)
        .find(|fields| fields[1].ends_with(&format!(":{port:04X}")))
        .unwrap_or_else(|| panic!("nothing listens on {address}"));
    u32::from_str_radix(listener[4].split(':').nth(1).unwrap(), 16).unwrap()
}

#[test]
fn a_thousand_connections_leave_no_file_open() {
    let project = Project::empty();
    let faults = ["--fault", "delay 100us", "--fault", "reset 10%", "--fault", "blackhole 10%"];
    let (running, address) = start(&project, &[&["--to", &echo()], &faults[..]].concat());
    let files = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    // The files that are open without a connection.
    let before = files();
    for _ in 0..20 {
        let clients: Vec<TcpStream> = (0..50).map(|_| connect(&address)).collect();
        for mut client in clients {
            // A fault may have reset the connection already.
            let _ = client.write(b"bytes");
        }
    }
    // A client that was not accepted yet would not be counted.
    wait_until(|| clients_to_accept(&address) == 0);
    wait_until(|| files() == before);
    assert!(end(running).contains("1,000 accepted, 0 open at the end"));
}

#[test]
fn profiles_are_listed_and_shown() {
    let project = Project::empty();
    let list = project.run(&["link", "list"]);
    assert!(list.contains("cross-az-aws         800 µs round trip  Two zones of one AWS region\n"), "{list}");
    assert!(list.ends_with("modifiers of each: +istio-sidecar, +istio-ambient, +linkerd, +mtls"), "{list}");
    insta::assert_snapshot!(project.run(&["link", "show", "same-host+mtls"]), @r"
    exit 0
    same-host+mtls: Two processes of one host, over loopback or a unix socket; TLS with certificates on both sides, without a mesh

    round_trip_micros p50               15  measured: loopback 13 to 16 µs, unix socket 10 µs, veth 15 µs; AMD EPYC, Linux 6.18 (2026-11)
    round_trip_micros p99               18  measured on a quiet machine; 18 to 203 µs as load varies (2026-11)
    correlation                          0  estimate: what makes it vary is the scheduler, anew each time
    loss_percent                         0  loopback loses nothing (2026-11)
    usd_per_gb                           0  nothing leaves the host (2026-11)
    + handshake_round_trips              1  RFC 8446 (TLS 1.3) (2018-08)
    + handshake_cpu_micros             250  measured: 0.2 to 0.3 ms of CPU on each side, P-256 (2026-11)
    ");
    let json = project.run(&["link", "show", "cross-region", "--format", "json"]);
    let json: Value = serde_json::from_str(json.strip_prefix("exit 0\n").unwrap()).unwrap();
    assert_eq!(json["link"]["usd_per_gb"], 0.02);
}

#[test]
fn a_profile_of_ones_own_comes_from_a_file_or_from_ping() {
    let project = Project::empty();
    let form = project.run(&["link", "show", "same-az-aws", "--format", "toml"]);
    std::fs::write(project.path("own.toml"), form.strip_prefix("exit 0\n").unwrap()).unwrap();
    assert!(project.run(&["link", "show", "own.toml+linkerd"]).contains("round_trip_micros p95              345"));

    let mut answers = String::new();
    for i in 0..100 {
        writeln!(answers, "64 bytes from h: icmp_seq={i} ttl=64 time=0.{} ms", 300 + i).unwrap();
    }
    std::fs::write(project.path("ping.txt"), answers).unwrap();
    let imported = project.run(&["link", "import", "ping.txt"]);
    std::fs::write(project.path("ping.toml"), imported.strip_prefix("exit 0\n").unwrap()).unwrap();
    let (running, address) = start(&project, &["--to", &echo(), "--profile", "ping.toml"]);
    ask(&address);
    assert!(end(running).contains(": ping.toml;"));
}

#[test]
fn errors_name_the_problem() {
    let project = Project::empty();
    insta::assert_snapshot!(project.run(&["link", "--to", "127.0.0.1:1", "--fault", "blackhole at-connect"]), @r"
    exit 2
    error: failed to emulate this link by forwarding streams: blackhole needs the packet engine: the kernel answers the handshake before a proxy sees the connection; use `after-accept` instead
    hint: `splitcost link --packets` can emulate it; it needs Linux and root
    ");
    insta::assert_snapshot!(project.run(&["link", "--to", "127.0.0.1:1", "--profile", "moon"]), @r#"
    exit 2
    error: failed to use the profile: there is no profile "moon"
    hint: known profiles: same-host, same-node-pods, cross-node, same-az-aws, same-az-gcp, same-az-azure, cross-az-aws, cross-az-gcp, cross-az-azure, cross-region, or the path of a .toml file; modifiers: +istio-sidecar, +istio-ambient, +linkerd, +mtls
    "#);
    insta::assert_snapshot!(project.run(&["link", "--to", "127.0.0.1:1", "--fault", "delay 10"]), @r"
    exit 2
    error: invalid value 'delay 10' for '--fault <FAULT>': `delay` needs a time such as 10ms, `lognormal 10ms sigma 0.5`, or `p50=1ms p99=5ms max=20ms`
      delay 10
            ^^

    For more information, try '--help'.
    ");
    let text = project.run(&["link", "--to", "127.0.0.1:1", "--api", "0.0.0.0:0"]);
    assert!(text.contains("error: failed to listen on 0.0.0.0:0: the API has no authentication"), "{text}");
    let text = project.run(&["link", "--to", "nowhere"]);
    assert!(text.starts_with("exit 2\nerror: failed to use the address \"nowhere\""), "{text}");
    assert!(project.run(&["link"]).contains("--to <ADDRESS>"));
}

#[test]
fn clients_of_toxiproxy_find_the_link_of_the_command_line() {
    let project = Project::empty();
    let (running, _) = start(&project, &["--to", &echo(), "--api", "127.0.0.1:0", "--format", "json"]);
    let line = running.wait_for_line("serving the API at ");
    let api = line.split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let mut socket = connect(&api);
    socket.write_all(b"GET /proxies/link HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"enabled\":true"), "{answer}");
    let text = end(running);
    let found: Value = serde_json::from_str(&text[text.find('[').unwrap()..=text.rfind(']').unwrap()]).unwrap();
    assert_eq!(found[0]["profile"], "loopback");
}

//! Profiles from the output of other tools, and from traces.

use std::fmt::Write as _;

use proptest::prelude::*;
use splitcost_link::profile::{Between, Profile, import, import_between};
use splitcost_model::quantity::Nanos;

fn read(name: &str, text: &str) -> Result<Profile, String> {
    let text = import(&[(name.to_owned(), text.to_owned())]).map_err(|error| error.to_string())?;
    Ok(Profile::read("imported.toml", &text).unwrap())
}

fn ping(count: usize) -> String {
    let mut text = "PING 10.0.0.7 (10.0.0.7) 56(84) bytes of data.\n".to_owned();
    for i in 1..=count {
        writeln!(text, "64 bytes from 10.0.0.7: icmp_seq={i} ttl=64 time=0.{} ms", 700 + i % 100).unwrap();
    }
    text + "\n--- 10.0.0.7 ping statistics ---\n1000 packets transmitted, 995 received, 0.5% packet loss, time 9990ms\n"
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        begin in prop_oneof![Just("{"), Just("{\"resourceSpans\": ["), Just("PING"), Just("sockperf: Summary: Latency is"), Just("about = 'x'")],
        text in "[ a-z0-9.=,:%{}\\[\\]\"\n<>-]{0,200}",
        values in prop::collection::vec(0.0..1e5_f64, 20..30),
    ) {
        // No text causes a panic, and each imported text is a profile.
        let text = format!("{begin}\n{text}\n");
        for text in [text.clone(), values.iter().fold(text, |text, value| format!("{text}time={value:.3} ms\n"))] {
            if let Ok(imported) = import(&[("x".to_owned(), text.clone())]) {
                Profile::read("imported.toml", &imported).unwrap();
            }
            let _ = Profile::read("x", &text);
        }
    }
}

#[test]
fn ping_gives_round_trips_and_loss() {
    let profile = read("ping.txt", &ping(1_000)).unwrap();
    let shares: Vec<String> =
        profile.figures.iter().map(|figure| format!("{} {}", figure.what, figure.value)).collect();
    assert_eq!(
        shares,
        [
            "round_trip_micros p0 700",
            "round_trip_micros p50 749.5",
            "round_trip_micros p90 789.1",
            "round_trip_micros p99 798",
            "round_trip_micros p99.9 799",
            "round_trip_micros p100 799",
            "loss_percent 0.5"
        ]
    );
    assert!((profile.link.loss - 0.005).abs() < 1e-9);
    assert_eq!(profile.figures[0].source, "ping, 1000 answers, ping.txt");
}

#[test]
fn sockperf_gives_half_of_a_round_trip() {
    let text = "sockperf: == version #3.7 ==
sockperf: Summary: Latency is 8.437 usec
sockperf: Total 58829 observations; each percentile contains 588.29 observations
sockperf: ---> <MAX> observation =  270.1
sockperf: ---> percentile 99.900 =   14.5
sockperf: ---> percentile 50.000 =    8.3
sockperf: ---> <MIN> observation =    7.0
";
    let profile = read("sockperf.txt", text).unwrap();
    assert!((profile.figures[1].value - 16.6).abs() < 1e-9);
    let full = text.replace("Latency is 8.437", "Round trip is 16.9");
    assert!((read("sockperf.txt", &full).unwrap().figures[1].value - 8.3).abs() < 1e-9);
}

#[test]
fn iperf3_gives_the_rate() {
    let iperf3 = "{\"intervals\": [], \"end\": {\"sum_received\": {\"bits_per_second\": 4.9e9}}}";
    let files = [("ping.txt".to_owned(), ping(100)), ("iperf.json".to_owned(), iperf3.to_owned())];
    let profile = Profile::read("both.toml", &import(&files).unwrap()).unwrap();
    assert_eq!(profile.link.bits_per_sec, Some(4.9e9));
    assert!(profile.link.one_way_delay.median() > Nanos::from_micros(342));
}

#[test]
fn other_texts_are_refused_with_their_line() {
    let wrong = |text: &str| read("x", text).unwrap_err();
    assert_eq!(
        wrong("hello\n"),
        "use the profile: x:1: this is neither output of ping, sockperf or iperf3 -J, nor a trace"
    );
    assert_eq!(
        wrong("PING h\n64 bytes from h: icmp_seq=1 ttl=64 time=fast\n"),
        "use the profile: x:2: \"fast\" is not a time in ms"
    );
    assert!(wrong(&ping(3)).contains("x:7: 3 answers are too few, at least 20 are needed"));
    assert_eq!(
        wrong("{\n\"start\": {},\n\"error\": \"unable to connect\"}"),
        "use the profile: x:3: iperf3 failed: unable to connect"
    );
    assert!(wrong("{\n\"end\": oops}").starts_with("use the profile: x:2: not JSON"));
    assert!(wrong("{\"end\": {}}").ends_with("it has no end.sum_received.bits_per_second"));
    assert!(wrong("sockperf: ---> percentile 50.0 = 8.3\n").contains("it has no summary"));
    assert!(wrong("sockperf: Summary: Latency is 8 usec\nsockperf: ---> percentile 50.0 = x\n").contains("x:2"));
    let only_rate = "{\"end\": {\"sum_received\": {\"bits_per_second\": 4.9e9}}}";
    assert_eq!(wrong(only_rate), "use the profile: x has no round trips");
}

/// Returns the spans of a call: the client's span, and the server's span, which takes 1 ms.
fn call(id: usize, client_micros: usize, (from, to): (&str, &str)) -> String {
    let span = |service: &str, kind: &str, id: &str, parent: &str, nanos: usize| {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},
            "scopeSpans":[{{"spans":[{{"traceId":"t{}","spanId":"{id}","parentSpanId":"{parent}","name":"GET /",
            "kind":{kind},"startTimeUnixNano":"1000000000","endTimeUnixNano":{}}}]}}]}}]}}"#,
            id.len(),
            1_000_000_000 + nanos
        )
        .replace('\n', "")
    };
    let client = span(from, "3", &format!("c{id:04}"), "", client_micros * 1_000);
    let server = span(to, "\"SPAN_KIND_SERVER\"", &format!("s{id:04}"), &format!("c{id:04}"), 1_000_000);
    format!("{server}\n{client}\n")
}

#[test]
fn a_round_trip_is_the_clients_span_minus_the_servers_span() {
    let calls: String = (0..100).map(|i| call(i, 1_500 + i, ("shop", "catalog"))).collect();
    let profile = read("traces.json", &(calls.clone() + &call(100, 900, ("shop", "catalog")))).unwrap();
    let median = profile.figures.iter().find(|figure| figure.what == "round_trip_micros p50").unwrap();
    assert!((median.value - 549.5).abs() < 0.01, "{}", median.value);
    assert_eq!(
        median.source,
        "OpenTelemetry, 100 calls of shop to catalog, 1 left out, traces.json: the client's span minus the server's span"
    );

    let both = calls + &(200..230).map(|i| call(i, 2_000, ("shop", "stock"))).collect::<String>();
    let error = read("traces.json", &both).unwrap_err();
    assert!(error.ends_with(
        "traces.json:260: there are calls between 2 pairs of services; select one with --from and --to: shop to catalog (100), shop to stock \
         (30)"
    ), "{error}");
    let between = Between { to: Some("stock"), ..Between::default() };
    assert!(import_between(&[("x".into(), both)], between).unwrap().contains("30 calls of shop to stock"));
}

#[test]
fn errors_in_traces_show_the_position() {
    let good = call(1, 2_000, ("a", "b"));
    let problem = |text: String| {
        let error = read("t.json", &text).unwrap_err();
        error.strip_prefix("use the profile: ").unwrap().to_owned()
    };
    assert_eq!(problem(good.clone()), "t.json:2: 1 calls of a to b are too few, at least 20 are needed");
    assert!(problem(good.clone() + "{\"resourceSpans\": 3}").starts_with("t.json:3: not an OpenTelemetry export: "));
    assert_eq!(
        problem(good.replace("\"1000000000\"", "\"soon\"")),
        "t.json:1: startTimeUnixNano of span s0001 is not a time"
    );
    assert_eq!(problem(good.replace("1002000000", "1")), "t.json:2: span c0001 ends before it begins");
    assert!(
        problem(good.replace("\"kind\":3", "\"kind\":1"))
            .contains("no client span between the selected services has a server span")
    );
}

//! Makes profiles from the output of `ping`, `sockperf` and `iperf3 -J`, and from traces.

use std::fmt::Write as _;

use serde_json::Value;
use splitcost_model::statistics::quantile;

use super::Profile;
use super::trace::{self, Between};
use crate::Error;

/// The quantiles that a profile lists if there are enough samples.
///
/// Chosen: the profiles that are shipped use the same ones.
const SHARES: [f64; 6] = [0.0, 0.5, 0.9, 0.99, 0.999, 1.0];
/// The fewest samples that a profile is made from.
///
/// Chosen: fewer samples have no meaningful quantiles.
const FEWEST: usize = 20;

/// The measurements that were read so far.
#[derive(Debug, Default)]
struct Measurements {
    round_trip: Vec<(f64, f64)>,
    round_trip_source: String,
    loss_percent: Option<(f64, String)>,
    gbit_per_sec: Option<(f64, String)>,
}

/// Makes the text of a profile from files, given as pairs of name and text. A file is the output of `ping`, `sockperf` or
/// `iperf3 -J`, or a JSON export of OpenTelemetry traces.
///
/// # Errors
/// Fails when a file has another format or no data, and gives the line.
pub fn import(files: &[(String, String)]) -> Result<String, Error> {
    import_between(files, Between::default())
}

/// Makes the text of a profile like [`import`], and selects the calls between two services from traces.
///
/// # Errors
/// Fails in the same cases as [`import`].
pub fn import_between(files: &[(String, String)], between: Between<'_>) -> Result<String, Error> {
    let mut found = Measurements::default();
    for (name, text) in files {
        let wrong = |line: usize, problem: String| {
            Error::Profile {
            problem: format!("{name}:{line}: {problem}"),
            hint:
                "use the output of `ping -c 1000 -i 0.01 HOST`, `sockperf ping-pong --tcp -i HOST` or `iperf3 -J -c HOST`, \
                   or a JSON export of OpenTelemetry traces"
                    .into(),
        }
        };
        let read = if trace::is_export(text) {
            traces(text, name, between, &mut found)
        } else if text.trim_start().starts_with('{') {
            iperf3(text, name, &mut found)
        } else if text.contains("sockperf:") {
            sockperf(text, name, &mut found)
        } else if text.lines().any(|line| line.contains("time=") || line.contains("time<") || line.starts_with("PING"))
        {
            ping(text, name, &mut found)
        } else {
            Err((1, "this is neither output of ping, sockperf or iperf3 -J, nor a trace".to_owned()))
        };
        read.map_err(|(line, problem)| wrong(line, problem))?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    if found.round_trip.is_empty() {
        return Err(Error::Profile {
            problem: format!("{} has no round trips", names.join(", ")),
            hint: "add the output of ping, or traces".into(),
        });
    }
    let text = write(&found, &names);
    // Inconsistent numbers are refused here rather than when the profile is used.
    Profile::read(&names.join(", "), &text)?;
    Ok(text)
}

/// Writes the measurements as a profile.
fn write(found: &Measurements, names: &[&str]) -> String {
    // The results of `write!` are ignored because writing to a string does not fail.
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = format!("about = {}\n", quoted(&format!("Imported from {}", names.join(", "))));
    for (share, micros) in &found.round_trip {
        let source = quoted(&found.round_trip_source);
        let _ = write!(text, "\n[[round_trip_micros]]\nquantile = {share}\nvalue = {micros:.1}\nsource = {source}\n");
    }
    let single = [("loss_percent", &found.loss_percent), ("bandwidth_gbit_per_sec", &found.gbit_per_sec)];
    for (key, value) in single {
        if let Some((value, source)) = value {
            let _ = write!(text, "\n[{key}]\nvalue = {value}\nsource = {}\n", quoted(source));
        }
    }
    text
}

/// The result of reading a file: an error has a line and a problem.
type ReadResult = Result<(), (usize, String)>;

/// Reads the output of `ping`, in which each line with a time is a sample.
fn ping(text: &str, name: &str, found: &mut Measurements) -> ReadResult {
    let mut micros = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if let Some((_, time)) = line.split_once("time=").or_else(|| line.split_once("time<")) {
            let time = time.trim();
            let digits = time.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(time.len());
            let unit = time[digits..].trim_start();
            let factor = if unit.starts_with("ms") {
                1e3
            } else if unit.starts_with("us") {
                1.0
            } else {
                return Err((line_number, format!("{time:?} is not a time in ms")));
            };
            let value: f64 =
                time[..digits].parse().map_err(|_| (line_number, format!("{time:?} is not a time in ms")))?;
            micros.push(value * factor);
        } else if let Some((before, _)) = line.split_once("% packet loss") {
            let percent = before.rsplit([' ', ',']).next().unwrap_or_default();
            let percent = percent
                .parse()
                .map_err(|_| (line_number, format!("{percent:?} is not the percentage of lost packets")))?;
            found.loss_percent = Some((percent, format!("ping, {name}")));
        }
    }
    if micros.len() < FEWEST {
        let last = text.lines().count();
        return Err((
            last,
            format!("{} answers are too few, at least {FEWEST} are needed; `ping -q` prints none", micros.len()),
        ));
    }
    found.round_trip = shares(&mut micros);
    found.round_trip_source = format!("ping, {} answers, {name}", micros.len());
    Ok(())
}

/// Returns the quantiles that this number of samples can show.
fn shares(micros: &mut [f64]) -> Vec<(f64, f64)> {
    micros.sort_by(f64::total_cmp);
    let count = micros.len() as f64;
    let has = |share: f64| share >= 1.0 || count * (1.0 - share) >= 1.0;
    let known = SHARES.into_iter().filter(|share| has(*share));
    known.filter_map(|share| Some((share, quantile(micros, share)?))).collect()
}

/// Reads the quantiles in the summary of `sockperf`, which are those of half a round trip unless the summary says otherwise.
fn sockperf(text: &str, name: &str, found: &mut Measurements) -> ReadResult {
    let mut factor = None;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = |text: &str| {
            text.trim()
                .trim_end_matches(" usec")
                .parse::<f64>()
                .map_err(|_| (index + 1, format!("{text:?} is not a number")))
        };
        if line.contains("Summary: Latency is") {
            factor = Some(2.0);
        } else if line.contains("Summary: Round trip is") {
            factor = Some(1.0);
        }
        let Some((what, value)) = line.split_once('=').filter(|(what, _)| what.contains("--->")) else { continue };
        let what = what.split_once("--->").map_or("", |(_, what)| what).trim();
        let share = match what {
            "<MAX> observation" => 1.0,
            "<MIN> observation" => 0.0,
            _ => match what.strip_prefix("percentile") {
                Some(percent) => number(percent)? / 100.0,
                None => continue,
            },
        };
        points.push((share, number(value)?));
    }
    let last = text.lines().count();
    let factor =
        factor.ok_or((last, "it has no summary: the run was interrupted, or used the mode under-load".to_owned()))?;
    if points.is_empty() {
        return Err((last, "it has no percentiles".to_owned()));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| a.0 <= b.0);
    found.round_trip = points.into_iter().map(|(share, micros)| (share, micros * factor)).collect();
    found.round_trip_source = format!("sockperf, {name}");
    Ok(())
}

/// Reads the rate of the received data from `iperf3 -J`. Its round trips are those of a full link, and are used only if there
/// are no others.
fn iperf3(text: &str, name: &str, found: &mut Measurements) -> ReadResult {
    let json: Value = serde_json::from_str(text).map_err(|error| (error.line(), format!("not JSON: {error}")))?;
    let line_of =
        |key: &str| text.lines().position(|line| line.contains(&format!("\"{key}\""))).map_or(1, |line| line + 1);
    if let Some(error) = json["error"].as_str() {
        return Err((line_of("error"), format!("iperf3 failed: {error}")));
    }
    let end = &json["end"];
    let received = if end["sum_received"].is_null() { &end["sum"] } else { &end["sum_received"] };
    let rate = received["bits_per_second"].as_f64();
    let rate = rate.ok_or_else(|| (line_of("end"), "it has no end.sum_received.bits_per_second".to_owned()))?;
    found.gbit_per_sec = Some((rate / 1e9, format!("iperf3, {name}")));
    if let Some(percent) = received["lost_percent"].as_f64() {
        found.loss_percent = Some((percent, format!("iperf3 over UDP, {name}")));
    }
    let streams =
        json["intervals"].as_array().into_iter().flatten().filter_map(|interval| interval["streams"].as_array());
    let mut micros: Vec<f64> = streams.flatten().filter_map(|stream| stream["rtt"].as_f64()).collect();
    if found.round_trip.is_empty() && micros.len() >= FEWEST {
        found.round_trip = shares(&mut micros);
        found.round_trip_source = format!("iperf3, {name}: the link was full");
    }
    Ok(())
}

/// Reads the calls of one service to another from traces.
fn traces(text: &str, name: &str, between: Between<'_>, found: &mut Measurements) -> ReadResult {
    let mut calls = trace::read(text, between)?;
    let last = text.lines().count();
    let left_out = match calls.left_out {
        0 => String::new(),
        some => format!(", {some} left out"),
    };
    let of = format!("{} calls of {} to {}{left_out}", calls.micros.len(), calls.from, calls.to);
    if calls.micros.len() < FEWEST {
        return Err((last, format!("{of} are too few, at least {FEWEST} are needed")));
    }
    found.round_trip = shares(&mut calls.micros);
    found.round_trip_source = format!("OpenTelemetry, {of}, {name}: the client's span minus the server's span");
    Ok(())
}

//! Comparisons of codecs, as text for a terminal and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use splitcost_model::bench::{
    Change, CodecTimes, Codecs, Document, DocumentRole, Trial, TrialOutcome, Unusual, ValueDifference, Verdict,
};
use splitcost_model::statistics::Interval;

use crate::number::{count, factor, number};
use crate::table::{Style, table};

/// Renders the result of `splitcost bench codecs`: times, sizes, depths, and the effect of each codec on values.
pub fn codecs(found: &Codecs, style: Style) -> String {
    let mut all_times = found.documents.iter().flat_map(|document| &document.times);
    let level = all_times.next().map(|times| times.encode_micros.level);
    let mut text = format!(
        "CPython {}, GC {}; {} rounds in one process, shuffled; median and {} interval; the same is within {} %\n",
        found.python_version,
        found.gc,
        found.rounds,
        level.unwrap_or_default(),
        number(found.margin * 100.0),
    );
    // Writing to a string does not fail.
    for document in found.documents.iter().filter(|document| document.role == DocumentRole::Document) {
        let _ = write!(
            text,
            "\n{}{}: {} B by json, {}, {} deep\n{}",
            heading(style),
            document.name,
            count(document.json_bytes),
            if document.values == 1 { "1 value".to_owned() } else { format!("{} values", count(document.values)) },
            count(document.depth),
            gap(style),
        );
        text += &table(&times(document), style);
        let places = places(&document.trials);
        if !places.is_empty() {
            text += gap(style);
            text += &places;
        }
    }
    for (role, title) in [(DocumentRole::Size, "in other sizes"), (DocumentRole::Depth, "in other depths")] {
        let of: Vec<&Document> = found.documents.iter().filter(|document| document.role == role).collect();
        if !of.is_empty() {
            let _ = write!(text, "\n{}The first {title}: µs to encode / decode\n{}", heading(style), gap(style));
            text += &table(&variants(&of), style);
        }
    }
    let _ = write!(
        text,
        "\n{}Unusual values, encoded and decoded at rows[0].value of a small document\n{}",
        heading(style),
        gap(style)
    );
    text += &table(&unusual(found), style);
    text += gap(style);
    text += "kept: it came back the same; →: something else came back, without an error; refused: by its schema\n";
    let missing: Vec<_> = found.codecs.iter().filter(|codec| !codec.missing.is_empty()).collect();
    for codec in missing {
        let _ = writeln!(text, "left out: {}: pip install {}", codec.name, codec.missing.join(" "));
    }
    for reason in &found.left_out {
        let _ = writeln!(text, "left out: {reason}");
    }
    text
}

fn heading(style: Style) -> &'static str {
    if style == Style::Markdown { "### " } else { "" }
}

/// Returns the empty line that Markdown needs before a table.
fn gap(style: Style) -> &'static str {
    if style == Style::Markdown { "\n" } else { "" }
}

fn name(times: &CodecTimes) -> String {
    let objects = if times.codec == "protobuf" { "messages" } else { "models" };
    if times.ready { format!("{}, {objects} at hand", times.codec) } else { times.codec.clone() }
}

fn times(document: &Document) -> Vec<Vec<String>> {
    let mut rows =
        vec![["codec", "size, B", "encode, µs", "to json", "decode, µs", "to json"].map(str::to_owned).to_vec()];
    for times in &document.times {
        rows.push(vec![
            name(times),
            count(times.bytes),
            interval(times.encode_micros),
            times.encode_change.map(change).unwrap_or_default(),
            interval(times.decode_micros),
            times.decode_change.map(change).unwrap_or_default(),
        ]);
    }
    rows
}

fn interval(Interval { value, low, high, .. }: Interval) -> String {
    format!("{} ({}–{})", number(value), number(low), number(high))
}

/// Renders the ratio with its interval, and the verdict as a word.
fn change(Change { ratio, verdict, more_rounds }: Change) -> String {
    let word = match verdict {
        Verdict::Same => "same".to_owned(),
        Verdict::Different if ratio.value < 1.0 => format!("{} faster", factor(1.0 / ratio.value)),
        Verdict::Different => format!("{} slower", factor(ratio.value)),
        Verdict::Inconclusive => {
            more_rounds.map_or("inconclusive".to_owned(), |more| format!("inconclusive, {} more rounds", count(more)))
        }
    };
    format!("{} ({}–{}) {word}", number(ratio.value), number(ratio.low), number(ratio.high))
}

fn variants(documents: &[&Document]) -> Vec<Vec<String>> {
    let mut head = vec!["codec".to_owned()];
    head.extend(documents.iter().map(|document| format!("{} ({} B)", document.name, count(document.json_bytes))));
    let mut rows = vec![head];
    for times in &documents[0].times {
        let mut row = vec![name(times)];
        for document in documents {
            let same = document.times.iter().find(|other| other.codec == times.codec && other.ready == times.ready);
            row.push(same.map_or("–".to_owned(), |times| {
                format!("{} / {}", number(times.encode_micros.value), number(times.decode_micros.value))
            }));
        }
        rows.push(row);
    }
    rows
}

/// Renders the places of a document that were not kept, by codec.
fn places(trials: &BTreeMap<String, Trial>) -> String {
    let mut text = String::new();
    for (codec, trial) in trials {
        for place in &trial.places {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{codec}: {}", place_words(place));
        }
    }
    text
}

pub(super) fn place_words(place: &ValueDifference) -> String {
    let path = match place.path.trim_start_matches('.') {
        "" => "all of it",
        path => path,
    };
    match (&place.became, &place.error) {
        (Some(became), _) => format!("{path} was {}, becomes {became}", place.was),
        (None, Some(error)) => format!("{path}, which is {}: {error}", place.was),
        (None, None) => path.to_owned(),
    }
}

fn unusual(found: &Codecs) -> Vec<Vec<String>> {
    let names: Vec<&String> =
        found.codecs.iter().filter(|codec| codec.missing.is_empty()).map(|codec| &codec.name).collect();
    let mut head = vec!["value".to_owned()];
    head.extend(names.iter().map(|name| (*name).clone()));
    let mut rows = vec![head];
    for Unusual { name, codecs, .. } in &found.unusual {
        let mut row = vec![name.clone()];
        row.extend(names.iter().map(|codec| codecs.get(*codec).map(cell).unwrap_or_default()));
        rows.push(row);
    }
    rows
}

/// Renders a trial in a word or two; the whole text is in the JSON.
fn cell(trial: &Trial) -> String {
    let place = trial.places.first();
    match (trial.outcome, place) {
        (TrialOutcome::Error, Some(ValueDifference { error: Some(error), .. })) => {
            let error = error.strip_prefix("when it decodes, ").unwrap_or(error);
            let kind = error.split(':').next().unwrap_or_default();
            // Python's names of errors have no space; a codec of ours that refuses says it in words.
            let kind = if kind.contains(' ') { "refused" } else { kind };
            kind.strip_prefix("PydanticSerialization").unwrap_or(kind).to_owned()
        }
        (TrialOutcome::Changed, Some(ValueDifference { became_type: Some(kind), .. })) => format!("→ {kind}"),
        (TrialOutcome::Changed, Some(ValueDifference { became: Some(became), .. })) if became.starts_with("key ") => {
            format!("→ {became}")
        }
        (outcome, _) => match outcome {
            TrialOutcome::Kept => "kept",
            TrialOutcome::Changed => "changed",
            TrialOutcome::Error => "error",
        }
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use splitcost_model::bench::CodecVersion;

    use splitcost_model::statistics::Level;

    use super::*;

    fn found() -> Codecs {
        let micros = |value: f64| Interval::new(Level::NINETY, value, value * 0.9, value * 1.1);
        let change = |value, verdict, more_rounds| Change { ratio: micros(value), verdict, more_rounds };
        let json = CodecTimes {
            codec: "json".into(),
            bytes: 280,
            encode_micros: micros(12.9),
            decode_micros: micros(4.89),
            ..CodecTimes::default()
        };
        let protobuf = CodecTimes {
            codec: "protobuf".into(),
            ready: true,
            bytes: 96,
            encode_micros: micros(0.5),
            decode_micros: micros(5.0),
            encode_change: Some(change(0.04, Verdict::Different, None)),
            decode_change: Some(change(1.02, Verdict::Inconclusive, Some(12))),
        };
        let place = |became: Option<&str>, error: Option<&str>| ValueDifference {
            path: ".lines[0].price".into(),
            was: "nan".into(),
            became: became.map(str::to_owned),
            became_type: became.map(str::to_owned),
            error: error.map(str::to_owned),
        };
        let trial = |outcome, places| Trial { outcome, places };
        let trials = BTreeMap::from([
            ("json".to_owned(), Trial::default()),
            ("protobuf".to_owned(), trial(TrialOutcome::Changed, vec![place(Some("None"), None)])),
        ]);
        let document = |role, name: &str| Document {
            role,
            name: name.into(),
            json_bytes: 280,
            values: 21,
            depth: 3,
            times: vec![json.clone(), protobuf.clone()],
            ..Document::default()
        };
        let version = |name: &str, missing: &[&str]| CodecVersion {
            name: name.into(),
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
            ..CodecVersion::default()
        };
        Codecs {
            python_version: "3.13.0".into(),
            gc: "on".into(),
            rounds: 15,
            margin: 0.03,
            codecs: vec![version("json", &[]), version("protobuf", &[]), version("ujson", &["ujson"])],
            documents: vec![
                Document { trials, ..document(DocumentRole::Document, "order.json") },
                document(DocumentRole::Size, "1 kB"),
            ],
            left_out: vec!["100 B: the shape needs 214 B at least".into()],
            unusual: vec![Unusual {
                name: "NaN".into(),
                value: "nan".into(),
                codecs: BTreeMap::from([
                    ("json".to_owned(), trial(TrialOutcome::Error, vec![place(None, Some("TypeError: no"))])),
                    ("protobuf".to_owned(), trial(TrialOutcome::Changed, vec![place(Some("None"), None)])),
                ]),
            }],
        }
    }

    #[test]
    fn a_terminal_shows_times_and_what_becomes_of_values() {
        insta::assert_snapshot!(codecs(&found(), Style::Text), @r"
        CPython 3.13.0, GC on; 15 rounds in one process, shuffled; median and 90 % interval; the same is within 3.00 %

        order.json: 280 B by json, 21 values, 3 deep
        codec                       size, B           encode, µs                            to json        decode, µs                                         to json
        json                            280     12.9 (11.6–14.2)                                     4.89 (4.40–5.38)
        protobuf, messages at hand       96  0.500 (0.450–0.550)  0.0400 (0.0360–0.0440) 25× faster  5.00 (4.50–5.50)  1.02 (0.918–1.12) inconclusive, 12 more rounds
        protobuf: lines[0].price was nan, becomes None

        The first in other sizes: µs to encode / decode
        codec                       1 kB (280 B)
        json                         12.9 / 4.89
        protobuf, messages at hand  0.500 / 5.00

        Unusual values, encoded and decoded at rows[0].value of a small document
        value       json  protobuf
        NaN    TypeError    → None
        kept: it came back the same; →: something else came back, without an error; refused: by its schema
        left out: ujson: pip install ujson
        left out: 100 B: the shape needs 214 B at least
        ");
    }

    #[test]
    fn markdown_has_the_same_tables() {
        let text = codecs(&found(), Style::Markdown);
        assert!(text.contains("\n\n| codec | size, B | encode, µs | to json | decode, µs | to json |\n|---|--:|"));
        assert!(
            text.contains("| NaN | TypeError | → None |\n\nkept:"),
            "a line right below would be a row of the table"
        );
    }
}

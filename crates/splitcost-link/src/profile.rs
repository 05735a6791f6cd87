//! Profiles: links by name. Each number has a source and a date, or is marked as an estimate.
//!
//! A profile contains round trips, since these are what people measure. [`one_way`] converts them to one-way delays. Instead
//! of the name of a profile, users can give the path of a TOML file in the same format. Both can have a modifier, such as
//! `cross-az-aws+istio-sidecar`.

mod import;
mod trace;

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};
use splitcost_model::link::{Delay, Link, Quantiles, Sidecars};
use splitcost_model::quantity::Nanos;

pub use import::{import, import_between};
pub use trace::Between;

use crate::Error;

/// The round trip over loopback, which an emulated link always includes.
///
/// Measured: 13 to 16 µs, 64 bytes there and back between two threads; AMD EPYC, Linux 6.18, 2026-11.
pub const LOOPBACK_ROUND_TRIP: Nanos = Nanos::from_micros(15);

/// The extension that distinguishes the path of a file from a name.
const FILE: &str = ".toml";

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../profiles/", $name, ".toml")))),*]
    };
}

const PROFILES: [(&str, &str); 10] = files!(
    "same-host" "same-node-pods" "cross-node" "same-az-aws" "same-az-gcp" "same-az-azure"
    "cross-az-aws" "cross-az-gcp" "cross-az-azure" "cross-region"
);
const MODIFIERS: [(&str, &str); 4] = files!("+istio-sidecar" "+istio-ambient" "+linkerd" "+mtls");

/// A link, and the sources of its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The name of the profile.
    pub name: String,
    /// A description of the link.
    pub about: String,
    /// The numbers of the profile.
    pub figures: Vec<Figure>,
    /// The link that follows from the numbers.
    pub link: Link,
}

/// A number, and its source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The name of the quantity.
    pub what: String,
    /// The number, in the unit at the end of `what`.
    pub value: f64,
    /// The source, or the reason for the estimate.
    pub source: String,
    /// The date of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// True when the number is an estimate.
    pub estimate: bool,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let estimate = if self.estimate { "estimate: " } else { "" };
        let date = self.date.as_ref().map_or(String::new(), |date| format!(" ({date})"));
        write!(f, "{:<28}{:>10}  {estimate}{}{date}", self.what, self.value, self.source)
    }
}

impl Profile {
    /// Returns the names of all shipped profiles, and those of the modifiers.
    pub fn names() -> (impl Iterator<Item = &'static str>, impl Iterator<Item = &'static str>) {
        (PROFILES.iter().map(|(name, _)| *name), MODIFIERS.iter().map(|(name, _)| *name))
    }

    /// Returns the profile with this name, or from this file, with its modifier.
    ///
    /// # Errors
    /// Fails when the name is unknown, or the file is not a profile.
    pub fn find(name: &str) -> Result<Self, Error> {
        // A path may contain a plus sign.
        let path = name.find(FILE).map(|at| at + FILE.len());
        let end = path.or_else(|| name.find('+')).unwrap_or(name.len());
        let (base, modifier) = (&name[..end], Some(&name[end..]).filter(|rest| !rest.is_empty()));
        let shipped = PROFILES.iter().find(|(known, _)| *known == base);
        let table = match shipped {
            Some((_, text)) => Table::read(base, text)?,
            None if path.is_some() => {
                let text = fs::read_to_string(base);
                Table::read(base, &text.map_err(|source| Error::File { path: base.to_owned(), source })?)?
            }
            None => return Err(unknown(format!("there is no profile {base:?}"))),
        };
        let modifier = match modifier {
            Some(name) => match MODIFIERS.iter().find(|(known, _)| *known == name) {
                Some((_, text)) => Some(Table::read(name, text)?),
                None => return Err(unknown(format!("there is no modifier {name:?}; a profile takes at most one"))),
            },
            None => None,
        };
        table.profile(name, modifier)
    }

    /// Parses a profile in the format of the files.
    ///
    /// # Errors
    /// Fails when the text is not a profile, and gives the position of the problem.
    pub fn read(name: &str, text: &str) -> Result<Self, Error> {
        Table::read(name, text)?.profile(name, None)
    }
}

/// Returns the error for an unknown name, with a hint that lists the known ones.
fn unknown(problem: String) -> Error {
    let (profiles, modifiers) = Profile::names();
    let names = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>().join(", ");
    let known =
        format!("{}, or the path of a .toml file; modifiers: {}", names(&mut { profiles }), names(&mut { modifiers }));
    Error::Profile { problem, hint: format!("known profiles: {known}") }
}

/// Converts the quantiles of a round trip to the distribution of a one-way delay.
///
/// The round trip over loopback is subtracted. Each direction always takes half of the shortest round trip. An excess over
/// the shortest round trip occurs in one of the two directions, so that each direction has it with half the probability.
/// Two independent draws then have approximately the given round trip.
///
/// # Errors
/// Fails when the quantiles do not ascend.
pub fn one_way(round_trip: &[(f64, Nanos)], loopback: Nanos) -> Result<Delay, &'static str> {
    let trips = Quantiles::new(round_trip.to_vec())?;
    let shortest = trips.points().first().map_or(Nanos::ZERO, |(_, value)| *value);
    let always = (shortest - loopback) * 0.5;
    let excess = |value: Nanos| value - shortest.max(loopback);
    let points = round_trip.iter().map(|(share, value)| (1.0 - (1.0 - share) / 2.0, always + excess(*value)));
    Ok(match round_trip {
        [_] => Delay::Constant(always),
        _ => Delay::Quantiles(Quantiles::new(points.collect())?),
    })
}

/// The contents of a profile file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    about: String,
    #[serde(default)]
    round_trip_micros: Vec<Entry>,
    correlation: Option<Entry>,
    bandwidth_gbit_per_sec: Option<Entry>,
    loss_percent: Option<Entry>,
    usd_per_gb: Option<Entry>,
    handshake_round_trips: Option<Entry>,
    handshake_cpu_micros: Option<Entry>,
    proxies: Option<Entry>,
    cpu_micros_per_request: Option<Entry>,
}

/// A number in a profile file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    quantile: Option<f64>,
    value: toml::Spanned<f64>,
    source: Option<String>,
    date: Option<String>,
    estimate: Option<String>,
}

impl Table {
    fn read(name: &str, text: &str) -> Result<Self, Error> {
        let malformed = |at: usize, problem: String| {
            let before = &text[..at.min(text.len())];
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let line = before.matches('\n').count() + 1;
            Error::Profile {
                problem: format!("{name}:{line}:{column}: {problem}"),
                hint: "`splitcost link show same-az-aws --format toml` shows what a profile looks like".to_owned(),
            }
        };
        let table: Self = toml::from_str(text)
            .map_err(|error| malformed(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        for (what, entry) in table.entries() {
            let at = entry.value.span().start;
            let value = *entry.value.get_ref();
            let most = match what {
                "correlation" => 0.999,
                "loss_percent" => 100.0,
                _ => 1e9,
            };
            if !(0.0..=most).contains(&value) {
                return Err(malformed(at, format!("{what} is not between 0 and {most}")));
            }
            if entry.source.is_none() && entry.estimate.is_none() {
                return Err(malformed(at, format!("{what} has neither a `source` nor an `estimate`")));
            }
            if entry.quantile.is_some() != (what == "round_trip_micros") {
                return Err(malformed(
                    at,
                    "each round_trip_micros needs a `quantile`, and other numbers have none".into(),
                ));
            }
        }
        if let Err(problem) = table.round_trip(Nanos::ZERO) {
            let at = table.round_trip_micros.first().map_or(0, |entry| entry.value.span().start);
            return Err(malformed(at, format!("round_trip_micros: {problem}")));
        }
        Ok(table)
    }

    /// Returns all numbers, with their names in the file.
    fn entries(&self) -> impl Iterator<Item = (&'static str, &Entry)> {
        let single = [
            ("correlation", &self.correlation),
            ("bandwidth_gbit_per_sec", &self.bandwidth_gbit_per_sec),
            ("loss_percent", &self.loss_percent),
            ("usd_per_gb", &self.usd_per_gb),
            ("handshake_round_trips", &self.handshake_round_trips),
            ("handshake_cpu_micros", &self.handshake_cpu_micros),
            ("proxies", &self.proxies),
            ("cpu_micros_per_request", &self.cpu_micros_per_request),
        ];
        let single = single.into_iter().filter_map(|(name, entry)| Some((name, entry.as_ref()?)));
        self.round_trip_micros.iter().map(|entry| ("round_trip_micros", entry)).chain(single)
    }

    fn round_trip(&self, loopback: Nanos) -> Result<Option<Delay>, &'static str> {
        let points = self
            .round_trip_micros
            .iter()
            .map(|entry| (entry.quantile.unwrap_or(0.5), Nanos::from_nanos_f64(*entry.value.get_ref() * 1e3)));
        let points: Vec<(f64, Nanos)> = points.collect();
        if points.is_empty() { Ok(None) } else { one_way(&points, loopback).map(Some) }
    }

    fn figures(&self, of: &str) -> impl Iterator<Item = Figure> {
        self.entries().map(move |(what, entry)| {
            let quantile = entry.quantile.map_or(String::new(), |q| format!(" p{}", (q * 1e5).round() / 1e3));
            Figure {
                what: format!("{of}{what}{quantile}"),
                value: *entry.value.get_ref(),
                source: entry.source.clone().or_else(|| entry.estimate.clone()).unwrap_or_default(),
                date: entry.date.clone(),
                estimate: entry.estimate.is_some(),
            }
        })
    }

    fn profile(self, name: &str, modifier: Option<Self>) -> Result<Profile, Error> {
        let wrong = |problem: &str| Error::Profile { problem: format!("{name}: {problem}"), hint: String::new() };
        let value = |entry: &Option<Entry>| entry.as_ref().map(|entry| *entry.value.get_ref());
        let nanos = |entry: &Option<Entry>| Nanos::from_nanos_f64(value(entry).unwrap_or(0.0) * 1e3);
        let delay = self.round_trip(LOOPBACK_ROUND_TRIP).map_err(wrong)?;
        let mut link = Link {
            name: name.to_owned(),
            one_way_delay: delay.ok_or_else(|| wrong("it has no round_trip_micros"))?,
            correlation: value(&self.correlation).unwrap_or(0.0),
            bits_per_sec: value(&self.bandwidth_gbit_per_sec).map(|gbit| gbit * 1e9),
            loss: value(&self.loss_percent).unwrap_or(0.0) / 100.0,
            usd_per_gb: value(&self.usd_per_gb).unwrap_or(0.0),
            ..Link::default()
        };
        let mut figures: Vec<Figure> = self.figures("").collect();
        let mut about = self.about;
        if let Some(table) = modifier {
            link.handshake_round_trips += value(&table.handshake_round_trips).unwrap_or(0.0) as u32;
            link.handshake_cpu = nanos(&table.handshake_cpu_micros);
            link.sidecars = value(&table.proxies).map(|proxies| Sidecars {
                proxies: proxies as u32,
                cpu_per_request: nanos(&table.cpu_micros_per_request),
                one_way_delay: table.round_trip(Nanos::ZERO).ok().flatten().unwrap_or(Delay::Constant(Nanos::ZERO)),
            });
            figures.extend(table.figures("+ "));
            about = format!("{about}; {}", lower_first(&table.about));
        }
        Ok(Profile { name: name.to_owned(), about, figures, link })
    }
}

/// Changes the article at the beginning of a sentence to lower case. Names keep their capital.
fn lower_first(text: &str) -> String {
    match text.strip_prefix("A") {
        Some(rest) if rest.starts_with([' ', 'n']) => format!("a{rest}"),
        _ => text.to_owned(),
    }
}

/// Returns the file of a shipped profile, as an example for users.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES.iter().chain(&MODIFIERS).find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    use super::*;

    #[test]
    fn every_number_has_a_source_and_a_date_or_is_an_estimate() {
        for (name, text) in PROFILES.iter().chain(&MODIFIERS) {
            for figure in Table::read(name, text).unwrap().figures("") {
                assert!(figure.estimate != figure.date.is_some(), "{name}: {figure}");
                assert!(figure.source.len() > 8, "{name}: {figure}");
            }
        }
        for (base, _) in PROFILES {
            Profile::find(base).unwrap();
            for (modifier, _) in MODIFIERS {
                Profile::find(&format!("{base}{modifier}")).unwrap();
            }
        }
    }

    #[test]
    fn the_documentation_has_every_number() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let page = words(include_str!("../../../docs/links.md"));
        for (name, text) in PROFILES.iter().chain(&MODIFIERS) {
            assert!(page.contains(&format!("**`{name}`**")), "{name}");
            for figure in Table::read(name, text).unwrap().figures("") {
                assert!(page.contains(&words(&figure.source)), "{name}: {figure}");
            }
        }
    }

    /// Two draws have the published round trip.
    #[test]
    fn two_one_way_delays_make_a_round_trip() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (name, text) in PROFILES.iter().chain(&MODIFIERS) {
            let table = Table::read(name, text).unwrap();
            let Ok(Some(delay)) = table.round_trip(Nanos::ZERO) else { continue };
            let mut draw = || delay.at(rng.sample(StandardNormal)).as_nanos_f64() / 1e3;
            let mut trips: Vec<f64> = (0..200_000).map(|_| draw() + draw()).collect();
            trips.sort_by(f64::total_cmp);
            for entry in &table.round_trip_micros {
                let share = entry.quantile.unwrap();
                let Some(at) = (0.4..0.9995).contains(&share).then_some(share) else { continue };
                let (found, published) = (trips[(at * 200_000.0) as usize], *entry.value.get_ref());
                let close = if share > 0.5 { 0.25 } else { 0.05 };
                assert!((found / published - 1.0).abs() < close, "{name} p{}: {found} for {published}", at * 100.0);
            }
        }
    }

    #[test]
    fn a_modifier_comes_with_a_profile() {
        let plain = Profile::find("cross-az-aws").unwrap();
        assert_eq!(plain.link.one_way_delay.median(), Nanos::from_nanos(392_500));
        assert_eq!(plain.link.bits_per_sec, Some(5e9));
        let mesh = Profile::find("cross-az-aws+istio-sidecar").unwrap();
        let sidecars = mesh.link.sidecars.unwrap();
        assert_eq!((sidecars.proxies, sidecars.cpu_per_request), (2, Nanos::from_micros(200)));
        assert_eq!(mesh.about, "Two zones of one AWS region; an Envoy of Istio beside each of the two");
        let mtls = Profile::find("same-host+mtls").unwrap();
        assert_eq!((mtls.link.handshake_round_trips, mtls.link.handshake_cpu), (2, Nanos::from_micros(250)));
        assert!(mtls.link.one_way_delay.median().is_zero(), "a round trip over loopback is subtracted");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Profile::read("own.toml", text).unwrap_err().to_string(), format!("use the profile: {expected}"));
    }

    #[test]
    fn errors_in_a_file_show_the_position() {
        let point = "[[round_trip_micros]]\nquantile = 0.5\nvalue = 9\nsource = 'x'\n";
        check("about = 'x'", "own.toml: it has no round_trip_micros");
        check(
            "about = 'x'\nabuot = 'y'",
            "own.toml:2:1: unknown field `abuot`, expected one of `about`, `round_trip_micros`, \
            `correlation`, `bandwidth_gbit_per_sec`, `loss_percent`, `usd_per_gb`, `handshake_round_trips`, \
            `handshake_cpu_micros`, `proxies`, `cpu_micros_per_request`",
        );
        check(
            "about = 'x'\n[[round_trip_micros]]\nquantile = 0.5\nvalue = 9",
            "own.toml:4:9: round_trip_micros has neither a `source` nor an `estimate`",
        );
        check(
            &format!("about = 'x'\n{point}[correlation]\nvalue = 1.5\nsource = 'x'"),
            "own.toml:7:9: correlation is not between 0 and 0.999",
        );
        check(&format!("about = 'x'\n{point}{point}"), "own.toml:4:9: round_trip_micros: the quantiles do not ascend");
        let unknown = Profile::find("moon").unwrap_err().to_string();
        assert_eq!(unknown, "use the profile: there is no profile \"moon\"");
    }
}

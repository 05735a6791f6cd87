//! Faults as people write them: `blackhole after-accept 10% from 10s to 40s`.
//!
//! An effect and what it takes come first; what narrows it down (a point, a direction, a share of the connections, a size,
//! a schedule) follows in any order.

use std::fmt;

use splitcost_model::link::{Delay, Quantiles};
use splitcost_model::quantity::Nanos;

use super::{Direction, Effect, Point, Rule};

/// What is wrong with a fault, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    text: String,
    /// Characters before it, and how many it is.
    place: (usize, usize),
    problem: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, width) = self.place;
        write!(f, "{}\n  {}\n  {}{}", self.problem, self.text, " ".repeat(before), "^".repeat(width.max(1)))
    }
}

/// Reads a fault.
///
/// ```
/// use splitcost_link::policy::{Point, Effect, parse};
/// let rule = parse("blackhole after-accept 10% from 10s to 40s")?;
/// assert_eq!(rule.effect, Effect::Blackhole { at: Point::Accept, closes_after: None });
/// assert_eq!(rule.share, 0.1);
/// # Ok::<(), splitcost_link::policy::Malformed>(())
/// ```
///
/// # Errors
/// When it is none, with the place.
pub fn parse(text: &str) -> Result<Rule, Malformed> {
    let mut words = Words { text, at: 0 };
    let effect = effect(&mut words)?;
    let mut rule = Rule::new(effect);
    while let Some(word) = words.next() {
        match word.text {
            "upstream" => rule.direction = Some(Direction::Upstream),
            "downstream" => rule.direction = Some(Direction::Downstream),
            "from" => rule.from = words.value("from", TIME, time)?,
            "to" => {
                rule.until = words.value("to", TIME, time)?;
                if rule.until <= rule.from {
                    return Err(words.wrong(word, "it ends before it begins"));
                }
            }
            "over" => rule.over_bytes = words.value("over", SIZE, size)?,
            "for" => {
                let after = words.value("for", TIME, time)?;
                match &mut rule.effect {
                    Effect::Stall { time, .. } => *time = Some(after),
                    Effect::Blackhole { closes_after, .. } => *closes_after = Some(after),
                    _ => return Err(words.wrong(word, "`for` is said of `stall` and `blackhole`")),
                }
            }
            "in" => {
                let time = words.value("in", TIME, time)?;
                match &mut rule.effect {
                    Effect::Reset { after, .. } => *after = time,
                    _ => return Err(words.wrong(word, "`in` is said of `reset`")),
                }
            }
            text => {
                if let Some(share) = share(text) {
                    rule.share = share;
                } else if let Some(point) = words.point(word)? {
                    let own = match &mut rule.effect {
                        Effect::Stall { at, .. }
                        | Effect::Blackhole { at, .. }
                        | Effect::ClosedWindow { at }
                        | Effect::Reset { at, .. }
                        | Effect::Close { at } => at,
                        other => {
                            let problem = format!("{} has no such point", other.word());
                            return Err(words.wrong(word, problem));
                        }
                    };
                    *own = point;
                } else {
                    return Err(words.wrong(word, format!("unknown word; {NARROWING}")));
                }
            }
        }
    }
    if matches!(rule.effect, Effect::Stall { time: None, .. }) && rule.until == Nanos::MAX {
        return Err(words.end("a stall ends: say `for 200ms`, or `to 40s`"));
    }
    Ok(rule)
}

const EFFECTS: &str = "the faults are delay, rate, drip, stall, blackhole, closed-window, reset, close, slow-close, down, \
                       loss and duplicate";
const NARROWING: &str = "here can stand after-accept, mid-response, on-reuse, `after 10kB`, upstream, downstream, `10%`, \
                         `over 64kB`, `from 10s`, `to 40s`";
const TIME: &str = "a time as 250us, 10ms or 1.5s";
const SIZE: &str = "a size as 100B, 64kB or 1MB";
const RATE: &str = "a rate as 10Mbit/s or 1MB/s";

fn effect(words: &mut Words<'_>) -> Result<Effect, Malformed> {
    let Some(word) = words.next() else { return Err(words.end(EFFECTS)) };
    let at = Point::Any;
    Ok(match word.text {
        "delay" => delay(words)?,
        "rate" => {
            let bytes_per_sec = words.value("rate", RATE, rate)?;
            Effect::Rate { bytes_per_sec, each: words.skip("each") }
        }
        "drip" => {
            let bytes = words.value("drip", SIZE, size)?.max(1);
            let vary_bytes = if words.skip("±") { words.value("±", SIZE, size)? } else { 0 };
            words.expect("every", "drip")?;
            Effect::Drip { bytes, vary_bytes, every: words.value("every", TIME, time)? }
        }
        "stall" => Effect::Stall { at, time: words.maybe(time) },
        "blackhole" => Effect::Blackhole { at, closes_after: None },
        "closed-window" => Effect::ClosedWindow { at },
        "reset" => Effect::Reset { at, after: Nanos::ZERO },
        "close" => Effect::Close { at },
        "slow-close" => Effect::SlowClose(words.value("slow-close", TIME, time)?),
        "down" => Effect::Down,
        "loss" => loss(words)?,
        "duplicate" => Effect::Duplicate(words.value("duplicate", "a share as 1%", share)?),
        _ => return Err(words.wrong(word, format!("unknown fault; {EFFECTS}"))),
    })
}

/// `1%`, or `1% burst 5`.
fn loss(words: &mut Words<'_>) -> Result<Effect, Malformed> {
    let lost = words.value("loss", "a share as 1%", share)?;
    if !words.skip("burst") {
        return Ok(Effect::Loss(lost));
    }
    let word = words.peek();
    let mean_packets =
        words.value("burst", "a mean number of packets in a row as 5", |text| number(text, 1.0..=1e6))?;
    // More would begin bursts than there are packets between them.
    if lost / (1.0 - lost) > mean_packets {
        let problem = "bursts that short cannot lose so much";
        return Err(word.map_or_else(|| words.end(problem), |word| words.wrong(word, problem)));
    }
    Ok(Effect::LossBursts { share: lost, mean_packets })
}

/// `10ms`, `10ms ± 2ms`, `lognormal 10ms sigma 0.5`, `p50=1ms p99=5ms max=20ms`; with `correlation 0.3`.
fn delay(words: &mut Words<'_>) -> Result<Effect, Malformed> {
    let delay = if words.skip("lognormal") {
        let median = words.value("lognormal", TIME, time)?;
        words.expect("sigma", "a lognormal delay")?;
        let sigma = words.value("sigma", "a number from 0 to 5 as 0.5", |text| number(text, 0.0..=5.0))?;
        Delay::LogNormal { median, sigma }
    } else if let Some(first) = words.maybe(quantile) {
        let begin = words.at;
        let mut points = vec![first];
        while let Some(point) = words.maybe(quantile) {
            points.push(point);
        }
        let quantiles = Quantiles::new(points).map_err(|problem| words.wrong(Word { text: "", at: begin }, problem))?;
        Delay::Quantiles(quantiles)
    } else {
        let middle =
            words.value("delay", "a time as 10ms, `lognormal 10ms sigma 0.5`, or `p50=1ms p99=5ms max=20ms`", time)?;
        if words.skip("±") {
            let around = words.value("±", TIME, time)?;
            Delay::Quantiles(self::around(middle, around))
        } else {
            Delay::Constant(middle)
        }
    };
    let correlation = if words.skip("correlation") {
        words.value("correlation", "a number from 0 to 0.999 as 0.3", |text| number(text, 0.0..=0.999))?
    } else {
        0.0
    };
    Ok(Effect::Delay { delay, correlation })
}

/// Evenly between `middle` minus and plus `deviation`.
pub(crate) fn around(middle: Nanos, deviation: Nanos) -> Quantiles {
    let ends = vec![(0.0, middle - deviation), (1.0, middle + deviation)];
    Quantiles::new(ends).unwrap_or_else(|problem| unreachable!("{problem}"))
}

fn quantile(text: &str) -> Option<(f64, Nanos)> {
    let (name, value) = text.split_once('=')?;
    let share = match name {
        "min" => 0.0,
        "max" => 1.0,
        _ => number(name.strip_prefix('p')?, 0.0..=100.0)? / 100.0,
    };
    Some((share, time(value)?))
}

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?, 0.0..=1e12)? * factor))
}

fn time(text: &str) -> Option<Nanos> {
    let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("min", 60.0), ("s", 1.0)];
    with_unit(text, &units).filter(|secs| *secs <= 1e6).map(Nanos::from_secs_f64)
}

fn size(text: &str) -> Option<u64> {
    with_unit(text, &[("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1.0)]).map(|bytes| bytes as u64)
}

fn rate(text: &str) -> Option<f64> {
    let bits = [("kbit/s", 125.0), ("Mbit/s", 125e3), ("Gbit/s", 125e6), ("bit/s", 0.125)];
    let bytes = [("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9), ("B/s", 1.0)];
    with_unit(text, &bits).or_else(|| with_unit(text, &bytes)).filter(|rate| *rate > 0.0)
}

fn share(text: &str) -> Option<f64> {
    Some(number(text.strip_suffix('%')?, 0.0..=100.0)? / 100.0)
}

/// A word and the byte at which it begins.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

/// The words of a text.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        let rest = &self.text[self.at..];
        let at = self.at + rest.find(|c: char| !c.is_whitespace())?;
        let text = self.text[at..].split(char::is_whitespace).next()?;
        // `±2ms` is two words, as `± 2ms` is.
        let text = if text.starts_with('±') { &text[..'±'.len_utf8()] } else { text };
        Some(Word { text, at })
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.at = word.at + word.text.len();
        Some(word)
    }

    /// Whether the next word is this one, which then is passed.
    fn skip(&mut self, text: &str) -> bool {
        self.maybe(|word| (word == text).then_some(())).is_some()
    }

    /// What the next word means, if it does; then it is passed.
    fn maybe<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let word = self.peek()?;
        let value = read(word.text)?;
        self.at = word.at + word.text.len();
        Some(value)
    }

    fn value<T>(&mut self, of: &str, kind: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Malformed> {
        match self.peek() {
            None => Err(self.end(format!("`{of}` takes {kind}"))),
            Some(word) => self.maybe(read).ok_or_else(|| self.wrong(word, format!("`{of}` takes {kind}"))),
        }
    }

    fn expect(&mut self, text: &str, of: &str) -> Result<(), Malformed> {
        if self.skip(text) {
            return Ok(());
        }
        let problem = format!("{of} takes `{text}` here");
        Err(self.peek().map_or_else(|| self.end(problem.clone()), |word| self.wrong(word, problem.clone())))
    }

    fn point(&mut self, word: Word<'_>) -> Result<Option<Point>, Malformed> {
        Ok(Some(match word.text {
            "at-connect" => Point::Connect,
            "after-accept" => Point::Accept,
            "mid-response" => Point::Response,
            "on-reuse" => Point::Reuse,
            "after" => Point::Bytes(self.value("after", SIZE, size)?),
            _ => return Ok(None),
        }))
    }

    fn wrong(&self, word: Word<'_>, problem: impl Into<String>) -> Malformed {
        let place = (self.text[..word.at].chars().count(), word.text.chars().count());
        Malformed { text: self.text.to_owned(), place, problem: problem.into() }
    }

    fn end(&self, problem: impl Into<String>) -> Malformed {
        self.wrong(Word { text: "", at: self.text.len() }, problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(text: &str) -> Effect {
        parse(text).unwrap().effect
    }

    #[test]
    fn faults_are_read() {
        let ms = Nanos::from_millis;
        assert_eq!(effect("delay 10ms"), Effect::Delay { delay: Delay::Constant(ms(10)), correlation: 0.0 });
        assert_eq!(
            effect("delay lognormal 1ms sigma 0.5 correlation 0.3"),
            Effect::Delay { delay: Delay::LogNormal { median: ms(1), sigma: 0.5 }, correlation: 0.3 }
        );
        let around = Delay::Quantiles(Quantiles::new(vec![(0.0, ms(8)), (1.0, ms(12))]).unwrap());
        assert_eq!(effect("delay 10ms ±2ms"), Effect::Delay { delay: around, correlation: 0.0 });
        let measured = Quantiles::new(vec![(0.5, ms(1)), (0.75, ms(5)), (1.0, ms(20))]).unwrap();
        assert_eq!(
            effect("delay p50=1ms p75=5ms max=20ms"),
            Effect::Delay { delay: Delay::Quantiles(measured), correlation: 0.0 }
        );
        assert_eq!(effect("rate 10Mbit/s each"), Effect::Rate { bytes_per_sec: 1.25e6, each: true });
        assert_eq!(effect("drip 100B every 10ms"), Effect::Drip { bytes: 100, vary_bytes: 0, every: ms(10) });
        assert_eq!(effect("stall 200ms on-reuse"), Effect::Stall { at: Point::Reuse, time: Some(ms(200)) });
        assert_eq!(effect("reset after 10kB in 2ms"), Effect::Reset { at: Point::Bytes(10_000), after: ms(2) });
        let rule = parse("blackhole mid-response downstream 12.5% over 64kB from 10s to 1min").unwrap();
        assert_eq!(rule.effect, Effect::Blackhole { at: Point::Response, closes_after: None });
        assert_eq!((rule.direction, rule.share, rule.over_bytes), (Some(Direction::Downstream), 0.125, 64_000));
        assert_eq!((rule.from, rule.until), (ms(10_000), ms(60_000)));
        assert_eq!(effect("loss 1% 50%"), Effect::Loss(0.01));
        assert_eq!(effect("loss 1% burst 5 50%"), Effect::LossBursts { share: 0.01, mean_packets: 5.0 });
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        check(
            "blackhole after-acept 10%",
            "unknown word; here can stand after-accept, mid-response, on-reuse, `after 10kB`, upstream, downstream, \
             `10%`, `over 64kB`, `from 10s`, `to 40s`\n  blackhole after-acept 10%\n            ^^^^^^^^^^^",
        );
        check("delay 10ms ± 2", "`±` takes a time as 250us, 10ms or 1.5s\n  delay 10ms ± 2\n               ^");
        check("rate", "`rate` takes a rate as 10Mbit/s or 1MB/s\n  rate\n      ^");
        check("stall", "a stall ends: say `for 200ms`, or `to 40s`\n  stall\n       ^");
        check("down from 10s to 5s", "it ends before it begins\n  down from 10s to 5s\n                ^^");
        check(
            "delay 10ms mid-response",
            "delay has no such point\n  delay 10ms mid-response\n             ^^^^^^^^^^^^",
        );
        check("drip 10B 5ms", "drip takes `every` here\n  drip 10B 5ms\n           ^^^");
        check("delay p50=5ms p99=1ms", "the quantiles do not ascend\n  delay p50=5ms p99=1ms\n               ^");
        check("loss 90% burst 5", "bursts that short cannot lose so much\n  loss 90% burst 5\n                 ^");
        assert!(parse("").is_err() && parse("flood").is_err() && parse("delay -1ms").is_err());
    }
}

//! The parser of the fault language, for example `blackhole after-accept 10% from 10s to 40s`.
//!
//! A fault begins with an effect and its arguments. Restrictions follow in any order: a point, a direction, a share of the
//! connections, a size and a schedule.

use std::fmt;

use splitcost_model::link::{Delay, Quantiles};
use splitcost_model::quantity::Nanos;

use super::{Direction, Effect, Point, Rule};

/// The error for a text that is not a fault, with the position of the problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MalformedFault {
    text: String,
    /// The number of characters before the problem.
    column: usize,
    /// The number of characters of the problem.
    width: usize,
    problem: String,
}

impl fmt::Display for MalformedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marker = "^".repeat(self.width.max(1));
        write!(f, "{}\n  {}\n  {}{marker}", self.problem, self.text, " ".repeat(self.column))
    }
}

/// Parses a fault.
///
/// ```
/// use splitcost_link::policy::{Point, Effect, parse};
/// let rule = parse("blackhole after-accept 10% from 10s to 40s")?;
/// assert_eq!(rule.effect, Effect::Blackhole { at: Point::Accept, closes_after: None });
/// assert_eq!(rule.share, 0.1);
/// # Ok::<(), splitcost_link::policy::MalformedFault>(())
/// ```
///
/// # Errors
/// Fails when the text is not a fault, and shows the position of the problem.
pub fn parse(text: &str) -> Result<Rule, MalformedFault> {
    let mut words = FaultText { text, at: 0 };
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
                    return Err(words.wrong(word, "the schedule ends before it begins"));
                }
            }
            "over" => rule.over_bytes = words.value("over", SIZE, size)?,
            "for" => {
                let after = words.value("for", TIME, time)?;
                match &mut rule.effect {
                    Effect::Stall { time, .. } => *time = Some(after),
                    Effect::Blackhole { closes_after, .. } => *closes_after = Some(after),
                    _ => return Err(words.wrong(word, "`for` is possible only after `stall` and `blackhole`")),
                }
            }
            "in" => {
                let time = words.value("in", TIME, time)?;
                match &mut rule.effect {
                    Effect::Reset { after, .. } => *after = time,
                    _ => return Err(words.wrong(word, "`in` is possible only after `reset`")),
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
                            let problem = format!("`{}` does not take a point", other.word());
                            return Err(words.wrong(word, problem));
                        }
                    };
                    *own = point;
                } else {
                    return Err(words.wrong(word, format!("unknown word; {RESTRICTIONS}")));
                }
            }
        }
    }
    if matches!(rule.effect, Effect::Stall { time: None, .. }) && rule.until == Nanos::MAX {
        return Err(words.end("a stall needs an end: add `for 200ms` or `to 40s`"));
    }
    Ok(rule)
}

const EFFECTS: &str = "the faults are delay, rate, drip, stall, blackhole, closed-window, reset, close, slow-close, down, \
                       loss and duplicate";
const RESTRICTIONS: &str = "possible here: at-connect, after-accept, mid-response, on-reuse, `after 10kB`, upstream, \
                         downstream, `10%`, `over 64kB`, `from 10s`, `to 40s`";
const TIME: &str = "a time, such as 250us, 10ms or 1.5s";
const SIZE: &str = "a size, such as 100B, 64kB or 1MB";
const RATE: &str = "a rate, such as 10Mbit/s or 1MB/s";

/// Parses an effect and its arguments.
fn effect(words: &mut FaultText<'_>) -> Result<Effect, MalformedFault> {
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
        "duplicate" => Effect::Duplicate(words.value("duplicate", "a share, such as 1%", share)?),
        _ => return Err(words.wrong(word, format!("unknown fault; {EFFECTS}"))),
    })
}

/// Parses `1%` or `1% burst 5`.
fn loss(words: &mut FaultText<'_>) -> Result<Effect, MalformedFault> {
    let lost = words.value("loss", "a share, such as 1%", share)?;
    if !words.skip("burst") {
        return Ok(Effect::Loss(lost));
    }
    let word = words.peek();
    let mean_packets = words.value("burst", "a mean number of packets, such as 5", |text| number(text, 1.0..=1e6))?;
    // Otherwise more bursts would begin than there are packets between them.
    if lost / (1.0 - lost) > mean_packets {
        let problem = "bursts that are so short cannot lose this share";
        return Err(word.map_or_else(|| words.end(problem), |word| words.wrong(word, problem)));
    }
    Ok(Effect::LossBursts { share: lost, mean_packets })
}

/// Parses `10ms`, `10ms ± 2ms`, `lognormal 10ms sigma 0.5` or `p50=1ms p99=5ms max=20ms`, each with an optional
/// `correlation 0.3`.
fn delay(words: &mut FaultText<'_>) -> Result<Effect, MalformedFault> {
    let delay = if words.skip("lognormal") {
        let median = words.value("lognormal", TIME, time)?;
        words.expect("sigma", "a lognormal delay")?;
        let sigma = words.value("sigma", "a number from 0 to 5, such as 0.5", |text| number(text, 0.0..=5.0))?;
        Delay::LogNormal { median, sigma }
    } else if let Some(first) = words.maybe(quantile) {
        let begin = words.at;
        let mut points = vec![first];
        while let Some(point) = words.maybe(quantile) {
            points.push(point);
        }
        let quantiles =
            Quantiles::new(points).map_err(|problem| words.wrong(Token { text: "", at: begin }, problem))?;
        Delay::Quantiles(quantiles)
    } else {
        let middle = words.value(
            "delay",
            "a time such as 10ms, `lognormal 10ms sigma 0.5`, or `p50=1ms p99=5ms max=20ms`",
            time,
        )?;
        if words.skip("±") {
            let around = words.value("±", TIME, time)?;
            Delay::Quantiles(self::around(middle, around))
        } else {
            Delay::Constant(middle)
        }
    };
    let correlation = if words.skip("correlation") {
        words.value("correlation", "a number from 0 to 0.999, such as 0.3", |text| number(text, 0.0..=0.999))?
    } else {
        0.0
    };
    Ok(Effect::Delay { delay, correlation })
}

/// Returns the uniform distribution from `middle - deviation` to `middle + deviation`.
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

/// A word of a fault, and the byte at which it begins.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

/// The text of a fault, and the position of the parser.
struct FaultText<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> FaultText<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        let at = self.at + rest.find(|c: char| !c.is_whitespace())?;
        let text = self.text[at..].split(char::is_whitespace).next()?;
        // `±2ms` is two words, like `± 2ms`.
        let text = if text.starts_with('±') { &text[..'±'.len_utf8()] } else { text };
        Some(Token { text, at })
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let word = self.peek()?;
        self.at = word.at + word.text.len();
        Some(word)
    }

    /// Consumes the next word if it is this one, and returns true if it was.
    fn skip(&mut self, text: &str) -> bool {
        self.maybe(|word| (word == text).then_some(())).is_some()
    }

    /// Consumes the next word if `read` accepts it, and returns its value.
    fn maybe<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let word = self.peek()?;
        let value = read(word.text)?;
        self.at = word.at + word.text.len();
        Some(value)
    }

    fn value<T>(&mut self, of: &str, kind: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, MalformedFault> {
        match self.peek() {
            None => Err(self.end(format!("`{of}` needs {kind}"))),
            Some(word) => self.maybe(read).ok_or_else(|| self.wrong(word, format!("`{of}` needs {kind}"))),
        }
    }

    fn expect(&mut self, text: &str, of: &str) -> Result<(), MalformedFault> {
        if self.skip(text) {
            return Ok(());
        }
        let problem = format!("{of} needs `{text}` here");
        Err(self.peek().map_or_else(|| self.end(problem.clone()), |word| self.wrong(word, problem.clone())))
    }

    fn point(&mut self, word: Token<'_>) -> Result<Option<Point>, MalformedFault> {
        Ok(Some(match word.text {
            "at-connect" => Point::Connect,
            "after-accept" => Point::Accept,
            "mid-response" => Point::Response,
            "on-reuse" => Point::Reuse,
            "after" => Point::Bytes(self.value("after", SIZE, size)?),
            _ => return Ok(None),
        }))
    }

    fn wrong(&self, word: Token<'_>, problem: impl Into<String>) -> MalformedFault {
        let (column, width) = (self.text[..word.at].chars().count(), word.text.chars().count());
        MalformedFault { text: self.text.to_owned(), column, width, problem: problem.into() }
    }

    fn end(&self, problem: impl Into<String>) -> MalformedFault {
        self.wrong(Token { text: "", at: self.text.len() }, problem)
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
    fn errors_show_the_position() {
        check(
            "blackhole after-acept 10%",
            "unknown word; possible here: at-connect, after-accept, mid-response, on-reuse, `after 10kB`, upstream, \
             downstream, `10%`, `over 64kB`, `from 10s`, `to 40s`\n  blackhole after-acept 10%\n            ^^^^^^^^^^^",
        );
        check("delay 10ms ± 2", "`±` needs a time, such as 250us, 10ms or 1.5s\n  delay 10ms ± 2\n               ^");
        check("rate", "`rate` needs a rate, such as 10Mbit/s or 1MB/s\n  rate\n      ^");
        check("stall", "a stall needs an end: add `for 200ms` or `to 40s`\n  stall\n       ^");
        check("down from 10s to 5s", "the schedule ends before it begins\n  down from 10s to 5s\n                ^^");
        check(
            "delay 10ms mid-response",
            "`delay` does not take a point\n  delay 10ms mid-response\n             ^^^^^^^^^^^^",
        );
        check("drip 10B 5ms", "drip needs `every` here\n  drip 10B 5ms\n           ^^^");
        check("delay p50=5ms p99=1ms", "the quantiles do not ascend\n  delay p50=5ms p99=1ms\n               ^");
        check(
            "loss 90% burst 5",
            "bursts that are so short cannot lose this share\n  loss 90% burst 5\n                 ^",
        );
        assert!(parse("").is_err() && parse("flood").is_err() && parse("delay -1ms").is_err());
    }
}

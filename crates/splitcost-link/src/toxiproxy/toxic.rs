//! Toxics, and their conversion to rules.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splitcost_model::link::Delay;
use splitcost_model::quantity::Nanos;

use super::Problem;
use crate::policy::{Direction, Effect, Point, Rule, around};

/// The body of a request that creates or changes a toxic.
#[derive(Debug, Deserialize)]
pub(crate) struct ToxicRequest {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    stream: Option<String>,
    toxicity: Option<f64>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

/// A toxic.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Toxic {
    attributes: Map<String, Value>,
    pub(crate) name: String,
    #[serde(rename = "type")]
    kind: String,
    stream: String,
    toxicity: f64,
    #[serde(skip)]
    pub(crate) rule: Rule,
}

impl Toxic {
    pub(crate) fn new(asked: ToxicRequest) -> Result<Self, Problem> {
        let kind = asked.kind.ok_or_else(|| Problem::bad("missing required field: type"))?;
        let stream = asked.stream.filter(|stream| !stream.is_empty()).unwrap_or_else(|| "downstream".to_owned());
        let name = asked.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{kind}_{stream}"));
        let mut attributes = Map::new();
        for key in attributes_of(&kind).ok_or_else(|| Problem::bad("invalid toxic type"))? {
            attributes.insert((*key).to_owned(), Value::from(0));
        }
        attributes.extend(asked.attributes);
        Self { attributes, name, kind, stream, toxicity: asked.toxicity.unwrap_or(1.0), rule: Rule::new(Effect::Down) }
            .ruled()
    }

    /// Returns a copy with other attributes or another toxicity.
    pub(crate) fn updated(&self, asked: ToxicRequest) -> Result<Self, Problem> {
        let mut toxic = self.clone();
        toxic.attributes.extend(asked.attributes);
        toxic.toxicity = asked.toxicity.unwrap_or(toxic.toxicity);
        toxic.ruled()
    }

    /// Returns the toxic with the rule for its attributes.
    fn ruled(mut self) -> Result<Self, Problem> {
        self.rule = Rule {
            direction: Some(match self.stream.to_ascii_lowercase().as_str() {
                "upstream" => Direction::Upstream,
                "downstream" => Direction::Downstream,
                _ => return Err(Problem::bad("stream was invalid, can be either upstream or downstream")),
            }),
            share: match self.toxicity {
                share if (0.0..=1.0).contains(&share) => share,
                _ => return Err(Problem::bad("toxicity is not between 0 and 1")),
            },
            ..Rule::new(self.effect()?)
        };
        Ok(self)
    }

    fn effect(&self) -> Result<Effect, Problem> {
        let number = |key: &str| match self.attributes.get(key).and_then(Value::as_u64) {
            // More milliseconds, some 550 years, do not fit into nanoseconds.
            Some(number) if number < 1 << 44 => Ok(number),
            _ => Err(Problem::bad(format!("attribute {key} is not a whole number below 2^44"))),
        };
        let millis = |key: &str| Ok::<_, Problem>(Nanos::from_micros(number(key)? * 1_000).min(Nanos::MAX));
        let at = Point::Any;
        Ok(match self.kind.as_str() {
            "latency" => {
                let delay = match (millis("latency")?, millis("jitter")?) {
                    (latency, Nanos::ZERO) => Delay::Constant(latency),
                    (latency, jitter) => Delay::Quantiles(around(latency, jitter)),
                };
                Effect::Delay { delay, correlation: 0.0 }
            }
            "bandwidth" => match number("rate")? {
                0 => return Err(Problem::bad("attribute rate is 0 KB/s")),
                rate => Effect::Rate { bytes_per_sec: rate as f64 * 1e3, each: true },
            },
            "slow_close" => Effect::SlowClose(millis("delay")?),
            "timeout" => {
                let time = millis("timeout")?;
                Effect::Blackhole { at, closes_after: (!time.is_zero()).then_some(time) }
            }
            "reset_peer" => Effect::Reset { at, after: millis("timeout")? },
            "slicer" => Effect::Drip {
                bytes: number("average_size")?.max(1),
                vary_bytes: number("size_variation")?,
                every: Nanos::from_micros(number("delay")?),
            },
            "limit_data" => Effect::Close { at: Point::Bytes(number("bytes")?) },
            _ => return Err(Problem::bad("invalid toxic type")),
        })
    }
}

/// Returns the attributes of a type of toxic.
fn attributes_of(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "latency" => &["latency", "jitter"],
        "bandwidth" => &["rate"],
        "slow_close" => &["delay"],
        "timeout" | "reset_peer" => &["timeout"],
        "slicer" => &["average_size", "size_variation", "delay"],
        "limit_data" => &["bytes"],
        _ => return None,
    })
}

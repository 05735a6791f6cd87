//! The link between two services: its delay, its rate, its losses and its price.
//!
//! [`Delay`] is a distribution. A draw from it takes a standard normal deviate, so that successive draws can be correlated
//! ([`Jitter`]) while the distribution stays the same. Callers pass the random numbers in.

use serde::{Deserialize, Serialize};

use crate::quantity::Nanos;

/// The link between two services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The name of the link, for people.
    pub name: String,
    /// The delay of each direction, in addition to the loopback that calibration includes.
    pub one_way_delay: Delay,
    /// The correlation of successive delays of a direction, from 0 to below 1.
    pub correlation: f64,
    /// The transmission rate of one connection; `None` is unlimited.
    pub bits_per_sec: Option<f64>,
    /// The share of packets that are lost.
    pub loss: f64,
    /// The price of transferred data in each direction, in US dollars per 10⁹ bytes.
    pub usd_per_gb: f64,
    /// The round trips of a new connection before its first byte: one for TCP, and one more for TLS 1.3.
    pub handshake_round_trips: u32,
    /// The CPU time of the TLS handshake on each side.
    pub handshake_cpu: Nanos,
    /// The proxies of a service mesh, if there is one.
    pub sidecars: Option<Sidecars>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            name: "loopback".into(),
            one_way_delay: Delay::Constant(Nanos::ZERO),
            correlation: 0.0,
            bits_per_sec: None,
            loss: 0.0,
            usd_per_gb: 0.0,
            handshake_round_trips: 1,
            handshake_cpu: Nanos::ZERO,
            sidecars: None,
        }
    }
}

impl Link {
    /// Returns true if the link adds nothing to loopback.
    pub fn is_loopback(&self) -> bool {
        self.one_way_delay.is_zero()
            && self.bits_per_sec.is_none()
            && self.loss == 0.0
            && self.handshake_cpu.is_zero()
            && self.sidecars.is_none()
    }
}

/// The links between the services of a split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Links {
    /// The link between two services that `between` does not name.
    pub default: Link,
    /// The links between two named services, in either direction.
    pub between: Vec<([String; 2], Link)>,
}

impl Links {
    /// Returns the link between two services.
    pub fn between(&self, one: &str, other: &str) -> &Link {
        let named = |pair: &[String; 2]| pair == &[one, other] || pair == &[other, one];
        self.between.iter().find(|(pair, _)| named(pair)).map_or(&self.default, |(_, link)| link)
    }

    /// Returns the names of the links, for people.
    pub fn name(&self) -> String {
        let between =
            self.between.iter().map(|([one, other], link)| format!("{} between {one} and {other}", link.name));
        let names: Vec<String> = std::iter::once(self.default.name.clone()).chain(between).collect();
        names.join(", ")
    }

    /// Returns the greatest median round trip of the links, without loopback.
    pub fn round_trip(&self) -> Nanos {
        let all = std::iter::once(&self.default).chain(self.between.iter().map(|(_, link)| link));
        let round_trip = |link: &Link| {
            let proxies = link.sidecars.as_ref().map_or(Nanos::ZERO, |sidecars| sidecars.one_way_delay.median());
            (link.one_way_delay.median() + proxies) * 2.0
        };
        all.map(round_trip).max().unwrap_or_default()
    }

    /// Returns true if none of the links adds anything to loopback.
    pub fn are_loopback(&self) -> bool {
        self.default.is_loopback() && self.between.iter().all(|(_, link)| link.is_loopback())
    }
}

impl From<Link> for Links {
    fn from(default: Link) -> Self {
        Self { default, between: Vec::new() }
    }
}

/// The proxies of a service mesh, which requests and responses pass.
///
/// Their main cost is CPU: when cores are busy, requests queue for the proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecars {
    /// The number of proxies that a request passes.
    pub proxies: u32,
    /// The CPU time of each proxy for a request and its response.
    pub cpu_per_request: Nanos,
    /// The delay that all proxies together add to each direction while cores are free.
    pub one_way_delay: Delay,
}

/// A distribution of delays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// A constant delay.
    Constant(Nanos),
    /// A lognormal distribution.
    LogNormal {
        /// The median.
        median: Nanos,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// A measured distribution.
    Quantiles(Quantiles),
}

impl Delay {
    /// Returns the delay for a standard normal deviate: 0 gives the median, 2.326 the 99th percentile.
    pub fn at(&self, deviate: f64) -> Nanos {
        match self {
            Self::Constant(delay) => *delay,
            Self::LogNormal { median, sigma } => *median * (sigma * deviate).exp(),
            Self::Quantiles(quantiles) => quantiles.at(normal_share(deviate)),
        }
    }

    /// Returns the distribution with each delay multiplied by `factor`.
    #[must_use]
    pub fn scale(&self, factor: f64) -> Self {
        match self {
            Self::Constant(delay) => Self::Constant(*delay * factor),
            Self::LogNormal { median, sigma } => Self::LogNormal { median: *median * factor, sigma: *sigma },
            Self::Quantiles(quantiles) => {
                Self::Quantiles(Quantiles(quantiles.0.iter().map(|(share, value)| (*share, *value * factor)).collect()))
            }
        }
    }

    /// Returns the median delay.
    pub fn median(&self) -> Nanos {
        self.at(0.0)
    }

    /// Returns true if the delay is always zero.
    pub fn is_zero(&self) -> bool {
        self.at(f64::from(i32::MAX)).is_zero()
    }
}

/// A distribution that is given by quantiles.
///
/// Between two quantiles of the upper half, the probability of longer values decreases exponentially. Between other
/// quantiles, all values have the same probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, Nanos)>", into = "Vec<(f64, Nanos)>")]
pub struct Quantiles(Vec<(f64, Nanos)>);

impl Quantiles {
    /// Makes a distribution from pairs of a share and the value that this share does not exceed, both ascending. No value is
    /// below the first one or above the last one.
    ///
    /// # Errors
    /// Fails when there are no quantiles, a share is not between 0 and 1, or the quantiles do not ascend.
    pub fn new(points: Vec<(f64, Nanos)>) -> Result<Self, &'static str> {
        if points.is_empty() {
            return Err("there are no quantiles");
        }
        if points.iter().any(|(share, _)| !(0.0..=1.0).contains(share)) {
            return Err("a quantile is not between 0 and 1");
        }
        if points.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
            return Err("the quantiles do not ascend");
        }
        Ok(Self(points))
    }

    /// Returns the value that a share `share` of all values does not exceed.
    pub fn at(&self, share: f64) -> Nanos {
        let above = self.0.partition_point(|(point, _)| *point < share);
        match (above.checked_sub(1).and_then(|below| self.0.get(below)), self.0.get(above)) {
            (Some((from, low)), Some((to, high))) => {
                let part = if *from >= 0.5 && *to < 1.0 {
                    ((1.0 - from) / (1.0 - share)).ln() / ((1.0 - from) / (1.0 - to)).ln()
                } else {
                    (share - from) / (to - from)
                };
                *low + (*high - *low) * part
            }
            (None, Some((_, value))) | (Some((_, value)), None) => *value,
            (None, None) => Nanos::ZERO,
        }
    }

    /// Returns the pairs of share and value.
    pub fn points(&self) -> &[(f64, Nanos)] {
        &self.0
    }
}

impl TryFrom<Vec<(f64, Nanos)>> for Quantiles {
    type Error = &'static str;
    fn try_from(points: Vec<(f64, Nanos)>) -> Result<Self, Self::Error> {
        Self::new(points)
    }
}

impl From<Quantiles> for Vec<(f64, Nanos)> {
    fn from(quantiles: Quantiles) -> Self {
        quantiles.0
    }
}

/// A generator of successive delays of one direction, which are correlated.
///
/// # Source
/// Paper: the Gaussian copula of an AR(1) process (Cario & Nelson, 1996): any correlation leaves the distribution as it is.
#[derive(Clone, Debug, Default)]
pub struct Jitter {
    last: Option<f64>,
}

impl Jitter {
    /// Returns the next delay, from a new standard normal deviate.
    pub fn next(&mut self, delay: &Delay, correlation: f64, fresh: f64) -> Nanos {
        let deviate = match self.last {
            Some(last) => correlation * last + (1.0 - correlation * correlation).sqrt() * fresh,
            None => fresh,
        };
        self.last = Some(deviate);
        delay.at(deviate)
    }
}

/// Returns the share of a standard normal distribution below `deviate`.
fn normal_share(deviate: f64) -> f64 {
    0.5 * libm::erfc(-deviate * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiles(points: &[(f64, u64)]) -> Result<Quantiles, &'static str> {
        Quantiles::new(points.iter().map(|(share, micros)| (*share, Nanos::from_micros(*micros))).collect())
    }

    #[test]
    fn quantiles_are_drawn_with_values_between_them() {
        let quantiles = quantiles(&[(0.5, 100), (0.9, 200), (1.0, 1_000)]).unwrap();
        let micros: Vec<u64> =
            [0.0, 0.5, 0.7, 0.9, 0.95, 1.0].iter().map(|share| quantiles.at(*share).as_nanos() / 1_000).collect();
        assert_eq!(micros, [100, 100, 131, 200, 600, 1_000]);
        let delay = Delay::Quantiles(quantiles);
        assert_eq!(delay.median(), Nanos::from_micros(100));
        assert_eq!(delay.at(1.281_551_565_545).as_nanos() / 1_000, 200);
    }

    #[test]
    fn invalid_distributions_are_refused() {
        assert_eq!(quantiles(&[]), Err("there are no quantiles"));
        assert_eq!(quantiles(&[(0.5, 2), (0.9, 1)]), Err("the quantiles do not ascend"));
        assert_eq!(quantiles(&[(50.0, 2)]), Err("a quantile is not between 0 and 1"));
    }

    #[test]
    fn a_deviate_of_two_is_the_97_7th_percentile() {
        assert!((normal_share(2.0) - 0.977_249_868).abs() < 1e-9);
        let delay = Delay::LogNormal { median: Nanos::from_micros(100), sigma: 0.5 };
        assert_eq!(delay.at(2.0), Nanos::from_nanos(271_828));
    }

    #[test]
    fn a_named_link_holds_in_both_directions() {
        let far = Link {
            name: "far".to_owned(),
            one_way_delay: Delay::Constant(Nanos::from_micros(30)),
            sidecars: Some(Sidecars {
                proxies: 2,
                cpu_per_request: Nanos::ZERO,
                one_way_delay: Delay::Constant(Nanos::from_micros(5)),
            }),
            ..Link::default()
        };
        let links = Links { between: vec![(["shop".to_owned(), "stock".to_owned()], far)], ..Links::default() };
        assert_eq!(
            (links.between("stock", "shop").name.as_str(), links.between("shop", "stock").name.as_str()),
            ("far", "far")
        );
        assert_eq!(links.between("shop", "mail").name, "loopback");
        assert_eq!(links.name(), "loopback, far between shop and stock");
        assert_eq!(links.round_trip(), Nanos::from_micros(70));
        assert!(!links.are_loopback() && Links::default().are_loopback());
    }
}

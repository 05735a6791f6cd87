//! A split: modules assigned to services, with the stack and the links between these, and the price of computing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adaptation::Adaptation;
use crate::database::Database;
use crate::link::Links;
use crate::policy::CallPolicy;

/// The service that keeps every module no other service claims.
pub const MAIN_SERVICE: &str = "main";

/// An assignment of modules to services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The name in the configuration.
    pub name: String,
    /// The modules of each service, or classes of a file, as `shop.services:Orders`. [`MAIN_SERVICE`] takes the rest and need
    /// not be listed.
    pub services: BTreeMap<String, Vec<String>>,
    /// The stack of calls between services.
    pub stack: StackName,
    /// The modules of which every service has a copy: calls of their functions never cross. `None` where nobody
    /// chose: none has, and candidates are proposed.
    pub copied: Option<Vec<String>>,
    /// The links between the services.
    pub links: Links,
    /// The policy of calls: timeouts, retries and connections.
    pub calls: CallPolicy,
    /// The modules that own tables, where the settings say so.
    pub table_owners: BTreeMap<String, String>,
    /// The databases of the services.
    #[serde(default)]
    pub database: Database,
    /// The treatment of values that are more than data.
    #[serde(default)]
    pub adaptation: Adaptation,
}

impl Split {
    /// Returns the service that owns `module`: the longest claimed name that is `module` or a parent package of it.
    pub fn service_of(&self, module: &str) -> &str {
        self.services
            .iter()
            .flat_map(|(service, modules)| modules.iter().map(move |m| (m.as_str(), service.as_str())))
            .filter(|(claimed, _)| is_within(module, claimed))
            .max_by_key(|(claimed, _)| claimed.len())
            .map_or(MAIN_SERVICE, |(_, service)| service)
    }

    /// Returns true if every service has a copy of `module`.
    pub fn is_copied(&self, module: &str) -> bool {
        self.copied.iter().flatten().any(|copied| is_within(module, copied))
    }

    /// Returns the largest number of connections that a service keeps to another one; `None` where all calls share one.
    pub fn max_connections(&self) -> Option<u32> {
        self.stack.max_connections().map(|most| self.calls.connections.unwrap_or(most))
    }

    /// Returns all services, [`MAIN_SERVICE`] first.
    pub fn service_names(&self) -> Vec<&str> {
        std::iter::once(MAIN_SERVICE)
            .chain(self.services.keys().map(String::as_str).filter(|s| *s != MAIN_SERVICE))
            .collect()
    }
}

/// Returns true if a module, or a class of its file, is `name`, or below it.
pub fn is_within(module: &str, name: &str) -> bool {
    module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
}

/// Returns the Python module in whose file a module's code is: itself, unless it is a class.
pub fn file_module(module: &str) -> &str {
    module.split_once(':').map_or(module, |(file, _)| file)
}

/// A stack: client × codec × transport × server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StackName {
    /// `httpx2` or `httpx`, orjson, HTTP/1.1, uvicorn.
    #[default]
    Httpx,
    /// grpcio, raw bytes of the same encoding, HTTP/2, `grpc.aio`.
    Grpc,
}

impl StackName {
    /// All stacks, in the order in which users see them.
    pub const ALL: [Self; 2] = [Self::Httpx, Self::Grpc];

    /// Returns the word that the configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Httpx => "httpx",
            Self::Grpc => "grpc",
        }
    }

    /// Returns the largest number of connections that a service keeps to another one, beyond which calls wait; `None` where all
    /// calls share one.
    ///
    /// Chosen: 100, the default of httpx; a rehearsal hands the number to its services. HTTP/2 sends calls beside each other.
    pub fn max_connections(self) -> Option<u32> {
        match self {
            Self::Httpx => Some(100),
            Self::Grpc => None,
        }
    }
}

/// The price of computing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// The price of one virtual core for one hour, in US dollars.
    pub usd_per_vcpu_hour: f64,
}

impl Prices {
    /// The hours of a month, as cloud providers bill them.
    ///
    /// Spec: AWS and GCP price calculators use 730.
    pub const HOURS_PER_MONTH: f64 = 730.0;

    /// Returns the price of one virtual core for one month, in US dollars.
    pub fn usd_per_vcpu_month(&self) -> f64 {
        self.usd_per_vcpu_hour * Self::HOURS_PER_MONTH
    }
}

impl Default for Prices {
    /// # Source
    /// Spec: AWS m7g/m6i and Fargate list prices lie between 0.041 and 0.048 $ per vCPU-hour, memory apart (2026).
    fn default() -> Self {
        Self { usd_per_vcpu_hour: 0.0445 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::{Delay, Link, Quantiles, Sidecars};
    use crate::quantity::Nanos;

    #[test]
    fn the_longest_claim_wins() {
        let split = Split {
            services: BTreeMap::from([
                ("a".to_owned(), vec!["shop.orders".to_owned()]),
                ("b".to_owned(), vec!["shop.orders.lines".to_owned()]),
                ("c".to_owned(), vec!["shop.orders.admin:Audit".to_owned()]),
            ]),
            ..Split::default()
        };
        assert_eq!(split.service_of("shop.orders.views"), "a");
        assert_eq!(split.service_of("shop.orders.lines"), "b");
        assert_eq!(split.service_of("shop.orders_archive"), MAIN_SERVICE);
        assert_eq!(split.service_of("shop.orders.views:Index"), "a");
        assert_eq!(split.service_of("shop.orders.admin:Audit.Line"), "c");
        assert_eq!(split.service_of("shop.orders.admin:AuditLog"), "a");
    }

    fn delay() -> impl Strategy<Value = Delay> {
        let nanos = || (0_u64..1_000_000_000).prop_map(Nanos::from_nanos);
        let quantiles = prop::collection::vec(0_u64..1_000_000, 1..5).prop_map(|mut micros| {
            micros.sort_unstable();
            let last = micros.len() as f64;
            let points =
                micros.iter().enumerate().map(|(i, micros)| ((i + 1) as f64 / last, Nanos::from_micros(*micros)));
            Delay::Quantiles(Quantiles::new(points.collect()).expect("they ascend"))
        });
        prop_oneof![
            nanos().prop_map(Delay::Constant),
            (nanos(), 0.0_f64..2.0).prop_map(|(median, sigma)| Delay::LogNormal { median, sigma }),
            quantiles,
        ]
    }

    fn link() -> impl Strategy<Value = Link> {
        let sidecars = prop::option::of((1_u32..5, 0_u64..10_000_000, delay()));
        let shares = prop::array::uniform3(0.0_f64..0.99);
        (".*", delay(), prop::option::of(1e3_f64..1e11), shares, sidecars).prop_map(
            |(name, one_way_delay, bits_per_sec, [correlation, loss, usd_per_gb], sidecars)| Link {
                name,
                one_way_delay,
                bits_per_sec,
                correlation,
                loss,
                usd_per_gb,
                sidecars: sidecars.map(|(proxies, nanos, one_way_delay)| Sidecars {
                    proxies,
                    cpu_per_request: Nanos::from_nanos(nanos),
                    one_way_delay,
                }),
                ..Link::default()
            },
        )
    }

    proptest! {
        #[test]
        fn splits_and_links_round_trip_as_json(
            services in prop::collection::btree_map("[a-z]{1,6}", prop::collection::vec("[a-z.]{1,9}", 0..3), 0..4),
            default in link(),
            between in prop::collection::vec((prop::array::uniform2("[a-z]{1,6}"), link()), 0..3),
            copied in prop::option::of(prop::collection::vec("[a-z.]{1,9}", 0..3)),
        ) {
            let links = Links { default, between };
            let split = Split { name: "s".into(), services, links, copied, ..Split::default() };
            let json = serde_json::to_string(&split).unwrap();
            prop_assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
        }

        #[test]
        fn a_service_owns_its_modules_and_what_is_below_them(
            module in "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}",
            below in "[a-z]{1,4}",
        ) {
            let services = BTreeMap::from([("own".to_owned(), vec![module.clone()])]);
            let split = Split { services, ..Split::default() };
            prop_assert_eq!(split.service_of(&module), "own");
            prop_assert_eq!(split.service_of(&format!("{module}.{below}")), "own");
            prop_assert_eq!(split.service_of(&format!("{module}{below}")), MAIN_SERVICE);
        }
    }
}

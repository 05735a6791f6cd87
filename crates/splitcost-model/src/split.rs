//! A split: which module lives in which service, over which stack and link, at which load and price.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::link::Links;
use crate::policy::CallPolicy;

/// The service that keeps every module no other service claims.
pub const MAIN_SERVICE: &str = "main";

/// An assignment of modules to services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Its name in the configuration.
    pub name: String,
    /// Service → its modules; [`MAIN_SERVICE`] need not be listed and takes the rest.
    pub services: BTreeMap<String, Vec<String>>,
    /// What calls between services go over.
    pub stack: StackName,
    /// Modules whose functions run in the caller where their arguments cannot cross.
    pub keep_local: Vec<String>,
    /// What lies between the services.
    pub links: Links,
    /// How they call each other.
    pub calls: CallPolicy,
}

impl Split {
    /// The service that owns `module`: the longest claimed name that is `module` or a parent package of it.
    pub fn service_of(&self, module: &str) -> &str {
        self.services
            .iter()
            .flat_map(|(service, modules)| modules.iter().map(move |m| (m.as_str(), service.as_str())))
            .filter(|(claimed, _)| {
                module.strip_prefix(claimed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .max_by_key(|(claimed, _)| claimed.len())
            .map_or(MAIN_SERVICE, |(_, service)| service)
    }

    /// Connections that a service keeps to another one at most; `None`: all calls share one.
    pub fn max_connections(&self) -> Option<u32> {
        self.stack.max_connections().map(|most| self.calls.connections.unwrap_or(most))
    }

    /// All services, [`MAIN_SERVICE`] first.
    pub fn service_names(&self) -> Vec<&str> {
        std::iter::once(MAIN_SERVICE)
            .chain(self.services.keys().map(String::as_str).filter(|s| *s != MAIN_SERVICE))
            .collect()
    }
}

/// Client × codec × transport × server.
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
    /// Every stack, in the order they are listed to users.
    pub const ALL: [Self; 2] = [Self::Httpx, Self::Grpc];

    /// The word used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Httpx => "httpx",
            Self::Grpc => "grpc",
        }
    }

    /// Whether the server of the app answers the calls, too.
    ///
    /// Spec: `rpc_port_is_http_port` of `python/splitcost/stacks/rehearsed.py`.
    pub fn shares_port(self) -> bool {
        self == Self::Httpx
    }

    /// Connections that a service keeps to another one at most; a call beyond waits for one. `None`: all calls share one.
    ///
    /// Spec: `CONNECTIONS` of `python/splitcost/stacks`, 100 as in httpx's own defaults; HTTP/2 sends calls beside each other.
    pub fn max_connections(self) -> Option<u32> {
        match self {
            Self::Httpx => Some(100),
            Self::Grpc => None,
        }
    }
}

/// What computing costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// US dollars for one virtual core for one hour.
    pub usd_per_vcpu_hour: f64,
}

impl Prices {
    /// Hours in a month, as cloud providers bill them.
    ///
    /// Spec: AWS and GCP price calculators use 730.
    pub const HOURS_PER_MONTH: f64 = 730.0;

    /// US dollars for one virtual core for one month.
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
    use super::*;

    #[test]
    fn the_longest_claim_wins() {
        let split = Split {
            services: BTreeMap::from([
                ("a".to_owned(), vec!["shop.orders".to_owned()]),
                ("b".to_owned(), vec!["shop.orders.lines".to_owned()]),
            ]),
            ..Split::default()
        };
        assert_eq!(split.service_of("shop.orders.views"), "a");
        assert_eq!(split.service_of("shop.orders.lines"), "b");
        assert_eq!(split.service_of("shop.orders_archive"), MAIN_SERVICE);
    }
}

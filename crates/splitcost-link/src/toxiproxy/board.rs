//! The proxies of the API.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::toxic::{Toxic, ToxicRequest};
use crate::policy::{Effect, Policy, Rule};
use crate::stream::{Address, LinkId, Spec, Tally};
use crate::{Emulator, Engine};

/// The proxies, and the emulator that runs them.
#[derive(Debug)]
pub struct Board {
    emulator: Emulator,
    seed: u64,
    proxies: Vec<Proxy>,
}

/// A link with a name.
#[derive(Debug)]
pub struct Proxy {
    id: LinkId,
    name: String,
    /// The address of the link.
    listen: String,
    upstream: String,
    enabled: bool,
    /// The policy without toxics.
    policy: Policy,
    toxics: Vec<Toxic>,
}

/// The body of a request that creates or changes a proxy.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProxyRequest {
    name: String,
    listen: String,
    upstream: String,
    enabled: Option<bool>,
}

type Answer<T> = Result<T, Problem>;

impl Board {
    /// Makes a board without proxies. The toxicity of toxics is drawn from the seed.
    pub fn new(emulator: impl Into<Emulator>, seed: u64) -> Self {
        Self { emulator: emulator.into(), seed, proxies: Vec::new() }
    }

    /// Returns the emulator that runs the proxies.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Returns the proxies, in the order of their creation.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Adds a link that runs already, with its policy without toxics.
    pub fn add(&mut self, name: &str, (id, listen): (LinkId, &Address), upstream: &str, policy: Policy) {
        self.proxies.push(Proxy {
            id,
            name: name.to_owned(),
            listen: listen.to_string(),
            upstream: upstream.to_owned(),
            enabled: true,
            policy,
            toxics: Vec::new(),
        });
    }

    /// Returns the counts and times of a proxy so far.
    ///
    /// # Errors
    /// Fails when the emulator has ended.
    pub fn tally(&self, proxy: &Proxy) -> Result<Tally, crate::Error> {
        self.emulator.tally(proxy.id)
    }

    pub(super) fn find(&self, name: &str) -> Answer<&Proxy> {
        Ok(&self.proxies[self.index(name)?])
    }

    fn index(&self, name: &str) -> Answer<usize> {
        self.proxies.iter().position(|proxy| proxy.name == name).ok_or_else(|| Problem::missing("proxy"))
    }

    pub(super) fn create(&mut self, asked: &ProxyRequest) -> Answer<&Proxy> {
        for (field, value) in [("name", &asked.name), ("upstream", &asked.upstream)] {
            if value.is_empty() {
                return Err(Problem::bad(format!("missing required field: {field}")));
            }
        }
        if self.index(&asked.name).is_ok() {
            return Err(Problem::exists("proxy"));
        }
        let policy = Policy::new(Vec::new(), self.seed);
        let enabled = asked.enabled.unwrap_or(true);
        let any = self.emulator.any_address().to_string();
        // Clients send 127.0.0.1:0 when any address will do.
        let own = self.emulator.engine() == Engine::Packet && asked.listen.ends_with(":0");
        let listen = if own || asked.listen.is_empty() { &any } else { &asked.listen };
        let (id, listens) = self.open(listen, &asked.upstream, ruled(&policy, enabled, &[]))?;
        self.add(&asked.name, (id, &listens), &asked.upstream, policy);
        let last = self.proxies.len() - 1;
        self.proxies[last].enabled = enabled;
        Ok(&self.proxies[last])
    }

    fn open(&self, listen: &str, upstream: &str, policy: Policy) -> Answer<(LinkId, Address)> {
        let listen = self.emulator.address(listen)?;
        Ok(self.emulator.open(Spec { listen, to: Address::parse(upstream)?, policy })?)
    }

    /// Creates the proxies that do not exist, and replaces those that differ.
    pub(super) fn populate(&mut self, asked: Vec<ProxyRequest>) -> Answer<Vec<Value>> {
        let mut proxies = Vec::new();
        for asked in asked {
            let name = asked.name.clone();
            if let Ok(proxy) = self.find(&name) {
                if proxy.upstream != asked.upstream || (proxy.listen != asked.listen && !asked.listen.is_empty()) {
                    self.remove(&name)?;
                } else {
                    proxies.push(proxy.json());
                    continue;
                }
            }
            proxies.push(self.create(&asked)?.json());
        }
        Ok(proxies)
    }

    /// Enables all proxies, and removes all toxics.
    pub(super) fn reset(&mut self) -> Answer<()> {
        for index in 0..self.proxies.len() {
            self.proxies[index].enabled = true;
            self.put(index, Vec::new())?;
        }
        Ok(())
    }

    pub(super) fn update(&mut self, name: &str, asked: ProxyRequest) -> Answer<&Proxy> {
        let index = self.index(name)?;
        let proxy = &self.proxies[index];
        let or = |asked: String, own: &str| if asked.is_empty() { own.to_owned() } else { asked };
        let (listen, upstream) = (or(asked.listen, &proxy.listen), or(asked.upstream, &proxy.upstream));
        let enabled = asked.enabled.unwrap_or(proxy.enabled);
        if (&listen, &upstream) != (&proxy.listen, &proxy.upstream) {
            Address::parse(&listen)?;
            Address::parse(&upstream)?;
            self.emulator.close(proxy.id);
            let opened = self.open(&listen, &upstream, ruled(&proxy.policy, enabled, &proxy.toxics));
            let (id, listens) = opened.inspect_err(|_| drop(self.proxies.remove(index)))?;
            let proxy = &mut self.proxies[index];
            (proxy.id, proxy.listen, proxy.upstream) = (id, listens.to_string(), upstream);
        }
        if enabled != self.proxies[index].enabled {
            self.proxies[index].enabled = enabled;
            self.put(index, self.proxies[index].toxics.clone())?;
        }
        Ok(&self.proxies[index])
    }

    pub(super) fn remove(&mut self, name: &str) -> Answer<()> {
        let proxy = self.proxies.remove(self.index(name)?);
        self.emulator.close(proxy.id);
        Ok(())
    }

    pub(super) fn add_toxic(&mut self, name: &str, asked: ToxicRequest) -> Answer<&Toxic> {
        let index = self.index(name)?;
        let toxic = Toxic::new(asked)?;
        if self.proxies[index].toxic(&toxic.name).is_ok() {
            return Err(Problem::exists("toxic"));
        }
        let mut toxics = self.proxies[index].toxics.clone();
        toxics.push(toxic);
        self.put(index, toxics)?;
        let last = self.proxies[index].toxics.len() - 1;
        Ok(&self.proxies[index].toxics[last])
    }

    pub(super) fn update_toxic(&mut self, name: &str, toxic: &str, asked: ToxicRequest) -> Answer<&Toxic> {
        let index = self.index(name)?;
        let at = self.proxies[index].toxic_index(toxic)?;
        let mut toxics = self.proxies[index].toxics.clone();
        toxics[at] = toxics[at].updated(asked)?;
        self.put(index, toxics)?;
        Ok(&self.proxies[index].toxics[at])
    }

    pub(super) fn remove_toxic(&mut self, name: &str, toxic: &str) -> Answer<()> {
        let index = self.index(name)?;
        let at = self.proxies[index].toxic_index(toxic)?;
        let mut toxics = self.proxies[index].toxics.clone();
        toxics.remove(at);
        self.put(index, toxics)
    }

    /// Replaces the toxics of a proxy.
    fn put(&mut self, index: usize, toxics: Vec<Toxic>) -> Answer<()> {
        let proxy = &mut self.proxies[index];
        self.emulator.change(proxy.id, ruled(&proxy.policy, proxy.enabled, &toxics))?;
        proxy.toxics = toxics;
        Ok(())
    }
}

/// Returns a policy with the rules of toxics after its own rules.
fn ruled(policy: &Policy, enabled: bool, toxics: &[Toxic]) -> Policy {
    let down = (!enabled).then(|| Rule::new(Effect::Down));
    policy.with(toxics.iter().map(|toxic| toxic.rule.clone()).chain(down))
}

impl Proxy {
    /// Returns the name of the proxy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the addresses of the link and of the server.
    pub fn addresses(&self) -> (&str, &str) {
        (&self.listen, &self.upstream)
    }

    pub(super) fn toxics(&self) -> &[Toxic] {
        &self.toxics
    }

    fn toxic_index(&self, name: &str) -> Answer<usize> {
        self.toxics.iter().position(|toxic| toxic.name == name).ok_or_else(|| Problem::missing("toxic"))
    }

    pub(super) fn toxic(&self, name: &str) -> Answer<&Toxic> {
        Ok(&self.toxics[self.toxic_index(name)?])
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": self.toxics,
        })
    }
}

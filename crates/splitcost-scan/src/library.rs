//! What is known about libraries: data files of dotted paths, ours and the user's.
//!
//! A path names a module's function, a class, or a method: `requests.post`, `requests.Session.post`. What a function
//! gives has the function's own path, unless the data says otherwise: `boto3.client.put_object`. The answer of a remote
//! call or query has that path and `.return`. A segment may list alternatives in braces; the last one may be `*`, and
//! one in the middle stands for any number of calls in a chain.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Deserialize;

/// A set of traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Traits(pub(crate) u32);

macro_rules! traits {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $key:literal;)*) => {
        impl Traits {
            $($(#[$doc])* pub(crate) const $name: Self = Self(1 << $bit);)*
            fn of_key(key: &str) -> Option<Self> {
                match key { $($key => Some(Self::$name),)* _ => None }
            }
            /// What can be said of a path, as the data files write it.
            pub(crate) const KEYS: &'static [&'static str] = &[$($key),*];
        }
    };
}

traits! {
    /// A remote call over HTTP that blocks its thread.
    BLOCKING_HTTP = 0 "blocking-http";
    /// A query or other exchange with a database that blocks its thread.
    BLOCKING_DATABASE = 1 "blocking-database";
    /// Any other wait that blocks its thread.
    BLOCKING_WAIT = 2 "blocking-wait";
    /// A remote call that is awaited.
    AWAITED_REMOTE = 3 "awaited-remote";
    /// An exchange with a database that is awaited.
    AWAITED_DATABASE = 4 "awaited-database";
    /// A blocking remote call by gRPC.
    BLOCKING_GRPC = 5 "blocking-grpc";
    /// Makes a client, session, channel or context that is meant to be kept.
    CLIENT = 6 "client";
    /// Runs its argument in another thread or process.
    OFFLOAD = 7 "offload";
    /// Calls its argument here and now.
    CALLS_ARGUMENT = 8 "calls-argument";
    /// Encodes or decodes by the standard library's json.
    SLOW_JSON = 9 "slow-json";
    /// Encodes a value as JSON, and refuses unusual ones.
    ENCODES = 10 "encodes";
    /// Takes a request to a function: a route's decorator.
    ROUTE = 11 "route";
    /// Names a dependency that the framework provides.
    DEPENDS = 12 "depends";
    /// Waits without a limit unless `timeout` is given.
    NEEDS_TIMEOUT = 13 "needs-timeout";
    /// A value that a JSON encoder refuses.
    UNENCODABLE = 14 "unencodable";
    /// Retries what it decorates or what goes through it.
    RETRIES = 15 "retries";
    /// Gives all rows of a query.
    ALL_ROWS = 16 "all-rows";
    /// Limits or selects columns of a query.
    LIMITS_ROWS = 17 "limits-rows";
    /// The attributes of an object as they are.
    OBJECT_DICT = 19 "object-dict";
    /// Makes a response out of what it is given.
    RESPONDS = 20 "responds";
    /// Runs a server.
    STARTS_SERVER = 21 "starts-server";
    /// Says how long a client waits.
    TIMEOUT = 22 "timeout";
    /// A pause between tries.
    PAUSE = 18 "pause";
    /// None of what is said of everything else of its class: it only prepares, or answers from memory.
    HARMLESS = 23 "harmless";
}

impl Traits {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }
}

/// Follows the path of a remote call or query in that of its answer; no attribute can be called so.
pub(crate) const ANSWER: &str = ".return";

/// What gives an answer.
pub(crate) const ANSWERS: Traits = Traits::BLOCKING_HTTP
    .or(Traits::BLOCKING_DATABASE)
    .or(Traits::BLOCKING_GRPC)
    .or(Traits::AWAITED_REMOTE)
    .or(Traits::AWAITED_DATABASE);

/// A data file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    /// Path → the path it is another name of.
    #[serde(default)]
    alias: BTreeMap<String, String>,
    /// Path → the class whose instance a call gives.
    #[serde(default)]
    gives: BTreeMap<String, String>,
    /// Class → its base.
    #[serde(default)]
    base: BTreeMap<String, String>,
    /// Trait → the paths that have it.
    #[serde(default)]
    traits: BTreeMap<String, Vec<String>>,
    /// Path → which argument is run elsewhere or called, from 0, or by its name; 0 where it is not said.
    #[serde(default)]
    argument: BTreeMap<String, String>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Library {
    alias: FxHashMap<Box<str>, Box<str>>,
    gives: FxHashMap<Box<str>, Box<str>>,
    base: FxHashMap<Box<str>, Box<str>>,
    exact: FxHashMap<Box<str>, Traits>,
    /// Paths that end in `.*`, without it.
    below: FxHashMap<Box<str>, Traits>,
    argument: FxHashMap<Box<str>, Box<str>>,
    /// Last segment → the beginnings after which it may come, whatever lies between.
    chains: FxHashMap<Box<str>, Vec<(Box<str>, Traits)>>,
}

const DATA: &[(&str, &str)] = &[
    ("http", include_str!("library/http.toml")),
    ("sdk", include_str!("library/sdk.toml")),
    ("database", include_str!("library/database.toml")),
    ("standard", include_str!("library/standard.toml")),
    ("web", include_str!("library/web.toml")),
];

impl Library {
    /// What is shipped.
    pub(crate) fn shipped() -> Self {
        let mut library = Self::default();
        for (name, text) in DATA {
            if let Err(problem) = library.add(text) {
                panic!("{name}.toml: {problem}");
            }
        }
        library
    }

    /// Adds a data file's text.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        for (from, to) in &table.alias {
            for from in alternatives(from) {
                self.alias.insert(from.into(), to.as_str().into());
            }
        }
        for (from, to) in &table.gives {
            for from in alternatives(from) {
                self.gives.insert(from.into(), to.as_str().into());
            }
        }
        for (from, to) in &table.base {
            for from in alternatives(from) {
                self.base.insert(from.into(), to.as_str().into());
            }
        }
        for (path, which) in &table.argument {
            for path in alternatives(path) {
                self.argument.insert(path.into(), which.as_str().into());
            }
        }
        for (key, paths) in &table.traits {
            for path in paths {
                self.say(path, key)?;
            }
        }
        Ok(())
    }

    /// Says of a path that it has a trait.
    pub(crate) fn say(&mut self, path: &str, key: &str) -> Result<(), String> {
        let traits = Traits::of_key(key).ok_or_else(|| format!("{key:?} is none of {}", Traits::KEYS.join(", ")))?;
        for path in alternatives(path) {
            if let Some((start, last)) = path.split_once(".*.") {
                self.chains.entry(last.into()).or_default().push((start.into(), traits));
                continue;
            }
            let (map, path) = match path.strip_suffix(".*") {
                Some(stem) => (&mut self.below, stem.to_owned()),
                None => (&mut self.exact, path),
            };
            let known = map.entry(path.into()).or_default();
            *known = known.or(traits);
        }
        Ok(())
    }

    /// The one name of a path that has several.
    pub(crate) fn canonical<'a>(&'a self, path: &'a str) -> &'a str {
        self.alias.get(path).map_or(path, |path| path)
    }

    /// The class whose instance a call of that path gives.
    pub(crate) fn gives(&self, path: &str) -> Option<&str> {
        self.gives.get(path).map(|path| &**path)
    }

    /// Which argument a path runs or calls.
    pub(crate) fn argument(&self, path: &str) -> &str {
        self.argument.get(path).map_or("0", |which| which)
    }

    /// What is said of a path; a method may be said of a base class.
    pub(crate) fn traits(&self, path: &str) -> Traits {
        let mut traits = self.own(path);
        if let Some((class, method)) = path.rsplit_once('.') {
            let mut class = class;
            // Chosen: no class of a library is deeper.
            for _ in 0..8 {
                let Some(base) = self.base.get(class) else { break };
                traits = traits.or(self.own(&format!("{base}.{method}")));
                class = base;
            }
        }
        traits
    }

    fn own(&self, path: &str) -> Traits {
        let mut traits = self.exact.get(path).copied().unwrap_or_default();
        // What a remote call gave is no client any more.
        if path.ends_with(ANSWER) || path.contains(".return.") {
            return traits;
        }
        if let Some((start, last)) = path.rsplit_once('.')
            && let Some(chains) = self.chains.get(last)
        {
            for (begin, chained) in chains {
                if start.strip_prefix(&**begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                    traits = traits.or(*chained);
                }
            }
        }
        let mut stem = path;
        while let Some((shorter, _)) = stem.rsplit_once('.') {
            stem = shorter;
            traits = traits.or(self.below.get(stem).copied().unwrap_or_default());
        }
        if traits.has(Traits::HARMLESS) { Traits::HARMLESS } else { traits }
    }
}

/// `a.{b,c}.d` as `a.b.d` and `a.c.d`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((choices, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    choices
        .split(',')
        .flat_map(|choice| {
            alternatives(after).into_iter().map(move |after| format!("{before}{}{after}", choice.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_alternatives() {
        assert_eq!(alternatives("a.{b,c}.{d, e}"), ["a.b.d", "a.b.e", "a.c.d", "a.c.e"]);
    }

    #[test]
    fn what_is_shipped_can_be_read_and_says_what_it_should() {
        let library = Library::shipped();
        assert!(library.traits("requests.post").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("requests.Session.post").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("boto3.client.put_object").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("httpx2.AsyncClient.get").has(Traits::AWAITED_REMOTE));
        assert_eq!(library.traits("requests.codes"), Traits::NONE);
    }
}

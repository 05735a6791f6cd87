//! Facts about libraries: data files that give traits to dotted paths, extended by the user's settings.
//!
//! A path names a function, a class or a method: `requests.post`, `requests.Session.post`. The result of a function has
//! the function's own path, unless the data say otherwise: `boto3.client.put_object`. The result of a remote call or
//! query has the call's path followed by `.return`. Braces in a segment list alternatives. A `*` as the last segment
//! stands for everything below, and one in the middle for any chain of attributes and calls.

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
            /// The names of all traits, as the data files and the settings write them.
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
    /// Makes a client, session, channel or context that should be kept and reused.
    CLIENT = 6 "client";
    /// Runs its argument in another thread or process.
    OFFLOAD = 7 "offload";
    /// Calls its argument at once, in the same thread.
    CALLS_ARGUMENT = 8 "calls-argument";
    /// Encodes or decodes JSON with the standard library's `json`.
    SLOW_JSON = 9 "slow-json";
    /// Encodes a value as JSON, and raises an error for types that JSON lacks.
    ENCODES = 10 "encodes";
    /// Routes requests to a function: a route's decorator.
    ROUTE = 11 "route";
    /// Declares a dependency that the framework provides.
    DEPENDS = 12 "depends";
    /// Waits without a time limit unless `timeout` is given.
    NEEDS_TIMEOUT = 13 "needs-timeout";
    /// A value that a JSON encoder refuses.
    UNENCODABLE = 14 "unencodable";
    /// Retries the function that it decorates, or the calls that go through it.
    RETRIES = 15 "retries";
    /// Returns all rows of a query.
    ALL_ROWS = 16 "all-rows";
    /// Limits the rows of a query or selects columns.
    LIMITS_ROWS = 17 "limits-rows";
    /// Returns the attributes of an object as a dictionary.
    OBJECT_DICT = 19 "object-dict";
    /// Makes a response out of its argument.
    RESPONDS = 20 "responds";
    /// Runs a server.
    STARTS_SERVER = 21 "starts-server";
    /// Sets the time limit of a client.
    TIMEOUT = 22 "timeout";
    /// Pauses, as between two tries of a call.
    PAUSE = 18 "pause";
    /// Has none of the traits that the rest of its class has: it only prepares a call, or answers from memory.
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

/// The segment that follows the path of a remote call or query in the path of its result. No attribute can have this
/// name.
pub(crate) const ANSWER: &str = ".return";

/// The traits of calls whose results have a path of their own.
pub(crate) const ANSWERS: Traits = Traits::BLOCKING_HTTP
    .or(Traits::BLOCKING_DATABASE)
    .or(Traits::BLOCKING_GRPC)
    .or(Traits::AWAITED_REMOTE)
    .or(Traits::AWAITED_DATABASE);

/// The contents of a data file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LibraryFile {
    /// Path → the canonical path that it is another name of.
    #[serde(default)]
    alias: BTreeMap<String, String>,
    /// Path → the class whose instance a call of it returns.
    #[serde(default)]
    gives: BTreeMap<String, String>,
    /// Class → its base class.
    #[serde(default)]
    base: BTreeMap<String, String>,
    /// Trait → the paths that have it, as patterns.
    #[serde(default)]
    traits: BTreeMap<String, Vec<String>>,
    /// Path → the argument that it calls or runs elsewhere, by position from 0 or by name; 0 if the path is missing here.
    #[serde(default)]
    argument: BTreeMap<String, String>,
}

/// All facts about libraries.
#[derive(Debug, Default)]
pub(crate) struct Library {
    alias: FxHashMap<Box<str>, Box<str>>,
    gives: FxHashMap<Box<str>, Box<str>>,
    base: FxHashMap<Box<str>, Box<str>>,
    exact: FxHashMap<Box<str>, Traits>,
    /// The paths that end in `.*`, without that ending.
    below: FxHashMap<Box<str>, Traits>,
    argument: FxHashMap<Box<str>, Box<str>>,
    /// Last segment → the beginnings of paths that may end with it, whatever lies between.
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
    /// Returns the facts that splitcost ships.
    pub(crate) fn shipped() -> Self {
        let mut library = Self::default();
        for (name, text) in DATA {
            if let Err(problem) = library.add(text) {
                panic!("{name}.toml: {problem}");
            }
        }
        library
    }

    /// Adds the facts of a data file, given its text.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let table: LibraryFile = toml::from_str(text).map_err(|error| error.to_string())?;
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
                self.add_trait(path, key)?;
            }
        }
        Ok(())
    }

    /// Gives a trait to the paths that a pattern matches.
    pub(crate) fn add_trait(&mut self, path: &str, key: &str) -> Result<(), String> {
        let traits = Traits::of_key(key)
            .ok_or_else(|| format!("{key:?} is not an effect; the effects are {}", Traits::KEYS.join(", ")))?;
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

    /// Returns the canonical path of a path that has several names.
    pub(crate) fn canonical<'a>(&'a self, path: &'a str) -> &'a str {
        self.alias.get(path).map_or(path, |path| path)
    }

    /// Returns the class whose instance a call of a path returns.
    pub(crate) fn gives(&self, path: &str) -> Option<&str> {
        self.gives.get(path).map(|path| &**path)
    }

    /// Returns the argument that a path calls or runs elsewhere, as a position or a name.
    pub(crate) fn argument(&self, path: &str) -> &str {
        self.argument.get(path).map_or("0", |which| which)
    }

    /// Returns the traits of a path, those that a method has from base classes included.
    pub(crate) fn traits(&self, path: &str) -> Traits {
        let mut traits = self.own(path);
        if let Some((class, method)) = path.rsplit_once('.') {
            let mut class = class;
            // Chosen: no hierarchy of a library is deeper.
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
        // The result of a remote call is no client.
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

/// Returns the paths that a pattern with braces stands for: `a.{b,c}.d` stands for `a.b.d` and `a.c.d`.
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
    fn the_shipped_data_files_parse_and_their_patterns_match() {
        let library = Library::shipped();
        assert!(library.traits("requests.post").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("requests.Session.post").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("boto3.client.put_object").has(Traits::BLOCKING_HTTP));
        assert!(library.traits("httpx2.AsyncClient.get").has(Traits::AWAITED_REMOTE));
        assert_eq!(library.traits("requests.codes"), Traits::NONE);
    }
}

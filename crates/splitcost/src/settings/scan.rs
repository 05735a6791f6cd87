//! `[scan]` and `[effects]`: what `splitcost scan` looks at.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use splitcost_model::split::Prices;
use splitcost_scan::{EFFECTS, Glob, RULES};
use toml::Spanned;

use super::{File, OneOrMany, find_upwards, read_table};
use crate::failure::Failure;

/// What the file says about scanning.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanSettings {
    /// Codes or their beginnings.
    pub(crate) select: Vec<String>,
    /// Codes or their beginnings.
    pub(crate) ignore: Vec<String>,
    /// What is left out.
    pub(crate) exclude: Vec<Glob>,
    /// Codes or their beginnings that are not wanted in such files.
    pub(crate) per_file_ignores: Vec<(Glob, Vec<String>)>,
    /// Dotted paths, and what calling them does.
    pub(crate) effects: Vec<(String, String)>,
    /// What computing costs.
    pub(crate) prices: Prices,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanTable {
    #[serde(default)]
    select: Vec<Spanned<String>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    per_file_ignores: BTreeMap<String, Vec<Spanned<String>>>,
}

/// Dotted path → one effect or several.
pub(super) type EffectsTable = BTreeMap<String, Spanned<OneOrMany>>;

impl ScanSettings {
    /// What the file says that was named, or the nearest one from the scanned path upwards; a file is not needed.
    pub(crate) fn find(config: Option<&Path>, scanned: &Path) -> anyhow::Result<Self> {
        // What is not there is told when it is scanned.
        let start = std::fs::canonicalize(scanned).unwrap_or_default();
        let found = config.map(Path::to_owned).or_else(|| find_upwards(&start));
        found.map_or_else(|| Ok(Self::default()), |path| Self::read(&crate::session::shown(&path)))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = File::text_of(path)?;
        let file = File { path, text: &text };
        let table = read_table(&file)?;
        let base = file.dir()?;
        let glob = |pattern: String| Glob { base: base.clone(), pattern };
        let per_file = table.scan.per_file_ignores.into_iter();
        let per_file_ignores = per_file.map(|(pattern, list)| Ok((glob(pattern), codes(&file, list)?)));
        let mut effects = Vec::new();
        for (path, keys) in table.effects {
            let span = keys.span();
            for key in keys.into_inner().into_vec() {
                if !EFFECTS.contains(&key.as_str()) {
                    return Err(file
                        .wrong(&span, format_args!("{key:?} is no effect"))
                        .hint(format!("the effects are: {}", EFFECTS.join(", ")))
                        .into());
                }
                effects.push((path.clone(), key));
            }
        }
        Ok(Self {
            select: codes(&file, table.scan.select)?,
            ignore: codes(&file, table.scan.ignore)?,
            exclude: table.scan.exclude.into_iter().map(glob).collect(),
            per_file_ignores: per_file_ignores.collect::<Result<_, Failure>>()?,
            effects,
            prices: table.prices.resolve(),
        })
    }
}

fn codes(file: &File<'_>, list: Vec<Spanned<String>>) -> Result<Vec<String>, Failure> {
    let check = |code: Spanned<String>| {
        if is_code(code.get_ref()) {
            return Ok(code.into_inner());
        }
        Err(unknown(file.wrong(&code.span(), format_args!("{:?} is no rule", code.get_ref()))))
    };
    list.into_iter().map(check).collect()
}

/// Whether this is a rule's code, or the beginning of one.
pub(crate) fn is_code(code: &str) -> bool {
    !code.is_empty() && RULES.iter().any(|rule| rule.code.starts_with(code))
}

/// Says where the codes are.
pub(crate) fn unknown(failure: Failure) -> Failure {
    failure.hint("`splitcost explain` lists the rules")
}

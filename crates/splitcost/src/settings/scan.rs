//! `[scan]` and `[effects]`: the settings of `splitcost scan`.

use std::path::Path;

use splitcost_model::split::Prices;
use splitcost_scan::{EFFECTS, Glob, RULES};
use toml::Spanned;

use super::file::{File, find_upwards, shown};
use super::table;
use crate::failure::Failure;

/// The checked settings of `splitcost scan`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanSettings {
    /// Codes, or beginnings of codes, of the rules to use; empty for all.
    pub(crate) select: Vec<String>,
    /// Codes, or beginnings of codes, of the rules to leave out.
    pub(crate) ignore: Vec<String>,
    /// Files and directories to leave out.
    pub(crate) exclude: Vec<Glob>,
    /// Codes, or beginnings of codes, of the rules to leave out in matching files.
    pub(crate) per_file_ignores: Vec<(Glob, Vec<String>)>,
    /// Dotted paths of library functions, each with an effect of calling it.
    pub(crate) effects: Vec<(String, String)>,
    /// Prices of computing.
    pub(crate) prices: Prices,
}

impl ScanSettings {
    /// Reads the file that was named, or the nearest one upwards from the scanned path. Without a file, returns the
    /// defaults.
    pub(crate) fn find(config: Option<&Path>, scanned: &Path) -> anyhow::Result<Self> {
        // The scan itself reports a path that does not exist.
        let start = std::fs::canonicalize(scanned).unwrap_or_default();
        let found = config.map(Path::to_owned).or_else(|| find_upwards(&start));
        found.map_or_else(|| Ok(Self::default()), |path| Self::read(&shown(&path)))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = File::text_of(path)?;
        let file = File { path, text: &text };
        let table = table::read(&file)?;
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
                        .wrong(&span, format_args!("{key:?} is not an effect"))
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
        Err(unknown(file.wrong(&code.span(), format_args!("{:?} is not the code of a rule", code.get_ref()))))
    };
    list.into_iter().map(check).collect()
}

/// Returns whether this is the code of a rule, or the beginning of one.
pub(crate) fn is_code(code: &str) -> bool {
    !code.is_empty() && RULES.iter().any(|rule| rule.code.starts_with(code))
}

/// Adds to a message where the codes are listed.
pub(crate) fn unknown(failure: Failure) -> Failure {
    failure.hint("`splitcost explain` lists the rules")
}

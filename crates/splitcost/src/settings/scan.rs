//! The tables `[scan]` and `[effects]` of the settings.

use std::path::Path;

use splitcost_model::split::Prices;
use splitcost_scan::{EFFECTS, Glob, RULES};
use toml::Spanned;

use super::file::{File, find_upwards, shown};
use super::table;
use crate::failure::Failure;

/// The settings of a scan.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanSettings {
    /// The codes to report, or beginnings of codes; an empty list stands for all.
    pub(crate) select: Vec<String>,
    /// The codes to leave out, or beginnings of codes.
    pub(crate) ignore: Vec<String>,
    /// Files and directories to leave out.
    pub(crate) exclude: Vec<Glob>,
    /// The codes, or beginnings of codes, to leave out in the files that a glob matches.
    pub(crate) per_file_ignores: Vec<(Glob, Vec<String>)>,
    /// Dotted paths of functions, each with the effect of calling it.
    pub(crate) effects: Vec<(String, String)>,
    /// The prices of computing.
    pub(crate) prices: Prices,
}

impl ScanSettings {
    /// Reads the named file, or the nearest settings file from the scanned path upwards. Without a file, the defaults
    /// apply.
    pub(crate) fn find(config: Option<&Path>, scanned: &Path) -> anyhow::Result<Self> {
        // A path that does not exist is reported by the scan.
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
            prices: table.prices.resolve(&file)?,
        })
    }
}

fn codes(file: &File<'_>, list: Vec<Spanned<String>>) -> Result<Vec<String>, Failure> {
    let check = |code: Spanned<String>| {
        if is_code(code.get_ref()) {
            return Ok(code.into_inner());
        }
        Err(unknown(file.wrong(
            &code.span(),
            format_args!("{:?} is not the code of a rule, nor the beginning of one", code.get_ref()),
        )))
    };
    list.into_iter().map(check).collect()
}

/// Returns whether a text is the code of a rule, or the beginning of one.
pub(crate) fn is_code(code: &str) -> bool {
    !code.is_empty() && RULES.iter().any(|rule| rule.code.starts_with(code))
}

/// Adds the hint that names the command that lists the codes.
pub(crate) fn unknown(failure: Failure) -> Failure {
    failure.hint("`splitcost explain` lists the rules")
}

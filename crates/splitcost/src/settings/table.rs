//! The tables of the settings file as they are written: read strictly, not yet checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use splitcost_load::WorkloadTable;
use splitcost_model::database::Database;
use splitcost_model::split::{Prices, StackName};
use toml::Spanned;

use super::file::File;
use crate::failure::Failure;

/// All tables of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tables {
    pub(super) app: Option<AppTable>,
    pub(super) workload: Option<Spanned<WorkloadTable>>,
    #[serde(default)]
    pub(super) splits: BTreeMap<Spanned<String>, SplitTable>,
    #[serde(default, rename = "tables")]
    pub(super) owners: OwnersTable,
    #[serde(default)]
    pub(super) prices: PricesTable,
    #[serde(default)]
    pub(super) load: LoadTable,
    #[serde(default)]
    pub(super) scan: ScanTable,
    #[serde(default)]
    pub(super) effects: EffectsTable,
}

/// The table `[app]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppTable {
    pub(super) command: Spanned<Vec<String>>,
    #[serde(default)]
    pub(super) setup: Vec<String>,
    #[serde(default = "root")]
    pub(super) ready: Spanned<String>,
    pub(super) package: Spanned<OneOrMany>,
    #[serde(default)]
    pub(super) modules: Vec<Spanned<String>>,
    pub(super) depth: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) entry_points: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: Option<Spanned<PathBuf>>,
    pub(super) python: Option<PathBuf>,
    pub(super) deadline_secs: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) database: Database,
}

/// A string, or a list of strings.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings; a key with dots is written in quotes")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

fn root() -> Spanned<String> {
    Spanned::new(0..0, "/".to_owned())
}

/// A table `[splits.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitTable {
    pub(super) services: BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) stack: StackName,
    pub(super) copied: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) links: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) calls: Option<Spanned<String>>,
    pub(super) database: Option<Database>,
    #[serde(default)]
    pub(super) adapt: BTreeMap<String, Spanned<String>>,
    pub(super) by_reference: Option<OneOrMany>,
    pub(super) send_back: Option<bool>,
    pub(super) batch: Option<Spanned<u32>>,
}

/// The table `[tables]`: name of a table → module that owns it.
pub(super) type OwnersTable = BTreeMap<String, Spanned<String>>;

/// The table `[prices]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PricesTable {
    usd_per_vcpu_hour: Option<Spanned<f64>>,
}

impl PricesTable {
    pub(super) fn resolve(self, file: &File<'_>) -> Result<Prices, Failure> {
        let Some(price) = self.usd_per_vcpu_hour else { return Ok(Prices::default()) };
        let (usd_per_vcpu_hour, span) = (*price.get_ref(), price.span());
        if !usd_per_vcpu_hour.is_finite() || usd_per_vcpu_hour < 0.0 {
            return Err(file.wrong(&span, "usd_per_vcpu_hour must be a number from 0"));
        }
        Ok(Prices { usd_per_vcpu_hour })
    }
}

/// The table `[load]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadTable {
    pub(super) rate_reqs_per_sec: Option<Spanned<f64>>,
    pub(super) concurrency: Option<Spanned<u32>>,
}

/// The table `[scan]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanTable {
    #[serde(default)]
    pub(super) select: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) ignore: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    #[serde(default)]
    pub(super) per_file_ignores: BTreeMap<String, Vec<Spanned<String>>>,
}

/// The table `[effects]`: dotted path → one effect or several.
pub(super) type EffectsTable = BTreeMap<String, Spanned<OneOrMany>>;

#[derive(Deserialize)]
struct PyProject {
    tool: Option<ToolTables>,
}

#[derive(Deserialize)]
struct ToolTables {
    splitcost: Option<Tables>,
}

/// Reads the tables of a file.
pub(super) fn read(file: &File<'_>) -> anyhow::Result<Tables> {
    if !file.is_shared() {
        return Ok(toml::from_str(file.text).map_err(|error| file.broken(&error))?);
    }
    let project: PyProject = toml::from_str(file.text).map_err(|error| file.broken(&error))?;
    project.tool.and_then(|tools| tools.splitcost).ok_or_else(|| {
        Failure::new(format!("{} has no table [tool.splitcost]", file.path.display()))
            .hint("`splitcost init` writes a splitcost.toml")
            .into()
    })
}

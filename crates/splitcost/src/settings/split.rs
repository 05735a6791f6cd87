//! `[splits.NAME]`: checked, and made into a split.

use std::collections::BTreeMap;
use std::path::Path;

use splitcost_link::profile::Profile;
use splitcost_model::adaptation::Adaptation;
use splitcost_model::database::Database;
use splitcost_model::link::{Link, Links};
use splitcost_model::policy::CallPolicy;
use splitcost_model::split::{MAIN_SERVICE, Split, is_within};
use toml::Spanned;

use super::file::File;
use super::table::{OneOrMany, SplitTable};
use crate::failure::Failure;

/// A module, or a class of one, that the settings name.
#[derive(Clone, Debug)]
pub(crate) struct NamedModule {
    pub(crate) name: String,
    /// Path, line and column of the name in the file.
    pub(crate) place: String,
}

/// The part of `[app]` that splits depend on.
pub(super) struct AppPart<'a> {
    /// The packages, and the modules of others that are named.
    pub(super) packages: &'a [String],
    pub(super) database: Database,
    pub(super) table_owners: &'a BTreeMap<String, String>,
}

/// A service that claims a module.
struct Claim {
    service: String,
    place: String,
}

/// Checks a table, and returns its split. Adds the modules that it names to `named_modules`.
pub(super) fn check(
    file: &File<'_>,
    name: String,
    table: SplitTable,
    app: &AppPart<'_>,
    named_modules: &mut Vec<NamedModule>,
) -> Result<Split, Failure> {
    let packages = app.packages;
    let mut claims: BTreeMap<String, Claim> = BTreeMap::new();
    let mut services = BTreeMap::new();
    for (service, modules) in table.services {
        if service.get_ref() == MAIN_SERVICE {
            return Err(file
                .wrong(&service.span(), "main is the service that keeps every module that no other service claims")
                .hint("leave main out, or give the service another name"));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if service.get_ref().is_empty() || !service.get_ref().chars().all(is_name) {
            return Err(file.wrong(&service.span(), "the name of a service may have letters, digits, - and _"));
        }
        if modules.get_ref().is_empty() {
            return Err(file.wrong(&modules.span(), format_args!("service {} has no modules", service.get_ref())));
        }
        let mut own = Vec::new();
        for module in modules.into_inner() {
            let place = file.place(&module.span());
            check_module(file, &module, packages)?;
            let module = module.into_inner();
            let claim = Claim { service: service.get_ref().clone(), place: place.clone() };
            if let Some(first) = claims.insert(module.clone(), claim) {
                return Err(Failure::new(format!(
                    "{place}: module {module} of split {name} is claimed by service {} and by service {} ({})",
                    service.get_ref(),
                    first.service,
                    first.place
                ))
                .hint("a module belongs to one service of a split: remove it from one of the two"));
            }
            named_modules.push(NamedModule { name: module.clone(), place });
            own.push(module);
        }
        services.insert(service.into_inner(), own);
    }
    if services.is_empty() {
        return Err(Failure::new(format!("{}: split {name} has no services", file.path.display()))
            .hint("services = { pricing = [\"shop.pricing\"] } moves that module into a service named pricing"));
    }
    for module in table.copied.iter().flatten() {
        check_module(file, module, packages)?;
        named_modules.push(NamedModule { name: module.get_ref().clone(), place: file.place(&module.span()) });
    }
    let copied = table.copied.map(|modules| modules.into_iter().map(Spanned::into_inner).collect());
    let links = links(file, table.links, &services)?;
    let calls = match table.calls {
        None => CallPolicy::default(),
        Some(calls) => calls.get_ref().parse().map_err(|error| file.wrong(&calls.span(), error))?,
    };
    let database = table.database.unwrap_or(app.database);
    let table_owners = app.table_owners.clone();
    let adaptation = adaptation(file, table.adapt, table.by_reference, table.send_back, table.batch)?;
    Ok(Split { name, services, stack: table.stack, copied, links, calls, database, table_owners, adaptation })
}

/// Returns the link of a profile. The path of a profile's file is relative to `dir`.
pub(crate) fn link(name: &str, dir: &Path) -> Result<Link, splitcost_link::Error> {
    let path = if name.contains(".toml") { dir.join(name).display().to_string() } else { name.to_owned() };
    Ok(Profile::find(&path)?.link)
}

/// Checks the treatment of values that are more than data, and returns it.
fn adaptation(
    file: &File<'_>,
    adapt: BTreeMap<String, Spanned<String>>,
    by_reference: Option<OneOrMany>,
    send_back: Option<bool>,
    batch: Option<Spanned<u32>>,
) -> Result<Adaptation, Failure> {
    let mut adaptation = Adaptation::default();
    for (kind, factory) in adapt {
        if factory.get_ref().split(':').filter(|part| !part.is_empty()).count() != 2 {
            return Err(file
                .wrong(&factory.span(), format_args!("`{}` is not of the form module:attribute", factory.get_ref()))
                .hint("for example \"sqlalchemy.orm.Session\" = \"shop.db:SessionLocal\""));
        }
        adaptation.adapt.insert(kind, factory.into_inner());
    }
    adaptation.by_reference = by_reference.map(OneOrMany::into_vec).unwrap_or_default();
    adaptation.send_back = send_back.unwrap_or(adaptation.send_back);
    if let Some(batch) = batch {
        if *batch.get_ref() == 0 {
            return Err(file.wrong(&batch.span(), "batch must be a number from 1"));
        }
        adaptation.batch = batch.into_inner();
    }
    Ok(adaptation)
}

/// Checks the links between services, and returns them.
fn links(
    file: &File<'_>,
    table: BTreeMap<Spanned<String>, Spanned<String>>,
    services: &BTreeMap<String, Vec<String>>,
) -> Result<Links, Failure> {
    let dir = file.dir()?;
    let mut links = Links::default();
    for (between, profile) in table {
        let found = link(profile.get_ref(), &dir).map_err(|error| {
            let hint = match &error {
                splitcost_link::Error::Profile { hint, .. } => Some(hint.clone()),
                _ => None,
            };
            hint.into_iter().fold(file.wrong(&profile.span(), format_args!("failed to {error}")), Failure::hint)
        })?;
        let pair: Vec<&str> = between.get_ref().split_whitespace().collect();
        let is_service = |name: &&str| *name == MAIN_SERVICE || services.contains_key(*name);
        match pair[..] {
            ["default"] => links.default = found,
            [one, other] if one != other && pair.iter().all(is_service) => {
                links.between.push(([one.to_owned(), other.to_owned()], found));
            }
            _ => {
                return Err(file
                    .wrong(&between.span(), format_args!("{:?} does not name two services of the split", between.get_ref()))
                    .hint("write default = \"cross-az-aws\" for any two services, \"main pricing\" = \"same-node-pods\" for these two"));
            }
        }
    }
    Ok(links)
}

/// Checks that a name is that of a module, or of a class as `shop.services:Orders`, inside one of these packages or modules.
pub(super) fn check_module(file: &File<'_>, module: &Spanned<String>, packages: &[String]) -> Result<(), Failure> {
    check_name(file, module)?;
    let name = module.get_ref();
    // Of several packages, one can be moved as a whole.
    if packages.iter().any(|package| is_within(name, package) && (name != package || packages.len() > 1)) {
        return Ok(());
    }
    Err(file
        .wrong(&module.span(), format_args!("module {name} is not inside the package {}", packages.join(" or ")))
        .hint("`package` in [app] names the packages whose modules can be split, and `modules` further ones"))
}

/// Checks that a name can be that of a Python module, or of a class as `shop.services:Orders`.
pub(super) fn check_name(file: &File<'_>, module: &Spanned<String>) -> Result<(), Failure> {
    let name = module.get_ref();
    let is_name = match name.split_once(':') {
        None => is_module(name),
        Some((module, class)) => is_module(module) && is_module(class),
    };
    if is_name {
        return Ok(());
    }
    Err(file
        .wrong(&module.span(), format_args!("{name:?} is not the name of a Python module"))
        .hint("a module is written as \"shop.billing\", a class of one as \"shop.services:Orders\""))
}

/// Returns whether this is the name of a Python module or package.
pub(super) fn is_module(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    !name.is_empty() && name.split('.').all(is_identifier)
}

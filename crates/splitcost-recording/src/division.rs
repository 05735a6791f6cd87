//! The division of an app's code into modules, between which calls are recorded.
//!
//! A module is a part of the packages, by the `depth` of its dotted name, or one that the user names: a Python module with
//! everything below it (`shop.api`, or a third-party package, `stripe`), or a class of a file (`shop.services:Orders`).

/// The packages under recording, and how they are divided into modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// Packages whose code is recorded.
    pub packages: Vec<String>,
    /// Modules that the user names; the longest name wins.
    pub modules: Vec<String>,
    /// Parts of the dotted name of any other module; `None`: one more than its package has.
    pub depth: Option<usize>,
}

impl Division {
    /// Returns the module that owns the code of a function, if it is under recording. Without a `qualname` it is the one that
    /// owns the code at the top of the Python module.
    pub fn owner_of<'a>(&'a self, module: &'a str, qualname: &str) -> Option<&'a str> {
        if let Some(named) = self.named(module, qualname) {
            return Some(named);
        }
        let package =
            self.packages.iter().filter(|package| is_within(module, package)).max_by_key(|name| name.len())?;
        let parts = package.split('.').count();
        let depth = self.depth.unwrap_or(parts + 1).max(parts);
        let end = module.match_indices('.').nth(depth - 1).map_or(module.len(), |(end, _)| end);
        Some(&module[..end])
    }

    /// Returns the class that the user names and that a function, or a class, of this Python module belongs to.
    pub fn class_of(&self, module: &str, qualname: &str) -> Option<&str> {
        self.named(module, qualname).filter(|named| named.contains(':'))
    }

    /// Returns true if the user names a class of this Python module.
    pub fn has_classes(&self, module: &str) -> bool {
        self.modules.iter().any(|named| named.split_once(':').is_some_and(|(of, _)| of == module))
    }

    fn named(&self, module: &str, qualname: &str) -> Option<&str> {
        let name = if qualname.is_empty() { module.to_owned() } else { format!("{module}:{qualname}") };
        let named = self.modules.iter().filter(|named| is_within(&name, named));
        named.max_by_key(|named| named.len()).map(String::as_str)
    }
}

/// Returns true if a module or a class is `parent`, or lies below it.
pub fn is_within(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
}

/// Returns the name of a function, as `shop.pricing:quote`; a class that is a module of its own is part of `qualname`.
pub fn function_name(module: &str, qualname: &str) -> String {
    let (module, _) = module.split_once(':').unwrap_or((module, ""));
    format!("{module}:{qualname}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(packages: &[&str], modules: &[&str], depth: Option<usize>, code: &str) -> Option<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let division = Division { packages: owned(packages), modules: owned(modules), depth };
        let (module, qualname) = code.split_once(':').unwrap_or((code, ""));
        division.owner_of(module, qualname).map(str::to_owned)
    }

    #[test]
    fn a_module_is_as_deep_as_the_user_wants() {
        let repo = "shop.billing.invoices.repo:save";
        let by_depth = |package: &str, depth| owner(&[package], &[], depth, repo).unwrap_or_default();
        assert_eq!(by_depth("shop", None), "shop.billing");
        assert_eq!(by_depth("shop", Some(1)), "shop");
        assert_eq!(by_depth("shop", Some(2)), "shop.billing");
        assert_eq!(by_depth("shop", Some(3)), "shop.billing.invoices");
        assert_eq!(by_depth("shop", Some(9)), "shop.billing.invoices.repo");
        assert_eq!(by_depth("shop.billing", None), "shop.billing.invoices");
        assert_eq!(by_depth("shop.billing", Some(1)), "shop.billing");
        assert_eq!(owner(&["shop"], &[], Some(3), "shop:create_app").as_deref(), Some("shop"));
        assert_eq!(owner(&["shop"], &[], None, "shopping.cart"), None);
    }

    #[test]
    fn the_longest_name_wins_whatever_the_depth() {
        let named = ["shop", "shop.billing.invoices", "stripe"];
        let by_name = |code| owner(&["shop"], &named, Some(2), code).unwrap_or_default();
        assert_eq!(by_name("shop.orders.views:index"), "shop");
        assert_eq!(by_name("shop.billing.invoices.repo:save"), "shop.billing.invoices");
        assert_eq!(by_name("stripe.http_client:request"), "stripe");
        assert_eq!(by_name("requests.api:get"), "");
    }

    #[test]
    fn a_class_is_a_module_where_it_is_named() {
        let named = ["shop.services:Orders", "shop.services:Users.Admin"];
        let by_name = |code| owner(&["shop"], &named, None, code).unwrap_or_default();
        assert_eq!(by_name("shop.services:Orders"), "shop.services:Orders");
        assert_eq!(by_name("shop.services:Orders.place.<locals>.check"), "shop.services:Orders");
        assert_eq!(by_name("shop.services:Orders.Line.total"), "shop.services:Orders");
        assert_eq!(by_name("shop.services:Users.Admin.grant"), "shop.services:Users.Admin");
        for outside in ["shop.services:Users.get", "shop.services:OrdersArchive.place", "shop.services"] {
            assert_eq!(by_name(outside), "shop.services", "{outside}");
        }
        assert_eq!(function_name("shop.services:Orders", "Orders.place"), "shop.services:Orders.place");
        assert_eq!(function_name("shop.pricing", "quote"), "shop.pricing:quote");
    }
}

//! Which boundary module owns a piece of code.

/// The packages under recording, and how they are divided.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// Top-level packages whose code is recorded.
    pub(crate) packages: Vec<String>,
    /// Boundary modules named by the user; where none fits, the direct children of the packages are.
    pub(crate) modules: Vec<String>,
}

impl Packages {
    /// The boundary module that owns code of `module`, if it is under recording.
    ///
    /// The longest module named by the user that is `module` or a parent of it; else the direct child of the
    /// package: `shop.users.models` is owned by `shop.users`, the code of `shop/__init__.py` by `shop`.
    pub(crate) fn owner_of<'a>(&'a self, module: &'a str) -> Option<&'a str> {
        let named = self.modules.iter().filter(|name| is_within(module, name)).max_by_key(|name| name.len());
        if let Some(named) = named {
            return Some(named);
        }
        let package = self.packages.iter().find(|package| is_within(module, package))?;
        let child = module.get(package.len() + 1..).unwrap_or_default();
        let end = child.find('.').map_or(module.len(), |dot| package.len() + 1 + dot);
        Some(&module[..end])
    }
}

/// Whether `module` is `parent` or lies below it.
fn is_within(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

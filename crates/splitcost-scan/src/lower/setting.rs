//! The settings that source reads by a name that it spells out: variables of the environment, fields of settings classes,
//! attributes of Django's settings, keys of Flask's configuration.

use std::collections::BTreeMap;

use ruff_python_ast as ast;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged;
use splitcost_model::recording::interface::SettingKind;

use super::STACK_BYTES_PER_SOURCE_BYTE;

/// Methods of `os.environ` and of a configuration that read the key that their first argument names.
const READERS: [&str; 3] = ["get", "pop", "setdefault"];

/// A setting that source reads, or that a class of settings defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSetting {
    /// Its kind.
    pub kind: SettingKind,
    /// Its name.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
}

/// Returns the settings that a module reads or defines, in the order of the source; none where the source cannot be parsed.
pub fn settings(source: &str) -> Vec<NamedSetting> {
    let stack = source.len() * STACK_BYTES_PER_SOURCE_BYTE;
    stacker::maybe_grow(stack, stack, || {
        let Ok(module) = parse_module(source) else { return Vec::new() };
        let mut reads = Reads { source, imported: BTreeMap::new(), found: Vec::new() };
        reads.visit_body(&module.syntax().body);
        reads.found
    })
}

struct Reads<'a> {
    source: &'a str,
    /// Imported names of settings, with the kind of what they hold.
    imported: BTreeMap<&'a str, SettingKind>,
    found: Vec<NamedSetting>,
}

impl<'a> Visitor<'a> for Reads<'a> {
    fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
        match statement {
            ast::Stmt::ImportFrom(import) => {
                let is_django = import.module.as_ref().is_some_and(|module| module.as_str() == "django.conf");
                let kind = if is_django { SettingKind::Django } else { SettingKind::Field };
                import.names.iter().for_each(|alias| self.import(alias, kind));
            }
            ast::Stmt::Import(import) => import.names.iter().for_each(|alias| self.import(alias, SettingKind::Field)),
            ast::Stmt::ClassDef(class) if holds_settings(class) => self.fields(class),
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        match expression {
            ast::Expr::Subscript(subscript) if subscript.ctx == ast::ExprContext::Load => {
                self.read_key(&subscript.value, Some(&subscript.slice));
            }
            ast::Expr::Compare(compare) if !compare.comparators.is_empty() => {
                self.read_key(&compare.comparators[0], Some(&compare.left));
            }
            ast::Expr::Call(call) => {
                self.read_by_call(&call.func, &call.arguments.args);
                // A method of the settings is no setting.
                if let ast::Expr::Attribute(method) = &*call.func {
                    self.visit_expr(&method.value);
                    self.visit_arguments(&call.arguments);
                    return;
                }
            }
            ast::Expr::Attribute(attribute) if attribute.ctx == ast::ExprContext::Load => {
                if let Some((kind, holder)) = self.holder(&attribute.value) {
                    self.read_attribute(kind, holder, attribute.attr.as_str(), expression);
                }
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

impl<'a> Reads<'a> {
    fn import(&mut self, alias: &'a ast::Alias, kind: SettingKind) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        let of = alias.name.rsplit('.').next().unwrap_or_default();
        if matches!(of, "settings" | "config" | "conf") {
            self.imported.insert(name, kind);
        }
    }

    fn add(&mut self, kind: SettingKind, name: String, at: &impl Ranged) {
        let before = &self.source[..usize::from(at.start())];
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.found.push(NamedSetting { kind, name, line });
    }

    /// Adds the annotated fields of a class of settings.
    fn fields(&mut self, class: &'a ast::StmtClassDef) {
        for statement in &class.body {
            if let ast::Stmt::AnnAssign(field) = statement
                && let ast::Expr::Name(name) = &*field.target
                && !name.id.starts_with('_')
                && name.id.as_str() != "model_config"
            {
                self.add(SettingKind::Field, format!("{}.{}", class.name, name.id), statement);
            }
        }
    }

    /// Adds the key that is read of a mapping, if that is the environment or a configuration.
    fn read_key(&mut self, mapping: &ast::Expr, key: Option<&ast::Expr>) {
        let Some(ast::Expr::StringLiteral(key)) = key else { return };
        let kind = match last_name(mapping) {
            Some("environ") if is_environ(mapping) => SettingKind::Environment,
            Some("config") if is_of_flask(mapping) => SettingKind::Flask,
            _ => return,
        };
        self.add(kind, key.value.to_str().to_owned(), key);
    }

    /// Adds what `os.getenv("A")`, `os.environ.get("A")` or `getattr(settings, "A")` reads.
    fn read_by_call(&mut self, function: &ast::Expr, arguments: &'a [ast::Expr]) {
        match (function, arguments) {
            (ast::Expr::Name(name), [holder, ast::Expr::StringLiteral(key), ..]) if name.id.as_str() == "getattr" => {
                if let Some((kind, holder)) = self.holder(holder) {
                    self.read_attribute(kind, holder, key.value.to_str(), key);
                }
            }
            (_, [ast::Expr::StringLiteral(key), ..]) if reads_environment(function) => {
                self.add(SettingKind::Environment, key.value.to_str().to_owned(), key);
            }
            (ast::Expr::Attribute(method), [key, ..]) if READERS.contains(&method.attr.as_str()) => {
                self.read_key(&method.value, Some(key));
            }
            _ => {}
        }
    }

    fn read_attribute(&mut self, kind: SettingKind, holder: &str, attribute: &str, at: &impl Ranged) {
        match kind {
            SettingKind::Django if attribute.chars().all(|c| !c.is_lowercase()) => {
                self.add(kind, attribute.to_owned(), at);
            }
            SettingKind::Django => {}
            _ => self.add(kind, format!("{holder}.{attribute}"), at),
        }
    }

    /// Returns the kind of settings that an expression holds, and its name; `None` if it holds something else.
    fn holder<'e>(&self, expression: &'e ast::Expr) -> Option<(SettingKind, &'e str)> {
        match expression {
            ast::Expr::Name(name) => match self.imported.get(name.id.as_str()) {
                Some(kind) => Some((*kind, name.id.as_str())),
                None if name.id.as_str() == "settings" => Some((SettingKind::Field, "settings")),
                None => None,
            },
            ast::Expr::Attribute(attribute) if attribute.attr.as_str() == "settings" => {
                Some((SettingKind::Field, "settings"))
            }
            ast::Expr::Call(call) if last_name(&call.func) == Some("get_settings") => {
                Some((SettingKind::Field, "settings"))
            }
            _ => None,
        }
    }
}

/// Returns true for a class that derives from a class of settings, as pydantic's `BaseSettings`, and for a class with such a
/// name.
fn holds_settings(class: &ast::StmtClassDef) -> bool {
    let is_derived = class.bases().iter().any(|base| last_name(base).is_some_and(|name| name.ends_with("Settings")));
    is_derived || class.name.ends_with("Settings") || class.name.as_str() == "Config"
}

fn last_name(expression: &ast::Expr) -> Option<&str> {
    match expression {
        ast::Expr::Name(name) => Some(name.id.as_str()),
        ast::Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// Returns true for `os.environ` and `environ`.
fn is_environ(expression: &ast::Expr) -> bool {
    match expression {
        ast::Expr::Name(name) => name.id.as_str() == "environ",
        ast::Expr::Attribute(attribute) => attribute.attr.as_str() == "environ" && is_os(&attribute.value),
        _ => false,
    }
}

/// Returns true for `current_app.config` and `app.config`.
fn is_of_flask(expression: &ast::Expr) -> bool {
    matches!(expression, ast::Expr::Attribute(attribute) if matches!(last_name(&attribute.value), Some("app" | "current_app")))
}

/// Returns true for `os.getenv` and `getenv`.
fn reads_environment(function: &ast::Expr) -> bool {
    match function {
        ast::Expr::Name(name) => name.id.as_str() == "getenv",
        ast::Expr::Attribute(attribute) => attribute.attr.as_str() == "getenv" && is_os(&attribute.value),
        _ => false,
    }
}

fn is_os(expression: &ast::Expr) -> bool {
    matches!(expression, ast::Expr::Name(name) if name.id.as_str() == "os")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, kind: SettingKind, expected: &[&str]) {
        let all = settings(source);
        assert!(all.iter().all(|setting| setting.kind == kind), "{all:?}");
        let found: Vec<String> = all.iter().map(|setting| format!("{}:{}", setting.name, setting.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn variables_are_found_by_each_way_of_reading() {
        let source = "import os\n\
                      A = os.environ['A']\n\
                      B = os.environ.get('B', os.getenv('C'))\n\
                      def read(name):\n    if 'D' in os.environ:\n        return environ['E'] + os.environ[name]\n\
                      os.environ['SET'] = '1'\n\
                      other.environ['F']\n\
                      other.getenv('G')\n";
        check(source, SettingKind::Environment, &["A:2", "B:3", "C:3", "D:5", "E:6"]);
        assert!(settings("def (").is_empty());
    }

    #[test]
    fn fields_of_settings_are_found_where_they_are_defined_and_read() {
        let source = "from pydantic_settings import BaseSettings\n\
                      class App(BaseSettings):\n    model_config: dict = {}\n    url: str\n    _private: int = 1\n\
                      def run(config, settings):\n    return config.none, settings.limit, settings.model_dump()\n\
                      from shop import config\n\
                      X = config.LIMIT\n\
                      Y = self.settings.page.size\n\
                      settings.changed = get_settings().depth\n";
        let expected = ["App.url:4", "settings.limit:7", "config.LIMIT:9", "settings.page:10", "settings.depth:11"];
        check(source, SettingKind::Field, &expected);
    }

    #[test]
    fn settings_of_django_and_flask_are_found() {
        let source = "from django.conf import settings as s\n\
                      A = s.DEBUG\n\
                      B = getattr(s, 'PAGE_SIZE', 10)\n\
                      s.configure(C=1)\n";
        check(source, SettingKind::Django, &["DEBUG:2", "PAGE_SIZE:3"]);
        let source = "A = current_app.config['A']\n\
                      B = self.app.config.get('B')\n\
                      app.config['C'] = 1\n\
                      other.config['D']\n";
        check(source, SettingKind::Flask, &["A:1", "B:2"]);
    }
}

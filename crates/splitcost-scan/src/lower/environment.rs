//! The variables of the environment that source reads by a name that it spells out.

use ruff_python_ast as ast;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged;

use super::STACK_BYTES_PER_SOURCE_BYTE;

/// Methods of `os.environ` that read the variable that their first argument names.
const READERS: [&str; 3] = ["get", "pop", "setdefault"];

/// A variable of the environment that source reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRead {
    /// Its name.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
}

/// Returns the variables that a module reads by `os.environ` and `os.getenv`, in the order of the source; none where the
/// source cannot be parsed.
pub fn environment_reads(source: &str) -> Vec<VariableRead> {
    let stack = source.len() * STACK_BYTES_PER_SOURCE_BYTE;
    stacker::maybe_grow(stack, stack, || {
        let Ok(module) = parse_module(source) else { return Vec::new() };
        let mut reads = Reads { source, found: Vec::new() };
        reads.visit_body(&module.syntax().body);
        reads.found
    })
}

struct Reads<'a> {
    source: &'a str,
    found: Vec<VariableRead>,
}

impl<'a> Visitor<'a> for Reads<'_> {
    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        let name = match expression {
            ast::Expr::Subscript(subscript)
                if is_environ(&subscript.value) && subscript.ctx == ast::ExprContext::Load =>
            {
                Some(&*subscript.slice)
            }
            ast::Expr::Call(call) if reads_environment(&call.func) => call.arguments.args.first(),
            ast::Expr::Compare(compare) if compare.comparators.first().is_some_and(is_environ) => Some(&*compare.left),
            _ => None,
        };
        if let Some(ast::Expr::StringLiteral(name)) = name {
            let before = &self.source[..usize::from(expression.start())];
            let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count() as u32;
            self.found.push(VariableRead { name: name.value.to_str().to_owned(), line });
        }
        walk_expr(self, expression);
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

/// Returns true for `os.getenv`, `getenv`, and the methods of `os.environ` that read.
fn reads_environment(function: &ast::Expr) -> bool {
    match function {
        ast::Expr::Name(name) => name.id.as_str() == "getenv",
        ast::Expr::Attribute(attribute) => match attribute.attr.as_str() {
            "getenv" => is_os(&attribute.value),
            name => READERS.contains(&name) && is_environ(&attribute.value),
        },
        _ => false,
    }
}

fn is_os(expression: &ast::Expr) -> bool {
    matches!(expression, ast::Expr::Name(name) if name.id.as_str() == "os")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_each_way_of_reading() {
        let source = "import os\n\
                      A = os.environ['A']\n\
                      B = os.environ.get('B', os.getenv('C'))\n\
                      def read(name):\n    if 'D' in os.environ:\n        return environ['E'] + os.environ[name]\n\
                      os.environ['SET'] = '1'\n\
                      settings.environ['F']\n\
                      config.getenv('G')\n";
        let reads: Vec<String> =
            environment_reads(source).iter().map(|read| format!("{}:{}", read.name, read.line)).collect();
        assert_eq!(reads, ["A:2", "B:3", "C:3", "D:5", "E:6"]);
        assert!(environment_reads("def (").is_empty());
    }
}

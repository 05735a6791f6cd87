//! The state of a module: anything that its functions could change between two calls.

use ruff_python_ast as ast;
use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_parser::parse_module;

use super::STACK_BYTES_PER_SOURCE_BYTE;

/// Calls at module level whose results do not change.
///
/// Chosen: the constructors of constants that modules of helpers define.
const CONSTANT_CALLS: [&str; 12] = [
    "Decimal",
    "Fraction",
    "NewType",
    "Path",
    "TypeVar",
    "compile",
    "date",
    "frozenset",
    "getLogger",
    "namedtuple",
    "timedelta",
    "tuple",
];

/// Returns true if a module may keep state, so that two copies of it could differ: an object at module level that can be
/// changed, a `global` statement, a cached function, or source that cannot be parsed.
///
/// Dictionaries, lists and sets in capitals count as constants.
pub fn keeps_state(source: &str) -> bool {
    let stack = source.len() * STACK_BYTES_PER_SOURCE_BYTE;
    stacker::maybe_grow(stack, stack, || {
        let Ok(module) = parse_module(source) else { return true };
        let mut state = State { found: false };
        state.visit_body(&module.syntax().body);
        state.found || module.syntax().body.iter().any(assigns_state)
    })
}

struct State {
    found: bool,
}

impl<'a> Visitor<'a> for State {
    fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
        match statement {
            ast::Stmt::Global(_) => self.found = true,
            ast::Stmt::FunctionDef(function) => {
                self.found |= function.decorator_list.iter().any(|decorator| {
                    last_name(&decorator.expression)
                        .is_some_and(|name| name.contains("cache") || name == "contextmanager")
                });
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }
}

/// Returns true if a statement of a module's body binds something that can be changed.
fn assigns_state(statement: &ast::Stmt) -> bool {
    match statement {
        ast::Stmt::Assign(assign) => {
            let in_capitals = assign
                .targets
                .iter()
                .all(|target| matches!(target, ast::Expr::Name(name) if !name.id.chars().any(char::is_lowercase)));
            !is_constant(&assign.value, in_capitals)
        }
        ast::Stmt::AnnAssign(assign) => {
            let in_capitals =
                matches!(&*assign.target, ast::Expr::Name(name) if !name.id.chars().any(char::is_lowercase));
            assign.value.as_ref().is_some_and(|value| !is_constant(value, in_capitals))
        }
        ast::Stmt::Expr(expression) => !matches!(&*expression.value, ast::Expr::StringLiteral(_)),
        ast::Stmt::If(branches) => {
            branches.body.iter().any(assigns_state)
                || branches.elif_else_clauses.iter().flat_map(|clause| &clause.body).any(assigns_state)
        }
        ast::Stmt::Try(attempt) => attempt.body.iter().chain(&attempt.orelse).any(assigns_state),
        ast::Stmt::Import(_)
        | ast::Stmt::ImportFrom(_)
        | ast::Stmt::FunctionDef(_)
        | ast::Stmt::ClassDef(_)
        | ast::Stmt::TypeAlias(_)
        | ast::Stmt::Pass(_)
        | ast::Stmt::Assert(_) => false,
        _ => true,
    }
}

fn is_constant(value: &ast::Expr, in_capitals: bool) -> bool {
    let inside = |value: &ast::Expr| is_constant(value, in_capitals);
    match value {
        ast::Expr::Call(call) => last_name(&call.func).is_some_and(|name| CONSTANT_CALLS.contains(&name)),
        ast::Expr::Tuple(tuple) => tuple.elts.iter().all(inside),
        ast::Expr::List(list) => in_capitals && list.elts.iter().all(inside),
        ast::Expr::Set(set) => in_capitals && set.elts.iter().all(inside),
        ast::Expr::Dict(dict) => in_capitals && dict.items.iter().all(|item| inside(&item.value)),
        ast::Expr::UnaryOp(operation) => inside(&operation.operand),
        ast::Expr::BinOp(operation) => inside(&operation.left) && inside(&operation.right),
        ast::Expr::Subscript(subscript) => inside(&subscript.value),
        ast::Expr::Name(_)
        | ast::Expr::Attribute(_)
        | ast::Expr::Lambda(_)
        | ast::Expr::NumberLiteral(_)
        | ast::Expr::StringLiteral(_)
        | ast::Expr::BytesLiteral(_)
        | ast::Expr::BooleanLiteral(_)
        | ast::Expr::NoneLiteral(_)
        | ast::Expr::EllipsisLiteral(_) => true,
        _ => false,
    }
}

/// The last part of a dotted name, also of a call of it.
fn last_name(expression: &ast::Expr) -> Option<&str> {
    match expression {
        ast::Expr::Name(name) => Some(name.id.as_str()),
        ast::Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        ast::Expr::Call(call) => last_name(&call.func),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_functions_and_constants_keeps_no_state() {
        for source in [
            "\"\"\"Helpers.\"\"\"\nfrom decimal import Decimal\n\nRATE = Decimal('0.19')\nKINDS = {1: 'a', 2: 'b'}\n\ndef tax(x):\n    return x * RATE\n",
            "import re\nfrom typing import TypeVar\nT = TypeVar('T')\nWORD = re.compile('a')\npair = (1, -2)\nclass Line:\n    total = 0\n",
            "",
        ] {
            assert!(!keeps_state(source), "{source}");
        }
    }

    #[test]
    fn what_two_copies_could_disagree_about_is_state() {
        for source in [
            "cache = {}\ndef rate(x):\n    return cache.setdefault(x, 1)\n",
            "count = 0\ndef up():\n    global count\n    count += 1\n",
            "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef rate(x): ...\n",
            "engine = create_engine('sqlite://')\n",
            "app.register(1)\n",
            "def broken(:\n",
        ] {
            assert!(keeps_state(source), "{source}");
        }
    }
}

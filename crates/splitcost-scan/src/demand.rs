//! Which names of a function nothing is done with that could lead to a call: they are compared, counted or printed.
//!
//! What such a name stands for need not be followed. It is the same distinction that the evaluation makes between
//! looking at an expression and only skimming it.

use crate::form::{Expr, ExprId, Scope, Stmt, Target, Text};

/// The names that a function binds in vain, of its parameters and of those that it assigns to.
///
/// `body` is all of the function; it has no functions or classes within, which would read its names, too. `super()`
/// reads one without naming it.
pub(crate) fn idle(body: &Scope, super_: Option<Text>) -> Vec<Text> {
    let mut wanted = Wanted { body, names: Vec::new() };
    for stmt in &body.stmts {
        wanted.stmt(stmt);
    }
    if super_.is_some_and(|super_| wanted.names.contains(&super_)) {
        return Vec::new();
    }
    let assigned = body.stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Assign { target: Target::Name(name), .. } => Some(*name),
        _ => None,
    });
    let is_idle =
        |name: &Text| !wanted.names.contains(name) && !body.globals.contains(name) && !body.nonlocals.contains(name);
    let mut idle: Vec<Text> = body.params.iter().map(|param| param.name).chain(assigned).filter(is_idle).collect();
    idle.sort_unstable();
    idle.dedup();
    idle
}

struct Wanted<'a> {
    body: &'a Scope,
    names: Vec<Text>,
}

impl Wanted<'_> {
    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Eval(expr) => self.skim(*expr),
            Stmt::Assign { target, value, .. } => {
                self.eval(*value);
                self.target(target);
            }
            Stmt::Annotate { target, annotation, value } => {
                self.eval(*annotation);
                if let Some(value) = value {
                    self.eval(*value);
                }
                self.target(target);
            }
            Stmt::For { target, iter, .. } => {
                self.eval(*iter);
                self.target(target);
            }
            Stmt::With { target, context, .. } => {
                self.eval(*context);
                if let Some(target) = target {
                    self.target(target);
                }
            }
            Stmt::Raise(value, _) => self.eval(*value),
            Stmt::Return(value) => match self.body.exprs[*value as usize] {
                // Each call gets back what it passes, by itself.
                Expr::Name(name) if self.is_handed_back(name) => {}
                _ => self.eval(*value),
            },
            Stmt::Round
            | Stmt::Import { .. }
            | Stmt::ImportFrom { .. }
            | Stmt::ImportStar { .. }
            | Stmt::Define(..) => {}
        }
    }

    fn is_handed_back(&self, name: Text) -> bool {
        let param = self.body.params.iter().position(|param| param.name == name);
        param.is_some_and(|param| self.body.hands_back & 1_u64.checked_shl(param as u32).unwrap_or_default() != 0)
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Attribute(object, _) | Target::Index(object, _) => self.eval(*object),
            Target::Several(targets) => targets.iter().for_each(|target| self.target(target)),
            Target::Rest(target) => self.target(target),
            Target::Name(_) | Target::Other => {}
        }
    }

    /// As `Evaluation::skim` does.
    fn skim(&mut self, id: ExprId) {
        match &self.body.exprs[id as usize] {
            Expr::Name(_) => {}
            Expr::Await(inner) => self.skim(*inner),
            Expr::Index(object, _, index) => [object, index].into_iter().for_each(|part| self.skim(*part)),
            Expr::Either(values, others) => values.iter().chain(others).for_each(|part| self.skim(*part)),
            Expr::Other(parts) => parts.iter().for_each(|part| self.skim(*part)),
            _ => self.eval(id),
        }
    }

    /// As `Evaluation::eval` does.
    fn eval(&mut self, id: ExprId) {
        match &self.body.exprs[id as usize] {
            Expr::Name(name) => self.names.push(*name),
            Expr::Call(call) => {
                let call = &self.body.calls[*call as usize];
                self.eval(call.function);
                call.positional.iter().for_each(|value| self.eval(*value));
                call.keywords.iter().for_each(|(_, value)| self.eval(*value));
            }
            // An annotation's index is looked at, too.
            Expr::Index(object, _, index) => [object, index].into_iter().for_each(|part| self.eval(*part)),
            Expr::Attribute(inner, ..)
            | Expr::Await(inner)
            | Expr::Starred(inner)
            | Expr::Bind(_, inner)
            | Expr::Yield(Some(inner))
            | Expr::YieldFrom(inner) => self.eval(*inner),
            Expr::Items(_, items) => items.iter().for_each(|item| self.eval(*item)),
            Expr::Dict(items) => items.iter().for_each(|(_, value)| self.eval(*value)),
            Expr::Either(values, others) => {
                for value in values {
                    self.eval(*value);
                }
                for other in others {
                    self.skim(*other);
                }
            }
            Expr::Comprehension(comprehension) => {
                for (target, iter, _) in &comprehension.generators {
                    self.eval(*iter);
                    self.target(target);
                }
                comprehension.conditions.iter().chain(&comprehension.key).for_each(|part| self.skim(*part));
                self.eval(comprehension.element);
            }
            Expr::Other(parts) => parts.iter().for_each(|part| self.skim(*part)),
            Expr::Text(_) | Expr::Constant(_) | Expr::Lambda(_) | Expr::Yield(None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::lower;

    fn check(source: &str, expected: &[&str]) {
        let file = lower(source);
        let mut idle: Vec<&str> = file.scopes[1].idle.iter().map(|name| &*file.texts[*name as usize]).collect();
        idle.sort_unstable();
        assert_eq!(idle, expected, "{source}");
    }

    #[test]
    fn what_is_only_compared_counted_or_printed_is_idle() {
        check("def f(a, b): return a == b", &["a", "b"]);
        check("def f(a):\n    count = g()\n    return f'{count} of {a}'", &["a", "count"]);
        check("def f(a):\n    if a and not a: raise", &["a"]);
        check("def f(a): return a", &["a"]);
    }

    #[test]
    fn what_may_lead_to_a_call_is_not() {
        check("def f(a): a.b", &[]);
        check("def f(a): g(a)", &[]);
        check("def f(a): a()", &[]);
        check("def f(a): return [a]", &[]);
        check("def f(a): return a[0]", &[]);
        check("def f(a):\n    x = a\n    return x", &[]);
        check("def f(a):\n    yield a", &[]);
        check("def f(a, b):\n    a.x = b", &[]);
        check("def f(a):\n    for x in a: pass", &[]);
        check("def f(a):\n    with a: pass", &[]);
    }

    #[test]
    fn what_others_may_read_is_not() {
        check("def f(a): return lambda: a()", &[]);
        check("def f():\n    global a\n    a = g()", &[]);
        check("def f(self): super().f()", &[]);
    }
}

//! Idle names: the names of a function whose values cannot lead to a call, because they are only compared, counted or
//! printed.
//!
//! The resolution need not follow the values of such a name. The distinction is the one that [`Resolution`] makes
//! between evaluating an expression and skimming it.
//!
//! [`Resolution`]: crate::resolve::Resolution

use crate::form::{Expr, ExprId, Scope, Stmt, Target, Text};

/// Returns the idle names of a function, among its parameters and the names that it assigns to.
///
/// The function must have no inner functions or classes, since these could read its names, too. `super_` is the text
/// `super`, if the file has it: `super()` reads the first parameter without naming it.
pub(crate) fn names(body: &Scope, super_: Option<Text>) -> Vec<Text> {
    let mut used = UsedNames { body, names: Vec::new() };
    for stmt in &body.stmts {
        used.stmt(stmt);
    }
    if super_.is_some_and(|super_| used.names.contains(&super_)) {
        return Vec::new();
    }
    let assigned = body.stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Assign { target: Target::Name(name), .. } => Some(*name),
        _ => None,
    });
    let is_idle =
        |name: &Text| !used.names.contains(name) && !body.globals.contains(name) && !body.nonlocals.contains(name);
    let mut idle: Vec<Text> = body.params.iter().map(|param| param.name).chain(assigned).filter(is_idle).collect();
    idle.sort_unstable();
    idle.dedup();
    idle
}

/// The names whose values a function body uses in a way that may lead to a call.
struct UsedNames<'a> {
    body: &'a Scope,
    names: Vec<Text>,
}

impl UsedNames<'_> {
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
                // The resolution hands each argument back to the call that passed it.
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

    /// Visits an expression as `Resolution::skim` does.
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

    /// Visits an expression as `Resolution::eval` does.
    fn eval(&mut self, id: ExprId) {
        match &self.body.exprs[id as usize] {
            Expr::Name(name) => self.names.push(*name),
            Expr::Call(call) => {
                let call = &self.body.calls[*call as usize];
                self.eval(call.function);
                call.positional.iter().for_each(|value| self.eval(*value));
                call.keywords.iter().for_each(|(_, value)| self.eval(*value));
            }
            // The index may be that of an annotation, which is evaluated.
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
    fn names_that_are_only_compared_counted_or_printed_are_idle() {
        check("def f(a, b): return a == b", &["a", "b"]);
        check("def f(a):\n    count = g()\n    return f'{count} of {a}'", &["a", "count"]);
        check("def f(a):\n    if a and not a: raise", &["a"]);
        check("def f(a): return a", &["a"]);
    }

    #[test]
    fn names_that_may_lead_to_a_call_are_not_idle() {
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
    fn names_that_other_scopes_may_read_are_not_idle() {
        check("def f(a): return lambda: a()", &[]);
        check("def f():\n    global a\n    a = g()", &[]);
        check("def f(self): super().f()", &[]);
    }
}

//! Lowering: from the text of a file to its [compact form](crate::form). No other module uses the parser.

mod expression;
pub(crate) mod setting;
pub(crate) mod state;

use std::mem;

use indexmap::IndexSet;
use ruff_python_ast as ast;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxBuildHasher;

use crate::form::{
    COMMENT_MARK, Expr, ExprId, File, Loop, LoopId, LoopKind, Param, Passing, Range, Scope, ScopeId, ScopeKind, Stmt,
    Target, Text,
};
use crate::idle;

/// The depth of expressions that is kept. Chosen: only generated programs go deeper, and their deeper parts are left out.
const MAX_DEPTH: u32 = 300;

/// Stack for each byte of source. Chosen: the syntax tree has at most one level per byte, and the functions that free
/// a level take less, also in a build without optimization.
const STACK_BYTES_PER_SOURCE_BYTE: usize = 512;

/// Returns the compact form of a file's text. Syntax errors are listed in it, and the rest of the file is lowered.
pub(crate) fn lower(source: &str) -> File {
    // The syntax tree is as deep as the file wants, and freeing it recurses. Most files need no more than the thread has.
    let stack = source.len() * STACK_BYTES_PER_SOURCE_BYTE;
    stacker::maybe_grow(stack, stack, || lower_within(source))
}

fn lower_within(source: &str) -> File {
    let parsed = parse_unchecked(source, ParseOptions::from(ruff_python_parser::Mode::Module));
    let errors = parsed.errors().iter().map(|error| (range(error.location), error.error.to_string())).collect();
    let comments = comments(source, &parsed);
    let mut lowering = Lowering { file: File { errors, comments, ..File::default() }, ..Lowering::default() };
    let name = lowering.text("");
    lowering.file.scopes.push(Scope { name, ..Scope::default() });
    if let ast::Mod::Module(module) = parsed.syntax() {
        lowering.body(&module.body);
    }
    lowering.finish(0);
    File { texts: lowering.texts.into_iter().collect(), ..lowering.file }
}

/// Returns the ranges of the comments that contain [`COMMENT_MARK`]. Strings are no comments, whatever they contain.
fn comments(source: &str, parsed: &Parsed<ast::Mod>) -> Vec<Range> {
    // Few files have one, and going through all tokens takes long.
    if !source.contains(COMMENT_MARK) {
        return Vec::new();
    }
    let comments = parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment);
    comments.map(Ranged::range).filter(|at| source[*at].contains(COMMENT_MARK)).map(range).collect()
}

/// Moves all elements into a vector of exactly their number, and keeps the old allocation for reuse.
fn fitting<T>(gathered: &mut Vec<T>) -> Vec<T> {
    let mut fitting = Vec::with_capacity(gathered.len());
    fitting.append(gathered);
    fitting
}

fn range(range: TextRange) -> Range {
    Range { start: range.start().to_u32(), end: range.end().to_u32() }
}

#[derive(Default)]
struct Lowering {
    file: File,
    texts: IndexSet<Box<str>, FxBuildHasher>,
    /// The scope that is filled now; it moves to its place in the file when it is complete.
    scope: Scope,
    /// Empty scopes whose vectors can be reused.
    spare: Vec<Scope>,
    id: ScopeId,
    /// The innermost loop.
    in_loop: Option<LoopId>,
    /// The number of enclosing bodies that may not run.
    branches: u32,
    /// The number of the innermost of these bodies.
    branch: u32,
    /// The last number that was given to one.
    last_branch: u32,
    /// The number of enclosing `try` statements that repeat the loop around them when they fail.
    tried: u32,
    /// The statements after the current `try` leave the loop.
    is_over_after: bool,
    awaited: bool,
    /// Texts are parsed as annotations.
    in_annotation: bool,
    stmt: u32,
    depth: u32,
}

/// The state of an enclosing scope while an inner one is filled.
struct SuspendedScope {
    scope: Scope,
    id: ScopeId,
    in_loop: Option<LoopId>,
    branches: u32,
    branch: u32,
    tried: u32,
    awaited: bool,
    stmt: u32,
}

impl Lowering {
    fn text(&mut self, text: &str) -> Text {
        let index = self.texts.get_index_of(text).unwrap_or_else(|| self.texts.insert_full(text.into()).0);
        index as Text
    }

    fn finish(&mut self, id: ScopeId) {
        let signature = mem::take(&mut self.file.scopes[id as usize]);
        let mut body = mem::take(&mut self.scope);
        let hands_back = hands_back(&signature.params, &body, &self.file.scopes);
        let mut scope = Scope {
            hands_back,
            exprs: fitting(&mut body.exprs),
            calls: fitting(&mut body.calls),
            loops: fitting(&mut body.loops),
            stmts: fitting(&mut body.stmts),
            globals: mem::take(&mut body.globals),
            nonlocals: mem::take(&mut body.nonlocals),
            is_generator: mem::take(&mut body.is_generator),
            ..signature
        };
        let has_inner = self.file.scopes[id as usize + 1..].iter().any(|inner| inner.parent == id);
        if matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda) && !has_inner {
            scope.idle = idle::names(&scope, self.texts.get_index_of("super").map(|index| index as Text));
        }
        self.file.scopes[id as usize] = scope;
        self.spare.push(body);
    }

    fn enter(&mut self, signature: Scope) -> (ScopeId, SuspendedScope) {
        let id = self.file.scopes.len() as ScopeId;
        self.file.scopes.push(Scope { parent: self.id, ..signature });
        let outer = SuspendedScope {
            scope: mem::replace(&mut self.scope, self.spare.pop().unwrap_or_default()),
            id: mem::replace(&mut self.id, id),
            in_loop: self.in_loop.take(),
            branches: mem::take(&mut self.branches),
            branch: mem::take(&mut self.branch),
            tried: mem::take(&mut self.tried),
            awaited: mem::take(&mut self.awaited),
            stmt: mem::take(&mut self.stmt),
        };
        (id, outer)
    }

    fn leave(&mut self, id: ScopeId, outer: SuspendedScope) {
        self.finish(id);
        self.scope = outer.scope;
        self.id = outer.id;
        self.in_loop = outer.in_loop;
        self.branches = outer.branches;
        self.branch = outer.branch;
        self.tried = outer.tried;
        self.awaited = outer.awaited;
        self.stmt = outer.stmt;
    }

    fn push(&mut self, expr: Expr) -> ExprId {
        self.scope.exprs.push(expr);
        (self.scope.exprs.len() - 1) as ExprId
    }

    fn body(&mut self, stmts: &[ast::Stmt]) {
        for (index, stmt) in stmts.iter().enumerate() {
            self.stmt += 1;
            if stmt.is_try_stmt() {
                self.is_over_after = leaves(&stmts[index + 1..]);
            }
            self.stmt(stmt);
        }
    }

    fn branch(&mut self, stmts: &[ast::Stmt]) {
        self.branches += 1;
        self.last_branch += 1;
        let outer = mem::replace(&mut self.branch, self.last_branch);
        self.body(stmts);
        self.branch = outer;
        self.branches -= 1;
    }

    /// Lowers the body of a loop. A `try` around the loop does not repeat it.
    fn round(&mut self, stmts: &[ast::Stmt]) {
        let outer = mem::take(&mut self.tried);
        self.branch(stmts);
        self.tried = outer;
    }

    #[expect(clippy::too_many_lines, reason = "an arm per kind of statement")]
    fn stmt(&mut self, stmt: &ast::Stmt) {
        match stmt {
            ast::Stmt::FunctionDef(def) => self.function(def),
            ast::Stmt::ClassDef(def) => self.class(def),
            ast::Stmt::Return(stmt) => {
                for id in self.loops_around() {
                    self.scope.loops[id as usize].left = true;
                }
                if let Some(value) = &stmt.value {
                    let value = self.expr(value);
                    self.scope.stmts.push(Stmt::Return(value));
                }
            }
            ast::Stmt::Delete(stmt) => stmt.targets.iter().for_each(|target| self.eval(target)),
            ast::Stmt::TypeAlias(stmt) => self.assign(&stmt.name, &stmt.value),
            ast::Stmt::Assign(stmt) => {
                let value = self.expr(&stmt.value);
                let weak = self.branches > 0;
                for target in &stmt.targets {
                    let target = self.target(target);
                    self.scope.stmts.push(Stmt::Assign { target, value, weak });
                }
            }
            ast::Stmt::AugAssign(stmt) => {
                let value = self.expr(&stmt.value);
                let target = self.target(&stmt.target);
                self.scope.stmts.push(Stmt::Assign { target, value, weak: true });
            }
            ast::Stmt::AnnAssign(stmt) => {
                let annotation = self.annotation(&stmt.annotation);
                let value = stmt.value.as_ref().map(|value| self.expr(value));
                let target = self.target(&stmt.target);
                self.scope.stmts.push(Stmt::Annotate { target, annotation, value });
            }
            ast::Stmt::For(stmt) => self.for_loop(stmt),
            ast::Stmt::While(stmt) => {
                let outer = self.enter_loop(LoopKind::While, None, stmt.range, None);
                self.scope.stmts.push(Stmt::Round);
                self.eval(&stmt.test);
                self.round(&stmt.body);
                self.in_loop = outer;
                self.branch(&stmt.orelse);
            }
            ast::Stmt::If(stmt) => {
                self.eval(&stmt.test);
                self.branch(&stmt.body);
                for clause in &stmt.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.eval(test);
                    }
                    self.branch(&clause.body);
                }
            }
            ast::Stmt::With(stmt) => {
                for item in &stmt.items {
                    self.awaited = stmt.is_async;
                    let context = self.expr(&item.context_expr);
                    let target = item.optional_vars.as_ref().map(|target| self.target(target));
                    let range = range(item.context_expr.range());
                    let is_async = stmt.is_async;
                    self.scope.stmts.push(Stmt::With { is_async, target, context, range });
                }
                self.body(&stmt.body);
            }
            ast::Stmt::Match(stmt) => {
                self.eval(&stmt.subject);
                for case in &stmt.cases {
                    if let Some(guard) = &case.guard {
                        self.eval(guard);
                    }
                    self.branch(&case.body);
                }
            }
            ast::Stmt::Raise(stmt) => {
                match stmt.exc.as_deref() {
                    Some(exc @ (ast::Expr::Name(_) | ast::Expr::Attribute(_))) => {
                        let value = self.expr(exc);
                        self.scope.stmts.push(Stmt::Raise(value, range(exc.range())));
                    }
                    Some(exc) => self.eval(exc),
                    None => {}
                }
                if let Some(cause) = &stmt.cause {
                    self.eval(cause);
                }
            }
            ast::Stmt::Try(stmt) => {
                let goes_on = |handler: &ast::ExceptHandler| {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    !matches!(handler.body.last(), Some(ast::Stmt::Raise(_))) && !leaves(&handler.body)
                };
                let is_over = self.is_over_after || leaves(&stmt.body) || leaves(&stmt.orelse);
                let tried = u32::from(is_over && stmt.handlers.iter().any(goes_on));
                self.tried += tried;
                self.body(&stmt.body);
                self.tried -= tried;
                for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                    self.branch(&handler.body);
                }
                self.body(&stmt.orelse);
                self.body(&stmt.finalbody);
            }
            ast::Stmt::Assert(stmt) => self.eval(&stmt.test),
            ast::Stmt::Import(stmt) => {
                for alias in &stmt.names {
                    let module = self.text(alias.name.as_str());
                    let whole = alias.asname.is_none();
                    let bound = alias.asname.as_ref().map_or_else(
                        || alias.name.as_str().split('.').next().unwrap_or_default(),
                        |asname| asname.as_str(),
                    );
                    let bound = self.text(bound);
                    self.scope.stmts.push(Stmt::Import { module, bound, whole });
                }
            }
            ast::Stmt::ImportFrom(stmt) => {
                let module = self.text(stmt.module.as_ref().map_or("", |module| module.as_str()));
                for alias in &stmt.names {
                    if alias.name.as_str() == "*" {
                        self.scope.stmts.push(Stmt::ImportStar { level: stmt.level, module });
                        continue;
                    }
                    let name = self.text(alias.name.as_str());
                    let bound = self.text(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
                    self.scope.stmts.push(Stmt::ImportFrom { level: stmt.level, module, name, bound });
                }
            }
            ast::Stmt::Global(stmt) => {
                let names: Vec<Text> = stmt.names.iter().map(|name| self.text(name.as_str())).collect();
                self.scope.globals.extend(names);
            }
            ast::Stmt::Nonlocal(stmt) => {
                let names: Vec<Text> = stmt.names.iter().map(|name| self.text(name.as_str())).collect();
                self.scope.nonlocals.extend(names);
            }
            ast::Stmt::Expr(stmt) => self.eval(&stmt.value),
            ast::Stmt::Break(_) => {
                if let Some(id) = self.in_loop {
                    self.scope.loops[id as usize].left = true;
                }
            }
            ast::Stmt::Pass(_) | ast::Stmt::Continue(_) | ast::Stmt::IpyEscapeCommand(_) => {}
        }
    }

    fn eval(&mut self, expr: &ast::Expr) {
        if matches!(expr, ast::Expr::Name(_)) || expr.is_literal_expr() {
            return;
        }
        let value = self.expr(expr);
        self.scope.stmts.push(Stmt::Eval(value));
    }

    fn assign(&mut self, target: &ast::Expr, value: &ast::Expr) {
        let value = self.expr(value);
        let target = self.target(target);
        self.scope.stmts.push(Stmt::Assign { target, value, weak: self.branches > 0 });
    }

    fn loops_around(&self) -> Vec<LoopId> {
        std::iter::successors(self.in_loop, |id| self.scope.loops[*id as usize].parent).collect()
    }

    /// Begins a loop, and returns the enclosing one, which the caller restores.
    fn enter_loop(
        &mut self,
        kind: LoopKind,
        iter: Option<ExprId>,
        whole: TextRange,
        bound: Option<u64>,
    ) -> Option<LoopId> {
        let parent = self.in_loop;
        self.scope.loops.push(Loop { kind, parent, iter, range: range(whole), left: false, bound });
        self.in_loop = Some((self.scope.loops.len() - 1) as LoopId);
        parent
    }

    fn for_loop(&mut self, stmt: &ast::StmtFor) {
        self.awaited = stmt.is_async;
        let iter = self.expr(&stmt.iter);
        let target = self.target(&stmt.target);
        let outer = self.enter_loop(LoopKind::For, Some(iter), stmt.range, bound_of(&stmt.iter));
        let round = (self.scope.loops.len() - 1) as LoopId;
        self.scope.stmts.push(Stmt::For { target, iter, round });
        self.round(&stmt.body);
        self.in_loop = outer;
        self.branch(&stmt.orelse);
    }

    fn params(&mut self, parameters: &ast::Parameters) -> Vec<Param> {
        let mut params = Vec::with_capacity(parameters.len());
        let mut add = |this: &mut Self, parameter: &ast::Parameter, default: Option<&ast::Expr>, passing| {
            let name = this.text(parameter.name.as_str());
            let annotation = parameter.annotation.as_ref().map(|annotation| this.annotation(annotation));
            let default = default.map(|default| this.expr(default));
            params.push(Param { name, passing, annotation, default });
        };
        for parameter in &parameters.posonlyargs {
            add(self, &parameter.parameter, parameter.default(), Passing::PositionalOnly);
        }
        for parameter in &parameters.args {
            add(self, &parameter.parameter, parameter.default(), Passing::Either);
        }
        if let Some(parameter) = &parameters.vararg {
            add(self, parameter, None, Passing::RestPositional);
        }
        for parameter in &parameters.kwonlyargs {
            add(self, &parameter.parameter, parameter.default(), Passing::KeywordOnly);
        }
        if let Some(parameter) = &parameters.kwarg {
            add(self, parameter, None, Passing::RestKeyword);
        }
        params
    }

    fn function(&mut self, def: &ast::StmtFunctionDef) {
        let decorators = def.decorator_list.iter().map(|decorator| self.expr(&decorator.expression)).collect();
        let params = self.params(&def.parameters);
        let returns = def.returns.as_ref().map(|returns| self.annotation(returns));
        let name = self.text(def.name.as_str());
        let (id, outer) = self.enter(Scope {
            kind: ScopeKind::Function,
            name,
            range: range(def.name.range()),
            is_async: def.is_async,
            is_stub: is_stub(&def.body),
            params,
            decorators,
            returns,
            ..Scope::default()
        });
        self.body(&def.body);
        self.leave(id, outer);
        self.scope.stmts.push(Stmt::Define(id, self.branches > 0));
    }

    fn class(&mut self, def: &ast::StmtClassDef) {
        let decorators = def.decorator_list.iter().map(|decorator| self.expr(&decorator.expression)).collect();
        let bases = def.bases().iter().map(|base| self.expr(base)).collect();
        for keyword in def.keywords() {
            self.eval(&keyword.value);
        }
        let name = self.text(def.name.as_str());
        let (id, outer) = self.enter(Scope {
            kind: ScopeKind::Class,
            name,
            range: range(def.name.range()),
            decorators,
            bases,
            ..Scope::default()
        });
        self.body(&def.body);
        self.leave(id, outer);
        self.scope.stmts.push(Stmt::Define(id, self.branches > 0));
    }

    fn target(&mut self, target: &ast::Expr) -> Target {
        if self.depth >= MAX_DEPTH {
            return Target::Other;
        }
        self.depth += 1;
        let lowered = self.target_within(target);
        self.depth -= 1;
        lowered
    }

    fn target_within(&mut self, target: &ast::Expr) -> Target {
        match target {
            ast::Expr::Name(name) => Target::Name(self.text(name.id.as_str())),
            ast::Expr::Attribute(attribute) => {
                let object = self.expr(&attribute.value);
                Target::Attribute(object, self.text(attribute.attr.as_str()))
            }
            ast::Expr::Subscript(subscript) => {
                let object = self.expr(&subscript.value);
                self.eval(&subscript.slice);
                Target::Index(object, self.key(&subscript.slice))
            }
            ast::Expr::Tuple(tuple) => Target::Several(tuple.elts.iter().map(|item| self.target(item)).collect()),
            ast::Expr::List(list) => Target::Several(list.elts.iter().map(|item| self.target(item)).collect()),
            ast::Expr::Starred(starred) => Target::Rest(Box::new(self.target(&starred.value))),
            _ => Target::Other,
        }
    }
}

/// Returns the largest number of rounds of a loop over an iterable, if the source states it.
fn bound_of(iter: &ast::Expr) -> Option<u64> {
    match iter {
        ast::Expr::List(list) if !list.elts.iter().any(ast::Expr::is_starred_expr) => Some(list.elts.len() as u64),
        ast::Expr::Tuple(tuple) if !tuple.elts.iter().any(ast::Expr::is_starred_expr) => Some(tuple.elts.len() as u64),
        ast::Expr::Call(call) => {
            let is_range = matches!(call.func.as_ref(), ast::Expr::Name(name) if name.id.as_str() == "range");
            let ints: Option<Vec<i64>> = call
                .arguments
                .args
                .iter()
                .map(|argument| match argument {
                    ast::Expr::NumberLiteral(number) => match &number.value {
                        ast::Number::Int(int) => int.as_i64(),
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
            match (is_range, ints.as_deref()) {
                (true, Some([end])) => u64::try_from(*end).ok(),
                (true, Some([start, end])) => u64::try_from(end - start).ok(),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns the parameters that a body returns and never binds again, one bit each.
fn hands_back(params: &[Param], body: &Scope, scopes: &[Scope]) -> u64 {
    let returned = body.stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Return(value) => match body.exprs[*value as usize] {
            Expr::Name(name) => params.iter().position(|param| param.name == name),
            _ => None,
        },
        _ => None,
    });
    let mut bits = 0;
    for param in returned {
        bits |= 1_u64.checked_shl(param as u32).unwrap_or_default();
    }
    if bits == 0 || body.is_generator {
        return 0;
    }
    let mut bound = Vec::new();
    body.stmts.iter().for_each(|stmt| stmt.names_bound(scopes, &mut bound));
    bound.extend(body.exprs.iter().filter_map(|expr| match expr {
        Expr::Bind(name, _) => Some(*name),
        _ => None,
    }));
    for (index, param) in params.iter().enumerate().take(64) {
        if bound.contains(&param.name) {
            bits &= !(1 << index);
        }
    }
    bits
}

/// Returns whether statements in a loop end by leaving it.
fn leaves(stmts: &[ast::Stmt]) -> bool {
    match stmts.last() {
        Some(ast::Stmt::Return(_) | ast::Stmt::Break(_)) => true,
        Some(ast::Stmt::With(stmt)) => leaves(&stmt.body),
        Some(ast::Stmt::If(stmt)) => leaves(&stmt.body),
        _ => false,
    }
}

/// Returns whether a function's body only says that others do the work.
fn is_stub(body: &[ast::Stmt]) -> bool {
    body.iter().all(|stmt| match stmt {
        ast::Stmt::Pass(_) => true,
        ast::Stmt::Expr(stmt) => {
            matches!(stmt.value.as_ref(), ast::Expr::EllipsisLiteral(_) | ast::Expr::StringLiteral(_))
        }
        ast::Stmt::Raise(stmt) => stmt.exc.as_deref().is_some_and(|exc| {
            let name = match exc {
                ast::Expr::Call(call) => call.func.as_ref(),
                other => other,
            };
            matches!(name, ast::Expr::Name(name) if name.id.as_str() == "NotImplementedError")
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::lower;

    /// Tests have threads of 2 MiB. The fault is a stack overflow, which aborts all tests.
    #[test]
    fn deep_syntax_trees_fit_any_stack() {
        let shapes = [
            ("x = ", "-", "1", ""),
            ("x = ", "1**", "1", ""),
            ("x = ", "[", "", "]"),
            ("x = ", "{1:", "1", "}"),
            ("x = ", "f(", "", ")"),
            ("x = ", "lambda: ", "1", ""),
            ("x = ", "1 if 1 else ", "1", ""),
            ("x = a", "", "", ".b()"),
            ("x = a", "", "", "[1]"),
            ("x[", "-", "1", "] = 1"),
            ("", "(", "x", ",)"),
            ("match x:\n case ", "[", "y", "]"),
        ];
        for (start, open, middle, close) in shapes {
            let levels = 100_000;
            let closed = if close == "] = 1" { close.to_owned() } else { close.repeat(levels) };
            let end = match start {
                "" => " = 1",
                _ if start.starts_with("match") => ": pass",
                _ => "",
            };
            let text = format!("{start}{}{middle}{closed}{end}\n", open.repeat(levels));
            assert_eq!(lower(&text).errors, [], "{start}{open}{middle}{close}");
        }
    }
}

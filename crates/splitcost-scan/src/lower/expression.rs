//! Lowering of expressions, calls and comprehensions.

use std::mem;

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::{Lowering, MAX_DEPTH, bound_of, range};
use crate::form::{
    CallExpr, Comprehension, Constant, Expr, ExprId, Key, LoopKind, Scope, ScopeId, ScopeKind, Sequence, Stmt,
};

impl Lowering {
    pub(super) fn key(&mut self, key: &ast::Expr) -> Key {
        match key {
            ast::Expr::StringLiteral(text) => Key::Text(self.text(text.value.to_str())),
            ast::Expr::NumberLiteral(number) => match &number.value {
                ast::Number::Int(int) => int.as_i64().map_or(Key::Unknown, Key::Int),
                _ => Key::Unknown,
            },
            ast::Expr::UnaryOp(unary) if unary.op == ast::UnaryOp::USub => match self.key(&unary.operand) {
                Key::Int(int) => Key::Int(-int),
                _ => Key::Unknown,
            },
            ast::Expr::Slice(slice) if slice.step.is_none() => {
                let mut end = |end: &Option<Box<ast::Expr>>, missing| match end.as_ref().map(|end| self.key(end)) {
                    None => Some(missing),
                    Some(Key::Int(int)) => u32::try_from(int).ok(),
                    Some(_) => None,
                };
                Key::Slice(end(&slice.lower, 0).zip(end(&slice.upper, u32::MAX)))
            }
            ast::Expr::Slice(_) => Key::Slice(None),
            _ => Key::Unknown,
        }
    }

    /// Lowers an annotation; a text inside it is parsed.
    pub(super) fn annotation(&mut self, annotation: &ast::Expr) -> ExprId {
        let outer = mem::replace(&mut self.in_annotation, true);
        let id = self.expr(annotation);
        self.in_annotation = outer;
        id
    }

    pub(super) fn expr(&mut self, expr: &ast::Expr) -> ExprId {
        if self.depth >= MAX_DEPTH {
            return self.push(Expr::Other(Vec::new()));
        }
        self.depth += 1;
        let id = self.expr_within(expr);
        self.depth -= 1;
        id
    }

    #[expect(clippy::too_many_lines, reason = "an arm per kind of expression")]
    fn expr_within(&mut self, expr: &ast::Expr) -> ExprId {
        let awaited = mem::take(&mut self.awaited);
        let lowered = match expr {
            ast::Expr::Name(name) => Expr::Name(self.text(name.id.as_str())),
            ast::Expr::Attribute(attribute) => {
                let object = self.expr(&attribute.value);
                Expr::Attribute(object, self.text(attribute.attr.as_str()), range(attribute.range))
            }
            ast::Expr::Call(call) => return self.call(call, awaited),
            ast::Expr::Await(wait) => {
                self.awaited = true;
                let value = self.expr(&wait.value);
                self.awaited = false;
                Expr::Await(value)
            }
            ast::Expr::Subscript(subscript) => {
                let object = self.expr(&subscript.value);
                let index = self.expr(&subscript.slice);
                Expr::Index(object, self.key(&subscript.slice), index)
            }
            ast::Expr::StringLiteral(text) if self.in_annotation => {
                // Chosen: a text inside the text of an annotation is not parsed.
                self.in_annotation = false;
                let parsed = ruff_python_parser::parse_expression(text.value.to_str());
                let id = parsed.ok().map(|parsed| self.expr(&parsed.into_syntax().body));
                self.in_annotation = true;
                match id {
                    Some(id) => return id,
                    None => Expr::Text(self.text(text.value.to_str())),
                }
            }
            ast::Expr::StringLiteral(text) => Expr::Text(self.text(text.value.to_str())),
            ast::Expr::BytesLiteral(_) => Expr::Constant(Constant::Bytes),
            ast::Expr::NoneLiteral(_) => Expr::Constant(Constant::None),
            ast::Expr::BooleanLiteral(literal) => Expr::Constant(Constant::Bool(literal.value)),
            ast::Expr::NumberLiteral(number) => Expr::Constant(match &number.value {
                ast::Number::Int(int) => int.as_i64().map_or(Constant::Other, Constant::Int),
                _ => Constant::Float,
            }),
            ast::Expr::EllipsisLiteral(_) => Expr::Constant(Constant::Other),
            ast::Expr::List(list) => Expr::Items(Sequence::List, self.all(&list.elts)),
            ast::Expr::Tuple(tuple) => Expr::Items(Sequence::Tuple, self.all(&tuple.elts)),
            ast::Expr::Set(set) => Expr::Items(Sequence::Set, self.all(&set.elts)),
            ast::Expr::Dict(dict) => Expr::Dict(
                dict.items
                    .iter()
                    .map(|item| {
                        let key = item.key.as_ref().map(|key| {
                            self.eval(key);
                            self.key(key)
                        });
                        (key, self.expr(&item.value))
                    })
                    .collect(),
            ),
            ast::Expr::Starred(starred) => Expr::Starred(self.expr(&starred.value)),
            ast::Expr::Lambda(lambda) => Expr::Lambda(self.lambda(lambda)),
            ast::Expr::If(choice) => {
                let test = self.expr(&choice.test);
                let values = vec![self.expr(&choice.body), self.expr(&choice.orelse)];
                Expr::Either(values, vec![test])
            }
            ast::Expr::BoolOp(op) => Expr::Either(self.all(&op.values), Vec::new()),
            // In an annotation, `X | None` is a union.
            ast::Expr::BinOp(op) if op.op == ast::Operator::BitOr => {
                Expr::Either(vec![self.expr(&op.left), self.expr(&op.right)], Vec::new())
            }
            ast::Expr::Named(named) => {
                let value = self.expr(&named.value);
                match named.target.as_ref() {
                    ast::Expr::Name(name) => Expr::Bind(self.text(name.id.as_str()), value),
                    _ => Expr::Other(vec![value]),
                }
            }
            ast::Expr::Yield(value) => {
                self.scope.is_generator = true;
                Expr::Yield(value.value.as_ref().map(|value| self.expr(value)))
            }
            ast::Expr::YieldFrom(value) => {
                self.scope.is_generator = true;
                Expr::YieldFrom(self.expr(&value.value))
            }
            ast::Expr::ListComp(comp) => self.comprehension(&comp.generators, None, &comp.elt, comp.range, false),
            ast::Expr::SetComp(comp) => self.comprehension(&comp.generators, None, &comp.elt, comp.range, true),
            ast::Expr::Generator(comp) => self.comprehension(&comp.generators, None, &comp.elt, comp.range, false),
            ast::Expr::DictComp(comp) => {
                self.comprehension(&comp.generators, comp.key.as_deref(), &comp.value, comp.range, false)
            }
            ast::Expr::BinOp(op) => Expr::Other(vec![self.expr(&op.left), self.expr(&op.right)]),
            ast::Expr::UnaryOp(op) => Expr::Other(vec![self.expr(&op.operand)]),
            ast::Expr::Compare(compare) => {
                let mut parts = vec![self.expr(&compare.left)];
                parts.extend(compare.comparators.iter().map(|part| self.expr(part)));
                Expr::Other(parts)
            }
            ast::Expr::FString(text) => {
                let parts = text.value.elements().filter_map(|element| match element {
                    ast::InterpolatedStringElement::Interpolation(part) => Some(part.expression.as_ref()),
                    ast::InterpolatedStringElement::Literal(_) => None,
                });
                Expr::Other(parts.map(|part| self.expr(part)).collect())
            }
            ast::Expr::Slice(slice) => {
                let parts = [&slice.lower, &slice.upper, &slice.step].into_iter().flatten();
                Expr::Other(parts.map(|part| self.expr(part)).collect())
            }
            ast::Expr::TString(_) | ast::Expr::IpyEscapeCommand(_) => Expr::Other(Vec::new()),
        };
        self.push(lowered)
    }

    fn all(&mut self, exprs: &[ast::Expr]) -> Vec<ExprId> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn call(&mut self, call: &ast::ExprCall, awaited: bool) -> ExprId {
        let function = self.expr(&call.func);
        let positional = call.arguments.args.iter().map(|argument| self.expr(argument)).collect();
        let keywords = call
            .arguments
            .keywords
            .iter()
            .map(|keyword| {
                let name = keyword.arg.as_ref().map(|name| self.text(name.as_str()));
                (name, self.expr(&keyword.value))
            })
            .collect();
        self.scope.calls.push(CallExpr {
            function,
            positional,
            keywords,
            range: range(call.range()),
            in_loop: self.in_loop,
            awaited,
            tried: self.tried > 0,
            stmt: self.stmt,
            branch: self.branch,
        });
        let id = (self.scope.calls.len() - 1) as u32;
        self.push(Expr::Call(id))
    }

    fn lambda(&mut self, lambda: &ast::ExprLambda) -> ScopeId {
        let params = lambda.parameters.as_ref().map(|parameters| self.params(parameters)).unwrap_or_default();
        let name = self.text("<lambda>");
        let (id, outer) =
            self.enter(Scope { kind: ScopeKind::Lambda, name, range: range(lambda.range), params, ..Scope::default() });
        let value = self.expr(&lambda.body);
        self.scope.stmts.push(Stmt::Return(value));
        self.leave(id, outer);
        id
    }

    fn comprehension(
        &mut self,
        generators: &[ast::Comprehension],
        key: Option<&ast::Expr>,
        element: &ast::Expr,
        whole: TextRange,
        is_set: bool,
    ) -> Expr {
        let outer = self.in_loop;
        let mut conditions = Vec::new();
        let mut lowered = Vec::with_capacity(generators.len());
        for generator in generators {
            let iter = self.expr(&generator.iter);
            let target = self.target(&generator.target);
            self.enter_loop(LoopKind::Comprehension, Some(iter), whole, bound_of(&generator.iter));
            if let Some(id) = self.in_loop {
                lowered.push((target, iter, id));
            }
            conditions.extend(generator.ifs.iter().map(|condition| self.expr(condition)));
        }
        let key = key.map(|key| self.expr(key));
        let element = self.expr(element);
        self.in_loop = outer;
        Expr::Comprehension(Box::new(Comprehension { generators: lowered, conditions, key, element, is_set }))
    }
}

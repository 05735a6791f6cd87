//! The compact form of a file: its calls, and the names that it binds and reads, in source order.
//!
//! Arithmetic, comparisons and formatting, which no rule needs, are left out; the calls inside them are kept.

use serde::{Deserialize, Serialize};

/// A name or text of the file: an index into [`File::texts`].
pub(crate) type Text = u32;
/// A function, class or lambda of the file: an index into [`File::scopes`].
pub(crate) type ScopeId = u32;
/// An expression: an index into [`Scope::exprs`].
pub(crate) type ExprId = u32;
/// A call: an index into [`Scope::calls`].
pub(crate) type CallId = u32;
/// A loop: an index into [`Scope::loops`].
pub(crate) type LoopId = u32;

/// The text that comments for splitcost contain.
pub(crate) const COMMENT_MARK: &str = "splitcost:";

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The first byte.
    pub(crate) start: u32,
    /// The byte after the last one.
    pub(crate) end: u32,
}

/// The compact form of a file. Its first scope is the module itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) texts: Vec<Box<str>>,
    pub(crate) scopes: Vec<Scope>,
    /// The syntax errors, each with its range.
    pub(crate) errors: Vec<(Range, String)>,
    /// The comments that contain [`COMMENT_MARK`].
    pub(crate) comments: Vec<Range>,
}

/// The kind of a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ScopeKind {
    #[default]
    Module,
    Class,
    Function,
    Lambda,
}

/// A module, class, function or lambda: its signature, and its body in source order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) kind: ScopeKind,
    pub(crate) name: Text,
    pub(crate) parent: ScopeId,
    /// The range of its name; for a lambda, its whole range.
    pub(crate) range: Range,
    pub(crate) is_async: bool,
    pub(crate) is_generator: bool,
    /// Its body only says that others do the work: `...`, `pass`, a docstring, `raise NotImplementedError`.
    pub(crate) is_stub: bool,
    pub(crate) params: Vec<Param>,
    /// The parameters that it returns unchanged: one bit for each of the first 64.
    pub(crate) hands_back: u64,
    /// The names that it binds and whose values cannot lead to a call.
    pub(crate) idle: Vec<Text>,
    /// Its decorators, which are expressions of the parent.
    pub(crate) decorators: Vec<ExprId>,
    /// The base classes, which are expressions of the parent.
    pub(crate) bases: Vec<ExprId>,
    /// The annotation of the result, which is an expression of the parent.
    pub(crate) returns: Option<ExprId>,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) calls: Vec<CallExpr>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) stmts: Vec<Stmt>,
    /// Names that a `global` statement gives to the module.
    pub(crate) globals: Vec<Text>,
    /// Names that a `nonlocal` statement gives to an enclosing function.
    pub(crate) nonlocals: Vec<Text>,
}

/// The ways in which a parameter takes arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Passing {
    PositionalOnly,
    Either,
    KeywordOnly,
    RestPositional,
    RestKeyword,
}

/// A parameter. Its annotation and default are expressions of the parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Param {
    pub(crate) name: Text,
    pub(crate) passing: Passing,
    pub(crate) annotation: Option<ExprId>,
    pub(crate) default: Option<ExprId>,
}

/// A subscript or dictionary key, as far as it is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Key {
    Text(Text),
    Int(i64),
    /// A slice such as `[1:3]`, if both ends are constant; a missing end is the largest number.
    Slice(Option<(u32, u32)>),
    Unknown,
}

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Constant {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Bytes,
    Other,
}

/// An expression.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Expr {
    Name(Text),
    Attribute(ExprId, Text, Range),
    Call(CallId),
    Await(ExprId),
    Index(ExprId, Key, ExprId),
    Text(Text),
    Constant(Constant),
    /// A list, tuple or set.
    Items(Sequence, Vec<ExprId>),
    Dict(Vec<(Option<Key>, ExprId)>),
    Starred(ExprId),
    Lambda(ScopeId),
    /// `a or b`, `a if c else b`: one of the first list; the expressions of the second are only run.
    Either(Vec<ExprId>, Vec<ExprId>),
    /// An assignment expression: `name := value`.
    Bind(Text, ExprId),
    Yield(Option<ExprId>),
    YieldFrom(ExprId),
    Comprehension(Box<Comprehension>),
    /// Anything else, kept for the calls inside it.
    Other(Vec<ExprId>),
}

/// The type of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sequence {
    List,
    Tuple,
    Set,
}

/// A comprehension or generator expression.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comprehension {
    pub(crate) generators: Vec<(Target, ExprId, LoopId)>,
    pub(crate) conditions: Vec<ExprId>,
    pub(crate) key: Option<ExprId>,
    pub(crate) element: ExprId,
    pub(crate) is_set: bool,
}

/// A call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallExpr {
    pub(crate) function: ExprId,
    /// The positional arguments; a starred one is an [`Expr::Starred`].
    pub(crate) positional: Vec<ExprId>,
    /// The keyword arguments; the name `None` stands for `**`.
    pub(crate) keywords: Vec<(Option<Text>, ExprId)>,
    pub(crate) range: Range,
    pub(crate) in_loop: Option<LoopId>,
    pub(crate) awaited: bool,
    /// It is in the body of a `try` whose success ends the loop around it, and whose failure repeats it.
    pub(crate) tried: bool,
    /// The number of the statement that it is part of, within its scope.
    pub(crate) stmt: u32,
    /// The number of the conditional body that it is in (of an `if`, a loop, a handler), or 0.
    pub(crate) branch: u32,
}

/// The kind of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LoopKind {
    For,
    While,
    Comprehension,
}

/// A loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) parent: Option<LoopId>,
    /// The iterable.
    pub(crate) iter: Option<ExprId>,
    /// The range of the whole loop.
    pub(crate) range: Range,
    /// Its body contains a `break` or `return` that leaves it.
    pub(crate) left: bool,
    /// The largest number of rounds, if the source states it.
    pub(crate) bound: Option<u64>,
}

/// A statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Stmt {
    Eval(ExprId),
    /// An assignment. A `weak` one may not run, so that the previous value remains possible.
    Assign {
        target: Target,
        value: ExprId,
        weak: bool,
    },
    Annotate {
        target: Target,
        annotation: ExprId,
        value: Option<ExprId>,
    },
    For {
        target: Target,
        iter: ExprId,
        round: LoopId,
    },
    With {
        is_async: bool,
        target: Option<Target>,
        context: ExprId,
        range: Range,
    },
    /// The beginning of the test and body of a `while`.
    Round,
    /// `raise name`, which calls a class without parentheses.
    Raise(ExprId, Range),
    Return(ExprId),
    Import {
        module: Text,
        bound: Text,
        whole: bool,
    },
    ImportFrom {
        level: u32,
        module: Text,
        name: Text,
        bound: Text,
    },
    ImportStar {
        level: u32,
        module: Text,
    },
    Define(ScopeId, bool),
}

/// The target of an assignment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Target {
    Name(Text),
    Attribute(ExprId, Text),
    Index(ExprId, Key),
    Several(Vec<Target>),
    Rest(Box<Target>),
    Other,
}

impl Stmt {
    /// Adds the names that the statement binds to `names`.
    pub(crate) fn names_bound(&self, scopes: &[Scope], names: &mut Vec<Text>) {
        match self {
            Self::Assign { target, .. }
            | Self::Annotate { target, .. }
            | Self::For { target, .. }
            | Self::With { target: Some(target), .. } => target.names_bound(names),
            Self::Import { bound, .. } | Self::ImportFrom { bound, .. } => names.push(*bound),
            Self::Define(id, _) => names.push(scopes[*id as usize].name),
            _ => {}
        }
    }
}

impl Target {
    fn names_bound(&self, names: &mut Vec<Text>) {
        match self {
            Self::Name(name) => names.push(*name),
            Self::Several(targets) => targets.iter().for_each(|target| target.names_bound(names)),
            Self::Rest(target) => target.names_bound(names),
            Self::Attribute(..) | Self::Index(..) | Self::Other => {}
        }
    }
}

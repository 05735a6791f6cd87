//! The compact form of a file: what can be called, bound and read there, in the order in which it happens.
//!
//! Everything that no finding looks at (arithmetic, comparisons, formatting) is gone; the calls inside remain.

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

/// Where something stands in its file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Range {
    /// First byte.
    pub(crate) start: u32,
    /// Byte behind the last.
    pub(crate) end: u32,
}

/// One file; its first scope is the module itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) texts: Vec<Box<str>>,
    pub(crate) scopes: Vec<Scope>,
    /// What could not be parsed: where, and why.
    pub(crate) errors: Vec<(Range, String)>,
    /// Comments that are for us.
    pub(crate) comments: Vec<Range>,
}

/// What a scope is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[default]
    Module,
    Class,
    Function,
    Lambda,
}

/// A module, class, function or lambda: its signature, and its body in source order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) kind: Kind,
    pub(crate) name: Text,
    pub(crate) parent: ScopeId,
    /// The name, or all of a lambda.
    pub(crate) range: Range,
    pub(crate) is_async: bool,
    pub(crate) is_generator: bool,
    /// It has no body to speak of: `...`, `pass`, a docstring, `raise NotImplementedError`.
    pub(crate) is_stub: bool,
    pub(crate) params: Vec<Param>,
    /// The parameters that it returns as they were given, a bit each, of the first 64.
    pub(crate) hands_back: u64,
    /// Names that it binds, and does nothing with that could lead to a call.
    pub(crate) idle: Vec<Text>,
    /// In the parent's expressions.
    pub(crate) decorators: Vec<ExprId>,
    /// In the parent's expressions.
    pub(crate) bases: Vec<ExprId>,
    /// In the parent's expressions.
    pub(crate) returns: Option<ExprId>,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) calls: Vec<Call>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) stmts: Vec<Stmt>,
    /// Names that belong to the module.
    pub(crate) globals: Vec<Text>,
    /// Names that belong to an enclosing function.
    pub(crate) nonlocals: Vec<Text>,
}

/// How an argument reaches a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Passing {
    PositionalOnly,
    Either,
    KeywordOnly,
    RestPositional,
    RestKeyword,
}

/// A parameter; annotation and default are in the parent's expressions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Param {
    pub(crate) name: Text,
    pub(crate) passing: Passing,
    pub(crate) annotation: Option<ExprId>,
    pub(crate) default: Option<ExprId>,
}

/// A constant subscript or dictionary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Key {
    Text(Text),
    Int(i64),
    /// `[1:3]`, where both are known; a missing end is the largest number.
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
    /// `a or b`, `a if c else b`: any of the first ones; the others are only evaluated.
    Either(Vec<ExprId>, Vec<ExprId>),
    /// `name := value`
    Bind(Text, ExprId),
    Yield(Option<ExprId>),
    YieldFrom(ExprId),
    Comprehension(Box<Comprehension>),
    /// Of no interest, but for the calls within.
    Other(Vec<ExprId>),
}

/// Which sequence.
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
pub(crate) struct Call {
    pub(crate) function: ExprId,
    /// A starred one is [`Expr::Starred`].
    pub(crate) positional: Vec<ExprId>,
    /// `None` stands for `**`.
    pub(crate) keywords: Vec<(Option<Text>, ExprId)>,
    pub(crate) range: Range,
    pub(crate) in_loop: Option<LoopId>,
    pub(crate) awaited: bool,
    /// Inside the body of a `try` that ends the loop around it, unless a handler lets it go round again.
    pub(crate) tried: bool,
    /// Which statement it is part of, counted through the scope.
    pub(crate) stmt: u32,
    /// Which body it is in: that of an `if`, a loop, a handler, or 0.
    pub(crate) branch: u32,
}

/// How something is repeated.
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
    /// What it goes through.
    pub(crate) iter: Option<ExprId>,
    /// From `for` to the end of the first line, roughly: to show it.
    pub(crate) range: Range,
    /// Its body leaves it with `break` or `return`.
    pub(crate) left: bool,
    /// How often at most, where the source says it.
    pub(crate) bound: Option<u64>,
}

/// Something that happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Stmt {
    Eval(ExprId),
    /// `weak`: it may not happen, so what was bound before may still be.
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
    /// The test and body of a `while` begin.
    Round,
    /// `raise name`: a class is called, without parentheses.
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

/// What is assigned to.
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
    /// Adds the names that it binds.
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

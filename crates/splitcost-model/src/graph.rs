//! Which module of a program imports which, and which function calls which.

use serde::{Deserialize, Serialize};

/// The module and call graph of a program.
///
/// What calls or is called has a name that is its own: its dotted path, and `@LINE` behind it where the program has
/// several of that path, as with lambdas and functions that are defined twice; `@LINE:COLUMN` where a line has several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// By path.
    pub modules: Vec<Module>,
    /// By path and place.
    pub functions: Vec<Function>,
    /// By caller and place.
    pub edges: Vec<Edge>,
}

/// A file of the program. Its body is a caller, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The dotted name that it is imported by.
    pub name: String,
    /// The file.
    pub path: String,
    /// The dotted names of what it imports, of the program and of libraries, each once, by name.
    pub imports: Vec<String>,
}

/// What a function is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// `def`
    #[default]
    Function,
    /// `async def`
    Coroutine,
    /// `lambda`
    Lambda,
    /// The body of a `class`, which runs where it stands.
    Class,
}

/// Something that can be called, or a class's body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name in the graph.
    pub name: String,
    /// What it is.
    pub kind: FunctionKind,
    /// The file.
    pub path: String,
    /// The line of its name, from 1.
    pub line: u32,
    /// The column of its name, from 1, in characters.
    pub column: u32,
}

/// How a call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Here and now.
    #[default]
    Direct,
    /// Without parentheses: by reading a property, entering a context, iterating, decorating, raising.
    Implicit,
    /// In another thread or process.
    Offloaded,
    /// By a framework, later.
    Deferred,
}

/// One possible target of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The name of the function, class body or module that calls.
    pub caller: String,
    /// The name of the function that is called; the dotted path of what is outside.
    pub callee: String,
    /// Whether the callee is outside the program: of a library, or built in.
    pub outside: bool,
    /// How it is called.
    pub manner: Manner,
    /// The line of the call in the caller's file, from 1.
    pub line: u32,
    /// Its column, from 1, in characters.
    pub column: u32,
}

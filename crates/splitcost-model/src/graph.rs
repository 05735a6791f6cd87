//! The module and call graph of a program.

use serde::{Deserialize, Serialize};

/// The module and call graph of a program.
///
/// Every function, class body and module has a unique name: its dotted path. Where several have the same path, as lambdas
/// and functions that are defined twice do, `@LINE` follows the path, or `@LINE:COLUMN` if a line has several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The modules, by path.
    pub modules: Vec<Module>,
    /// The functions, by path and place.
    pub functions: Vec<Function>,
    /// The calls, by caller and place.
    pub edges: Vec<Edge>,
}

/// A file of the program. Its body is a caller, by the name of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The dotted name that it is imported by.
    pub name: String,
    /// The path of the file.
    pub path: String,
    /// The dotted names of the modules that it imports, of the program and of libraries, each once, by name.
    pub imports: Vec<String>,
}

/// The kind of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// A `def`.
    #[default]
    Function,
    /// An `async def`.
    Coroutine,
    /// A `lambda`.
    Lambda,
    /// The body of a `class`, which runs when its module does.
    Class,
}

/// A function, or the body of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The unique name.
    pub name: String,
    /// The kind.
    pub kind: FunctionKind,
    /// The path of the file.
    pub path: String,
    /// The line of its name, from 1.
    pub line: u32,
    /// The column of its name, from 1, in characters.
    pub column: u32,
}

/// The way in which a call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// At once, in the same thread.
    #[default]
    Direct,
    /// Without parentheses: by reading a property, entering a context, iterating, decorating, raising.
    Implicit,
    /// In another thread or process.
    Offloaded,
    /// Later, by a framework.
    Deferred,
}

/// A call with one of its possible callees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The name of the function, class body or module that calls.
    pub caller: String,
    /// The name of the function that is called, or the dotted path of an external one.
    pub callee: String,
    /// The callee is outside the program: it belongs to a library or is a builtin.
    pub outside: bool,
    /// The way in which the call is made.
    pub manner: Manner,
    /// The line of the call in the file of the caller, from 1.
    pub line: u32,
    /// The column of the call, from 1, in characters.
    pub column: u32,
}

//! The module and call graph of small programs.

use splitcost_model::graph::{Graph, Manner};
use splitcost_scan::scan_texts;

fn graph(files: &[(&str, &str)]) -> Graph {
    scan_texts(files.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect()).unwrap().1
}

/// Returns every edge as `caller:line -> callee`, followed by its manner if that is not direct.
fn edges(text: &str) -> Vec<String> {
    let line = |edge: &splitcost_model::graph::Edge| {
        let manner = if edge.manner == Manner::Direct { String::new() } else { format!(" {:?}", edge.manner) };
        format!("{}:{} -> {}{manner}", edge.caller, edge.line, edge.callee)
    };
    graph(&[("app.py", text)]).edges.iter().map(line).collect()
}

#[test]
fn functions_with_the_same_path_are_named_by_line_and_column() {
    let text = "f = lambda: 1; g = lambda: f()\nif f:\n    def h(): pass\nelse:\n    def h(): pass\nh()\ng()\n";
    let names: Vec<String> = graph(&[("app.py", text)]).functions.into_iter().map(|function| function.name).collect();
    assert_eq!(names, ["app.<lambda>@1:5", "app.<lambda>@1:20", "app.h@3", "app.h@5"]);
    let expected = [
        "app:6 -> app.h@3",
        "app:6 -> app.h@5",
        "app:7 -> app.<lambda>@1:20",
        "app.<lambda>@1:20:1 -> app.<lambda>@1:5",
    ];
    assert_eq!(edges(text), expected);
}

#[test]
fn calls_without_parentheses_are_implicit() {
    let text = "class Files:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def __iter__(self): return self
    def __next__(self): return 1
    @property
    def size(self): return 1
class Broken(Exception):
    def __init__(self): pass
files = Files()
with files:
    for file in files:
        files.size
    raise Broken
";
    let expected = [
        "app:11 -> app.Files.__enter__ Implicit",
        "app:11 -> app.Files.__exit__ Implicit",
        "app:12 -> app.Files.__iter__ Implicit",
        "app:12 -> app.Files.__next__ Implicit",
        "app:13 -> app.Files.size Implicit",
        "app:14 -> app.Broken.__init__ Implicit",
    ];
    assert_eq!(edges(text), expected);
}

#[test]
fn builtins_are_outside() {
    let text = "words = ['a']\nwords.append('a b'.split()[0])\n{'a': 1}.items()\nlen(words)\n";
    let expected = [
        "app:2 -> builtins.list.append",
        "app:2 -> builtins.str.split",
        "app:3 -> builtins.dict.items",
        "app:4 -> builtins.len",
    ];
    assert_eq!(edges(text), expected);
    assert!(graph(&[("app.py", text)]).edges.iter().all(|edge| edge.outside));
}

#[test]
fn modules_list_all_their_imports() {
    let files = [
        ("shop/__init__.py", "from .client import *\n"),
        ("shop/client.py", "import os.path\nfrom requests import get\n"),
        ("app.py", "def f():\n    from shop import client\n    import shop.client as again\n"),
    ];
    let modules = graph(&files).modules;
    let imports: Vec<(String, String)> =
        modules.into_iter().map(|module| (module.name, module.imports.join(" "))).collect();
    let expected = [("shop", "shop.client"), ("shop.client", "os.path requests"), ("app", "shop shop.client")];
    assert_eq!(imports, expected.map(|(name, imports)| (name.to_owned(), imports.to_owned())));
}

#[test]
fn modules_with_the_same_name_are_named_by_their_whole_path() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join("tool.py"), "def f(): pass\nf()\n").unwrap();
    }
    let options = splitcost_scan::Options { paths: vec![dir.path().to_owned()], ..Default::default() };
    let (graph, skipped) = splitcost_scan::graph(&options).unwrap();
    assert!(skipped.is_empty());
    let edges: Vec<_> = graph.edges.iter().map(|edge| (edge.caller.as_str(), edge.callee.as_str())).collect();
    assert_eq!(edges, [("one.tool", "one.tool.f"), ("two.tool", "two.tool.f")]);
}

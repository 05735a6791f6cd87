//! A [`Graph`] in the language of Graphviz.

use std::collections::BTreeSet;
use std::fmt::Write;

use splitcost_model::graph::{FunctionKind, Graph, Manner};

/// Returns the graph in the language of Graphviz: a box for each module with its functions inside, and grey arrows for
/// imports between modules. Calls between the same two functions share an arrow for each manner.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph splitcost {\n  rankdir=LR\n  node [shape=box, style=rounded, fontname=\"Helvetica\"]\n  edge [fontname=\"Helvetica\"]\n",
    );
    // The functions are ordered by file, as the modules are.
    let mut functions = graph.functions.iter().peekable();
    for (index, module) in graph.modules.iter().enumerate() {
        let name = quoted(&module.name);
        _ = writeln!(text, "  subgraph cluster_{index} {{\n    label={name}\n    {name} [shape=folder]");
        while let Some(function) = functions.next_if(|function| function.path == module.path) {
            let label = function.name.strip_prefix(&format!("{}.", module.name)).unwrap_or(&function.name);
            let style = match function.kind {
                FunctionKind::Coroutine => ", peripheries=2",
                FunctionKind::Class => ", shape=component",
                FunctionKind::Function | FunctionKind::Lambda => "",
            };
            _ = writeln!(text, "    {} [label={}{style}]", quoted(&function.name), quoted(label));
        }
        text.push_str("  }\n");
    }
    let outside: BTreeSet<&str> =
        graph.edges.iter().filter(|edge| edge.outside).map(|edge| edge.callee.as_str()).collect();
    for path in outside {
        _ = writeln!(text, "  {} [label={}, style=dashed]", quoted(&outside_node(path)), quoted(path));
    }
    let calls: BTreeSet<(&str, String, Manner)> = graph
        .edges
        .iter()
        .map(|edge| {
            let callee = if edge.outside { outside_node(&edge.callee) } else { edge.callee.clone() };
            (edge.caller.as_str(), callee, edge.manner)
        })
        .collect();
    for (caller, callee, manner) in calls {
        let style = match manner {
            Manner::Direct => "",
            Manner::Implicit => " [style=dashed]",
            Manner::Offloaded => " [style=dotted, label=\"offloaded\"]",
            Manner::Deferred => " [style=dotted, label=\"deferred\"]",
        };
        _ = writeln!(text, "  {} -> {}{style}", quoted(caller), quoted(&callee));
    }
    let modules: BTreeSet<&str> = graph.modules.iter().map(|module| module.name.as_str()).collect();
    for module in &graph.modules {
        for import in module.imports.iter().filter(|import| modules.contains(import.as_str())) {
            _ = writeln!(text, "  {} -> {} [color=grey, arrowhead=open]", quoted(&module.name), quoted(import));
        }
    }
    text.push_str("}\n");
    text
}

/// Returns the node of an external path, which differs from that of a module with the same name.
fn outside_node(path: &str) -> String {
    format!("outside {path}")
}

/// Returns a text as a quoted string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

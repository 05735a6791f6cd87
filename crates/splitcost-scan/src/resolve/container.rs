//! Methods of containers that the program builds.

use super::{CallManner, Callee, Resolution, Shape, Subscript};
use crate::form::{CallExpr, CallId, Expr, Sequence, Text};
use crate::value::{Value, Values};

impl Resolution<'_> {
    /// Handles `table.update(other)`.
    fn update(&mut self, table: u32, others: &Values, call: &CallExpr) {
        let surely = match self.scope.exprs[call.function as usize] {
            Expr::Attribute(object, ..) => call.branch == 0 && self.sole(object) == Some(table),
            _ => false,
        };
        for value in others.iter() {
            let Value::Container(other) = value else { continue };
            if self.shape(other) != Shape::Dict {
                continue;
            }
            for (key, values) in self.read_elements(other) {
                self.put(table, key, &values);
                if surely {
                    self.replace(table, key, &values);
                }
            }
        }
    }

    /// Handles a method of a container that the program builds, such as `items.append(x)` and `table.get(key)`. Returns
    /// `None` if the objects are not all containers.
    pub(super) fn container_method(&mut self, id: CallId, objects: &Values, name: Text) -> Option<Values> {
        let scope = self.scope;
        let call = &scope.calls[id as usize];
        let containers: Vec<u32> = objects
            .iter()
            .filter_map(|value| match value {
                Value::Container(id) => Some(id),
                _ => None,
            })
            .collect();
        if containers.is_empty() || containers.len() < objects.iter().count() {
            return None;
        }
        for container in &containers {
            let kind = match self.shape(*container) {
                Shape::Dict => "builtins.dict",
                Shape::Sequence(Sequence::List) => "builtins.list",
                Shape::Sequence(Sequence::Tuple) => "builtins.tuple",
                Shape::Sequence(Sequence::Set) => "builtins.set",
                Shape::Other => continue,
            };
            let method = self.builtin_method(kind, self.symbol(name));
            self.edge(call.range, Some(id), Callee::Outside(method), CallManner::Direct);
        }
        let name = self.text(name);
        let arguments = self.arguments(call);
        let first = arguments.positional.first().cloned().unwrap_or_default();
        let mut found = Values::default();
        for id in containers {
            match name {
                "append" | "add" | "appendleft" => self.put(id, Subscript::Unknown, &first),
                "insert" => {
                    let item = arguments.positional.get(1).cloned().unwrap_or_default();
                    self.put(id, Subscript::Unknown, &item);
                }
                "extend" | "update" => {
                    self.open.insert(id);
                    let items = self.items_of(&first, call.range);
                    self.put(id, Subscript::Unknown, &items);
                    self.update(id, &first, call);
                    for (name, values) in &arguments.named {
                        self.put(id, Subscript::Text(*name), values);
                    }
                }
                "get" | "pop" | "setdefault" | "popleft" => {
                    let key = match call.positional.first().map(|key| &scope.exprs[*key as usize]) {
                        Some(Expr::Text(text)) => Subscript::Text(self.symbol(*text)),
                        _ => Subscript::Unknown,
                    };
                    if name == "setdefault" {
                        let default = arguments.positional.get(1).cloned().unwrap_or_default();
                        self.put(id, key, &default);
                    }
                    found.extend(&self.element(id, key));
                    found.extend(&arguments.positional.get(1).cloned().unwrap_or_default());
                }
                "values" => {
                    let values = self.element(id, Subscript::Unknown);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Subscript::Unknown, &values);
                    found.add(Value::Container(all));
                }
                "items" => {
                    let values = self.element(id, Subscript::Unknown);
                    let pair = self.container(self.here, call.range.end | 1 << 30, Shape::Sequence(Sequence::Tuple));
                    self.put(pair, Subscript::Int(1), &values);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Subscript::Unknown, &Values::one(Value::Container(pair)));
                    found.add(Value::Container(all));
                }
                "copy" => {
                    found.add(Value::Container(id));
                }
                _ => {}
            }
        }
        Some(found)
    }
}

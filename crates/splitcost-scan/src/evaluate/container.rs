//! Methods of containers that the program builds.

use super::{Callee, Evaluation, Key2, Manner, Shape};
use crate::form::{Call, CallId, Expr, Sequence, Text};
use crate::value::{Value, Values};

impl Evaluation<'_> {
    /// `table.update(other)`
    fn update(&mut self, table: u32, others: &Values, call: &Call) {
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

    /// `items.append(x)`, `table.get(key)` and their like, on a container that the program builds.
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
            self.edge(call.range, Some(id), Callee::Outside(method), Manner::Direct);
        }
        let name = self.text(name);
        let arguments = self.arguments(call);
        let first = arguments.positional.first().cloned().unwrap_or_default();
        let mut found = Values::default();
        for id in containers {
            match name {
                "append" | "add" | "appendleft" => self.put(id, Key2::Unknown, &first),
                "insert" => {
                    let item = arguments.positional.get(1).cloned().unwrap_or_default();
                    self.put(id, Key2::Unknown, &item);
                }
                "extend" | "update" => {
                    self.open.insert(id);
                    let items = self.items_of(&first, call.range);
                    self.put(id, Key2::Unknown, &items);
                    self.update(id, &first, call);
                    for (name, values) in &arguments.named {
                        self.put(id, Key2::Text(*name), values);
                    }
                }
                "get" | "pop" | "setdefault" | "popleft" => {
                    let key = match call.positional.first().map(|key| &scope.exprs[*key as usize]) {
                        Some(Expr::Text(text)) => Key2::Text(self.symbol(*text)),
                        _ => Key2::Unknown,
                    };
                    if name == "setdefault" {
                        let default = arguments.positional.get(1).cloned().unwrap_or_default();
                        self.put(id, key, &default);
                    }
                    found.extend(&self.element(id, key));
                    found.extend(&arguments.positional.get(1).cloned().unwrap_or_default());
                }
                "values" => {
                    let values = self.element(id, Key2::Unknown);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Key2::Unknown, &values);
                    found.add(Value::Container(all));
                }
                "items" => {
                    let values = self.element(id, Key2::Unknown);
                    let pair = self.container(self.here, call.range.end | 1 << 30, Shape::Sequence(Sequence::Tuple));
                    self.put(pair, Key2::Int(1), &values);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Key2::Unknown, &Values::one(Value::Container(pair)));
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

//! Nodes of a document, with their places, and the references between them.

use serde_json::Value;

/// Chosen: a reference to a reference is rare; more of them are a circle.
const MAX_REFERENCES: usize = 16;

/// A whole document.
#[derive(Clone, Copy)]
pub(super) struct Root<'a>(pub(super) &'a Value);

/// A node of a document.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    /// The names and positions that lead to it, escaped as in a JSON pointer.
    pub(super) pointer: String,
}

impl<'a> Root<'a> {
    pub(super) fn node(self) -> Node<'a> {
        Node { value: self.0, pointer: String::new() }
    }

    /// Follows the references of a node.
    ///
    /// # Errors
    /// Fails if a reference leads nowhere, or around in a circle.
    pub(super) fn resolve(self, node: Node<'a>) -> Result<Node<'a>, String> {
        let mut node = node;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = node.value.get("$ref") else { return Ok(node) };
            let wrong = |reason: &str| format!("{}/$ref: {reference} {reason}", node.place());
            let reference = reference.as_str().ok_or_else(|| wrong("is not a text"))?;
            let pointer = reference.strip_prefix('#').ok_or_else(|| {
                wrong(
                    "leads to another file, which is not read: join the files first, for example with `redocly bundle`",
                )
            })?;
            let pointer = unescaped(pointer);
            let value = self.0.pointer(&pointer).ok_or_else(|| wrong("leads nowhere"))?;
            node = Node { value, pointer };
        }
        Err(format!("{}: its references form a circle", node.place()))
    }
}

impl<'a> Node<'a> {
    /// Returns the place as a JSON pointer.
    pub(super) fn place(&self) -> String {
        format!("#{}", self.pointer)
    }

    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        Some(Node { value: self.value.get(name)?, pointer: self.below(name) })
    }

    /// Returns a field that must be a text.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, String> {
        self.value.get(name).and_then(Value::as_str).ok_or_else(|| format!("{}: it has no text {name:?}", self.place()))
    }

    /// Returns the fields of an object.
    pub(super) fn fields(&self) -> Result<Vec<(&'a str, Node<'a>)>, String> {
        let fields = self.value.as_object().ok_or_else(|| format!("{}: it is not an object", self.place()))?;
        Ok(fields.iter().map(|(name, value)| (name.as_str(), Node { value, pointer: self.below(name) })).collect())
    }

    /// Returns the items of a list.
    pub(super) fn items(&self) -> Result<Vec<Node<'a>>, String> {
        let items = self.value.as_array().ok_or_else(|| format!("{}: it is not a list", self.place()))?;
        let node = |(at, value)| Node { value, pointer: format!("{}/{at}", self.pointer) };
        Ok(items.iter().enumerate().map(node).collect())
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}

/// Returns the pointer of a URL's fragment, without percent-encoding.
fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let (byte, digits) = code.filter(|_| first == b'%').map_or((first, 0), |code| (code, 2));
        bytes.push(byte);
        rest = &after[digits..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

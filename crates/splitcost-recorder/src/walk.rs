//! A walk through one payload: its skeleton, its encoded size, and what in it cannot simply be encoded.
//!
//! Sizes are those of `splitcost.codec`. No code of the app runs: attributes are read from instance dictionaries
//! and slots, never through properties or descriptors, so nothing is lazily loaded, and no row is fetched.

mod row;

use std::fmt::Write;
use std::hash::{Hash, Hasher};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple, PyType};
use rustc_hash::FxHasher;
use splitcost_recording::log::PayloadClassCode as Class;
use splitcost_recording::skeleton::{CUT, Skeleton, add_field};

use crate::inert::{Buffer, exception_args, instance_dict, referents};
use crate::obstacle::Obstacles;
use crate::payload::Payload;
use crate::place::{is_shared, place_of};
use crate::resource;
use crate::source;
use crate::type_info::{Base, Encoding, FieldName, Slot, TypeInfo, generic_attr, info_of, is_found, type_of};

/// A note of `typing` in an object, as of `Counter[int]()`, which is not sent.
const TYPING_FIELD: &str = "__orig_class__";

/// Values looked at in one payload; what lies beyond is extrapolated from the list it lies in.
///
/// Chosen: 20,000 values take about 2 ms.
const NODE_BUDGET: u64 = 20_000;
/// Depth looked at.
///
/// Chosen: deeper data is a linked structure, not a payload.
const MAX_DEPTH: usize = 64;
/// Most keys a dictionary of fields has.
///
/// Chosen: a larger one is keyed by data.
const MAX_FIELDS: usize = 32;
/// Size of a value that is not looked into, in bytes, beside the name of its type.
///
/// Chosen: a date with its time zone has 41 bytes as text.
const OPAQUE_BYTES: u64 = 41;
/// Size of the description by which a callee obtains a resource, in bytes, and the values in it.
///
/// Measured: sessions of `SQLAlchemy`, plain and asynchronous, have 180 to 240 bytes.
const RESOURCE_BYTES: u64 = 200;
const RESOURCE_NODES: u64 = 12;
/// Bytes of an array that its fingerprint is made of.
///
/// Chosen: reading them takes 5 µs.
const MAX_HASHED_BYTES: usize = 64 << 10;
/// One walk through one payload.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) nodes: u64,
    pub(crate) bytes: u64,
    /// Values looked at, also in what was then left out.
    looked: u64,
    /// Path of the current value.
    path: String,
    /// Path of the first value that needs an adapter.
    adapted: Option<String>,
    pub(crate) obstacles: Obstacles,
    /// Fingerprint of the values, never written anywhere.
    pub(crate) hash: u64,
    pub(crate) is_changeable: bool,
    /// Something is made only when it is wanted, and may be made until the call ends: the fingerprint says nothing.
    pub(crate) has_unmade: bool,
    /// The containers around the current value.
    around: Vec<usize>,
    /// The rows among them.
    rows: usize,
}

impl Walk {
    pub(crate) fn new(root: &str) -> Self {
        Self { path: root.to_owned(), ..Self::default() }
    }

    pub(crate) fn into_payload(self, is_result: bool, skeleton: &Skeleton) -> Payload {
        let mut json = String::new();
        skeleton.write_json(&mut json);
        Payload {
            is_result,
            skeleton: json,
            encoded_bytes: self.bytes,
            nodes: self.nodes,
            adapted: self.adapted,
            obstacles: self.obstacles,
            receiver: None,
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Mixes in the hash of a value whose type is built in, or nearly so.
    fn mix_hash(&mut self, value: &Bound<'_, PyAny>) {
        // An object that cannot be hashed (a slice, say) is identified by its address.
        self.mix(value.hash().map_or(value.as_ptr() as u64, |hash| hash as u64));
    }

    /// Notes data that is no plain JSON.
    fn note_data(&mut self, info: &TypeInfo) {
        self.note(if info.is_encoded { Class::Adapter } else { Class::Value }, info);
    }

    fn note(&mut self, class: Class, info: &TypeInfo) {
        if class > Class::Adapter {
            self.obstacles.add(class, &self.path, &info.dotted());
        } else if class == Class::Adapter && self.adapted.is_none() {
            self.adapted = Some(format!("{} ({})", self.path, info.dotted()));
        }
    }

    /// A named part; its name and punctuation count.
    pub(crate) fn field(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        self.part(name, name.len() as u64, value)
    }

    /// A named part whose name is written as `written` and has `name_len` bytes when it is encoded.
    fn part(&mut self, written: &str, name_len: u64, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        let len = self.path.len();
        self.path.push('.');
        self.path.push_str(written);
        self.bytes += name_len + 4;
        let skeleton = self.value(value);
        self.path.truncate(len);
        skeleton
    }

    pub(crate) fn value(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        if self.looked >= NODE_BUDGET || self.around.len() >= MAX_DEPTH {
            return Ok(CUT);
        }
        self.looked += 1;
        self.nodes += 1;
        let info = type_of(value);
        self.mix(value.get_type_ptr() as u64);
        match &info.encoding {
            Encoding::None => {
                self.bytes += 4;
                Ok(Skeleton::Leaf("none"))
            }
            Encoding::Bool => {
                let value = value.is(PyBool::new(value.py(), true));
                self.mix(u64::from(value));
                self.bytes += if value { 4 } else { 5 };
                Ok(Skeleton::Leaf("bool"))
            }
            Encoding::Int => self.int(value, &info),
            Encoding::Float => self.float(value, &info),
            Encoding::Str => self.text(value),
            Encoding::List
            | Encoding::Dict
            | Encoding::OrderedDict
            | Encoding::Tuple
            | Encoding::Set
            | Encoding::FrozenSet
            | Encoding::Deque => self.container(value, &info),
            Encoding::Fields(word, overhead, names) => self.inside(value, &info, |walk| {
                walk.object(value, &info, |walk| {
                    walk.note(Class::Adapter, &info);
                    walk.bytes += overhead + info.name_len;
                    walk.fields(word, &info, names, value)
                })
            }),
            Encoding::Object(slots) => {
                self.inside(value, &info, |walk| walk.object(value, &info, |walk| walk.attributes(value, &info, slots)))
            }
            Encoding::Row if self.around.contains(&(value.as_ptr() as usize)) => {
                self.bytes += 8;
                Ok(CUT)
            }
            Encoding::Row => self.inside(value, &info, |walk| {
                let (outside, adapted) = (std::mem::take(&mut walk.obstacles), walk.adapted.clone());
                let skeleton = walk.row(value, &info);
                let inside = std::mem::replace(&mut walk.obstacles, outside);
                walk.adapted = adapted;
                let is_encoded = info.is_encoded && inside.worst().is_none();
                walk.note(if is_encoded { Class::Adapter } else { Class::Value }, &info);
                walk.is_changeable = true;
                skeleton
            }),
            Encoding::NamedTuple(names) => self.inside(value, &info, |walk| {
                walk.note(Class::Adapter, &info);
                walk.bytes += 14 + info.name_len;
                let mut fields = Vec::new();
                // A named tuple's own iterator could be overridden; the tuple's cannot.
                for (name, value) in names.iter().zip(value.cast::<PyTuple>()?.iter()) {
                    let skeleton = walk.part(&name.written, name.len, &value)?;
                    add_field(&mut fields, &name.written, skeleton);
                }
                walk.bytes -= u64::from(!fields.is_empty());
                Ok(Skeleton::Fields("namedtuple", Some(info.name.clone()), fields))
            }),
            Encoding::Exception => self.inside(value, &info, |walk| {
                walk.note(Class::Adapter, &info);
                walk.bytes += 17 + info.name_len;
                let mut places = Vec::new();
                if let Some(args) = exception_args(value) {
                    for (i, arg) in args.iter().enumerate() {
                        places.push(walk.item(i, &arg)?);
                    }
                }
                walk.bytes -= u64::from(!places.is_empty());
                Ok(Skeleton::Exception(info.name.clone(), places))
            }),
            Encoding::Derived(base) => self.inside(value, &info, |walk| walk.derived(*base, value, &info)),
            Encoding::Record | Encoding::Pairs | Encoding::Proxy | Encoding::Made(_) => {
                self.inside(value, &info, |walk| walk.made(value, &info))
            }
            Encoding::Opaque => Ok(self.opaque(value, &info)),
            Encoding::Buffer => Ok(self.buffer(value, &info)),
            Encoding::Lazy => {
                if let Some(wrapped) = held_attr(value, "_wrapped").filter(|held| !is_placeholder(held)) {
                    return self.inside(value, &info, |walk| walk.value(&wrapped));
                }
                // The codec has it made.
                self.has_unmade = true;
                self.note(Class::Adapter, &info);
                self.bytes += OPAQUE_BYTES + info.name_len;
                Ok(Skeleton::Fields("object", Some(info.name.clone()), Vec::new()))
            }
            Encoding::Class => Ok(self.class_object(value, &info)),
            Encoding::DeadEnd(class) => {
                let is_named = match method_owner(value, &info) {
                    Some(owner) => place_of(&owner, &type_of(&owner)).is_some(),
                    None => resource::is_named(*class, &info.name) && place_of(value, &info).is_some(),
                };
                Ok(self.dead_end(if is_named { Class::Named } else { *class }, value, &info))
            }
            _ => self.adapted(value, &info),
        }
    }

    /// A leaf that needs an adapter.
    fn adapted(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        self.note(Class::Adapter, info);
        let word = match &info.encoding {
            Encoding::Bytes(word) => {
                self.is_changeable = self.is_changeable || info.name == "builtins:bytearray";
                self.bytes += 9 + (value.len()? as u64).div_ceil(3) * 4;
                if info.name == "builtins:bytearray" {
                    self.mix(value.len()? as u64);
                } else {
                    self.mix_hash(value);
                }
                word
            }
            Encoding::Text(word) => {
                if let Some(zone) = generic_attr(value, "tzinfo") {
                    let zone = type_of(&zone);
                    if !matches!(zone.name.as_str(), "builtins:NoneType" | "datetime:timezone" | "zoneinfo:ZoneInfo") {
                        // Text and hash need the offset, and to ask for it may run code of the app.
                        self.note(if zone.is_encoded { Class::Adapter } else { Class::Value }, info);
                        self.bytes += OPAQUE_BYTES + zone.name_len;
                        self.mix(value.as_ptr() as u64);
                        return Ok(Skeleton::Leaf(word));
                    }
                }
                self.bytes += 9 + value.str()?.len()? as u64;
                self.mix_hash(value);
                word
            }
            Encoding::Timedelta => {
                self.bytes += 11;
                for part in ["days", "seconds", "microseconds"] {
                    self.bytes += int_len(value.getattr(part)?.extract()?);
                }
                self.mix_hash(value);
                "timedelta"
            }
            Encoding::Uuid => {
                self.bytes += 41;
                if let Some(int) = generic_attr(value, "int") {
                    self.mix_hash(&int);
                }
                "uuid"
            }
            Encoding::Complex => {
                self.bytes += 15 + value.str()?.len()? as u64;
                self.mix_hash(value);
                "complex"
            }
            _ => {
                let name = instance_dict(value).and_then(|held| held.get_item("_name_").ok().flatten());
                let len =
                    name.and_then(|name| name.cast_exact::<PyString>().ok().and_then(|n| n.len().ok())).unwrap_or(0);
                self.bytes += 14 + info.name_len + len as u64;
                self.mix(value.as_ptr() as u64);
                return Ok(Skeleton::Named("enum", info.name.clone()));
            }
        };
        Ok(Skeleton::Leaf(word))
    }

    fn int(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        let int = value.cast_exact::<PyInt>()?;
        if let Ok(small) = int.extract::<i64>() {
            self.bytes += int_len(small);
        } else {
            let bits: u64 = int.call_method0(intern!(int.py(), "bit_length"))?.extract()?;
            if bits > 64 {
                self.note(Class::Adapter, info);
                self.bytes += 11 + bits.div_ceil(4);
            } else {
                self.bytes += 19 + bits / 64;
            }
        }
        self.mix_hash(value);
        Ok(Skeleton::Leaf("int"))
    }

    fn float(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        let float = value.cast_exact::<PyFloat>()?.value();
        self.mix(float.to_bits());
        if float.is_finite() {
            let mut digits = ByteCount(0);
            // Counting cannot fail.
            let _ = write!(digits, "{float:?}");
            self.bytes += digits.0;
        } else {
            self.note(Class::Adapter, info);
            self.bytes += 12;
        }
        Ok(Skeleton::Leaf("float"))
    }

    /// A value whose class derives from a built-in one, as what that one holds. Nothing that the class overrides is called.
    fn derived(&mut self, base: Base, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        // The codec makes one with a class for its factory, which has a name.
        let is_named = |factory: Bound<'_, PyAny>| factory.is_none() || factory.cast::<PyType>().is_ok_and(is_found);
        if info.name == "collections:defaultdict" && generic_attr(value, "default_factory").is_some_and(is_named) {
            self.note(Class::Adapter, info);
        } else {
            self.note_data(info);
        }
        self.bytes += 14 + info.name_len;
        let skeleton = match base {
            Base::Str => {
                let text = value.cast::<PyString>()?.to_str().unwrap_or_default();
                self.bytes += text.len() as u64 + 2;
                let mut hasher = FxHasher::default();
                text.hash(&mut hasher);
                self.mix(hasher.finish());
                Skeleton::Leaf("str")
            }
            Base::Int => {
                let int = value.cast::<PyInt>()?.extract::<i64>().unwrap_or(i64::MAX);
                self.bytes += int_len(int);
                self.mix(int as u64);
                Skeleton::Leaf("int")
            }
            Base::Float => {
                let float = value.cast::<PyFloat>()?.value();
                self.mix(float.to_bits());
                self.bytes += 8;
                Skeleton::Leaf("float")
            }
            Base::List => {
                self.is_changeable = true;
                let list = value.cast::<PyList>()?;
                self.elements("list", list.iter(), list.len())?
            }
            Base::Dict => {
                self.is_changeable = true;
                self.dict(value.cast::<PyDict>()?, false)?
            }
            Base::Tuple => {
                let tuple = value.cast::<PyTuple>()?;
                self.elements("tuple", tuple.iter(), tuple.len())?
            }
            Base::Bytes => {
                let bytes = value.cast::<PyBytes>()?.as_bytes();
                self.bytes += 9 + (bytes.len() as u64).div_ceil(3) * 4;
                let mut hasher = FxHasher::default();
                bytes.hash(&mut hasher);
                self.mix(hasher.finish());
                Skeleton::Leaf("bytes")
            }
            Base::Set => {
                let is_fixed = value.cast::<PyFrozenSet>().is_ok();
                self.is_changeable = self.is_changeable || !is_fixed;
                // A copy, since its own iterator could be overridden.
                let copy = value.py().get_type::<PyFrozenSet>().call1((value,))?.cast_into::<PyFrozenSet>()?;
                self.elements(if is_fixed { "frozenset" } else { "set" }, copy.iter(), copy.len())?
            }
        };
        // Its own fields go along; the rows that a mutable column is of do not.
        for (key, part) in instance_dict(value).iter().flat_map(PyDictMethods::iter) {
            let name = key.cast_exact::<PyString>().ok().and_then(|key| key.to_str().ok()).unwrap_or("*");
            if name != "_parents" && name != TYPING_FIELD {
                self.part(if source::spells_out(name) { name } else { "*" }, name.len() as u64, &part)?;
            }
        }
        Ok(Skeleton::Fields("object", Some(info.name.clone()), vec![("*".to_owned(), skeleton)]))
    }

    /// A value that is made again from its parts.
    fn made(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        let parts: Vec<_> = match info.encoding {
            Encoding::Made(names) => names.iter().filter_map(|name| generic_attr(value, name)).collect(),
            Encoding::Proxy => referents(value)?,
            Encoding::Pairs => {
                self.is_changeable = true;
                value.call_method0(intern!(value.py(), "items"))?.try_iter()?.collect::<PyResult<_>>()?
            }
            _ => value.try_iter()?.collect::<PyResult<_>>()?,
        };
        self.note_data(info);
        self.bytes += 16 + info.name_len;
        let len = parts.len();
        let parts = self.elements("tuple", parts.into_iter(), len)?;
        Ok(Skeleton::Fields("object", Some(info.name.clone()), vec![("*".to_owned(), parts)]))
    }

    /// Data that is not looked into.
    fn opaque(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
        self.note_data(info);
        self.bytes += OPAQUE_BYTES + info.name_len;
        self.mix(value.as_ptr() as u64);
        Skeleton::Fields("object", Some(info.name.clone()), Vec::new())
    }

    /// An array of numbers. One of objects is more than data.
    fn buffer(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
        let Some(buffer) = Buffer::of(value).filter(Buffer::is_of_numbers) else {
            return self.dead_end(Class::Live, value, info);
        };
        if buffer.has_fields() {
            self.note(Class::Value, info);
        } else {
            self.note_data(info);
        }
        self.is_changeable = true;
        self.bytes += 14 + info.name_len + (buffer.len() as u64).div_ceil(3) * 4;
        let mut hasher = FxHasher::default();
        buffer.beginning(MAX_HASHED_BYTES).hash(&mut hasher);
        self.mix(hasher.finish());
        Skeleton::Fields("object", Some(info.name.clone()), vec![("*".to_owned(), Skeleton::Leaf("bytes"))])
    }

    fn text(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        // A lone surrogate has no UTF-8; its length is near enough.
        let len = match value.cast_exact::<PyString>()?.to_str() {
            Ok(text) => text.len(),
            Err(_) => value.len()?,
        };
        self.bytes += len as u64 + 2;
        self.mix_hash(value);
        Ok(Skeleton::Leaf("str"))
    }

    /// A leaf that crosses by a description or by its name, or not at all.
    fn dead_end(&mut self, class: Class, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
        self.note(class, info);
        match class {
            Class::Resource => {
                self.bytes += RESOURCE_BYTES;
                self.nodes += RESOURCE_NODES;
            }
            // The name of the object and that of its class.
            Class::Named | Class::Service | Class::Carried => self.bytes += 19 + 2 * info.name_len,
            _ => {}
        }
        self.mix(value.as_ptr() as u64);
        Skeleton::Named(class.name(), info.name.clone())
    }

    /// A class: it crosses by its name, where it can be found by it.
    fn class_object(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
        let Ok(kind) = value.cast::<PyType>() else { return self.dead_end(Class::Live, value, info) };
        let named = info_of(kind);
        if !is_found(kind) {
            return self.dead_end(Class::Callback, value, &named);
        }
        self.bytes += 14 + named.name_len;
        self.note(Class::Adapter, &named);
        self.mix(value.as_ptr() as u64);
        Skeleton::Named("class", named.name.clone())
    }

    /// The fields of the object that a method was called on, whose obstacles are then those of the fields.
    pub(crate) fn receiver(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<()> {
        self.nodes += 1;
        self.around.push(value.as_ptr() as usize);
        match &info.encoding {
            Encoding::Object(slots) => drop(self.attributes(value, info, slots)?),
            Encoding::Row => {
                self.row(value, info)?;
                self.obstacles = Obstacles::default();
            }
            Encoding::Fields(word, overhead, names) => {
                self.bytes += overhead + info.name_len;
                self.fields(word, info, names, value)?;
            }
            _ => {
                (self.nodes, self.around) = (0, Vec::new());
                self.value(value)?;
            }
        }
        Ok(())
    }

    /// An object with fields. It is data unless it lives at module level or its fields are more than data.
    fn object(
        &mut self,
        value: &Bound<'_, PyAny>,
        info: &TypeInfo,
        fields: impl FnOnce(&mut Self) -> PyResult<Skeleton>,
    ) -> PyResult<Skeleton> {
        let is_encoded = matches!(info.encoding, Encoding::Fields(..));
        if !is_encoded && info.is_own && place_of(value, info).is_some() {
            return Ok(self.dead_end(Class::Named, value, info));
        }
        if !is_encoded && is_shared(value, info, None) {
            return Ok(self.dead_end(Class::Service, value, info));
        }
        let (bytes, nodes, hash, is_changeable) = (self.bytes, self.nodes, self.hash, self.is_changeable);
        let (outside, adapted) = (std::mem::take(&mut self.obstacles), self.adapted.clone());
        let skeleton = fields(self);
        let inside = std::mem::replace(&mut self.obstacles, outside);
        let is_data = inside.worst().is_none_or(|worst| worst.class <= Class::Value);
        let class = match info.encoding {
            _ if info.is_own && inside.service().is_some() && inside.can_go_along() => Class::Carried,
            _ if info.is_own && inside.service().is_some() => Class::Service,
            Encoding::Fields(..) => Class::Adapter,
            _ if info.is_encoded && inside.worst().is_none() => Class::Adapter,
            _ if is_data => Class::Value,
            _ if info.is_own => Class::Reference,
            // Nobody can tell how an object of a library is made again that is more than data.
            _ => Class::Live,
        };
        if class <= Class::Value {
            self.is_changeable = true;
            if is_encoded {
                self.obstacles.append(inside);
            } else {
                self.adapted = adapted;
                self.note(class, info);
            }
            return skeleton;
        }
        (self.bytes, self.nodes, self.hash, self.is_changeable) = (bytes, nodes, hash, is_changeable);
        self.adapted = adapted;
        let skeleton = self.dead_end(class, value, info);
        if class == Class::Carried {
            self.obstacles.append(inside);
        }
        Ok(skeleton)
    }

    /// The instance dictionary and the slots of an object.
    fn attributes(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo, slots: &[Slot]) -> PyResult<Skeleton> {
        self.bytes += 14 + info.name_len;
        let mut fields = Vec::new();
        if let Some(held) = instance_dict(value) {
            for (key, part) in held.iter() {
                let Some(name) = key.cast_exact::<PyString>().ok().and_then(|key| key.to_str().ok()) else { continue };
                let is_row = matches!(info.encoding, Encoding::Row);
                if name == TYPING_FIELD || is_row && (row::is_state(name, &held) || !self.is_sent(&part)) {
                    continue;
                }
                let part = if is_row { row::name_of_file(part) } else { part };
                let written = if source::spells_out(name) { name } else { "*" };
                let skeleton = self.part(written, name.len() as u64, &part)?;
                add_field(&mut fields, written, skeleton);
                // That decides: the rest need not be looked at.
                let is_decided = match info.encoding {
                    Encoding::Row => false,
                    _ if info.is_own => self.obstacles.service().is_some() && !self.obstacles.can_go_along(),
                    _ => self.obstacles.worst().is_some_and(|worst| worst.class > Class::Value),
                };
                if is_decided {
                    break;
                }
            }
        }
        for slot in slots {
            if let Some(part) = slot.get(value) {
                let skeleton = self.part(&slot.written, slot.len, &part)?;
                add_field(&mut fields, &slot.written, skeleton);
            }
        }
        self.bytes -= u64::from(!fields.is_empty());
        Ok(Skeleton::Fields("object", Some(info.name.clone()), fields))
    }

    /// Walks the parts of a value, unless it contains itself.
    fn inside(
        &mut self,
        value: &Bound<'_, PyAny>,
        info: &TypeInfo,
        walk: impl FnOnce(&mut Self) -> PyResult<Skeleton>,
    ) -> PyResult<Skeleton> {
        let address = value.as_ptr() as usize;
        if self.around.contains(&address) {
            let is_object = matches!(info.encoding, Encoding::Object(_));
            self.note(if is_object { Class::Reference } else { Class::Live }, info);
            return Ok(CUT);
        }
        self.around.push(address);
        let skeleton = walk(self);
        self.around.pop();
        skeleton
    }

    fn container(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        self.inside(value, info, |walk| {
            if !matches!(info.encoding, Encoding::List | Encoding::Dict) {
                walk.note(Class::Adapter, info);
            }
            if !matches!(info.encoding, Encoding::Tuple | Encoding::FrozenSet) {
                walk.is_changeable = true;
            }
            walk.bytes += 2;
            match info.encoding {
                Encoding::Dict => walk.dict(value.cast::<PyDict>()?, false),
                Encoding::OrderedDict => walk.dict(value.cast::<PyDict>()?, true),
                Encoding::Tuple => {
                    walk.bytes += 7;
                    let mut places = Vec::new();
                    for (i, item) in value.cast_exact::<PyTuple>()?.iter().enumerate() {
                        places.push(walk.item(i, &item)?);
                    }
                    walk.bytes -= u64::from(!places.is_empty());
                    // A long tuple is described like a list.
                    if places.len() > MAX_FIELDS {
                        let merged = places.into_iter().reduce(Skeleton::merge).map(Box::new);
                        return Ok(Skeleton::Elements("tuple", merged));
                    }
                    Ok(Skeleton::Tuple(places))
                }
                Encoding::Set => {
                    walk.bytes += 7;
                    walk.elements("set", value.cast_exact::<PySet>()?.iter(), value.len()?)
                }
                Encoding::FrozenSet => {
                    walk.bytes += 7;
                    walk.elements("frozenset", value.cast_exact::<PyFrozenSet>()?.iter(), value.len()?)
                }
                Encoding::Deque => {
                    walk.bytes += 14 + value.getattr(intern!(value.py(), "maxlen"))?.str()?.len()? as u64;
                    let all: Vec<Bound<'_, PyAny>> = value.try_iter()?.collect::<PyResult<_>>()?;
                    let len = all.len();
                    walk.elements("deque", all.into_iter(), len)
                }
                _ => {
                    let list = value.cast::<PyList>()?;
                    walk.elements("list", list.iter(), list.len())
                }
            }
        })
    }

    fn item(&mut self, index: usize, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        let len = self.path.len();
        // Writing to a String cannot fail.
        let _ = write!(self.path, "[{index}]");
        self.bytes += 1;
        let skeleton = self.value(value);
        self.path.truncate(len);
        skeleton
    }

    fn elements<'py>(
        &mut self,
        word: &'static str,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        len: usize,
    ) -> PyResult<Skeleton> {
        self.mix(len as u64);
        let (bytes, nodes) = (self.bytes, self.nodes);
        let mut merged: Option<Skeleton> = None;
        for (i, item) in items.enumerate() {
            if self.looked >= NODE_BUDGET {
                // What is left is taken to be like what was seen.
                let scale = |seen: u64| (u128::from(seen) * (len - i) as u128 / i.max(1) as u128) as u64;
                self.bytes += scale(self.bytes - bytes);
                self.nodes += scale(self.nodes - nodes);
                break;
            }
            let skeleton = self.item(i, &item)?;
            merged = Some(match merged {
                Some(merged) => merged.merge(skeleton),
                None => skeleton,
            });
        }
        // One comma was counted with each element.
        self.bytes -= u64::from(merged.is_some());
        Ok(Skeleton::Elements(word, merged.map(Box::new)))
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>, is_ordered: bool) -> PyResult<Skeleton> {
        self.mix(dict.len() as u64);
        let is_text = |key: &Bound<'_, PyAny>| key.is_exact_instance_of::<PyString>();
        let all_text = dict.iter().all(|(key, _)| is_text(&key));
        if is_ordered || !all_text {
            self.bytes += 7 + 2 * dict.len() as u64;
        }
        if let Some((key, _)) = dict.iter().find(|(key, _)| !is_text(key)) {
            let info = type_of(&key);
            self.note(Class::Adapter, &info);
        }
        let may_be_fields = all_text && dict.len() <= MAX_FIELDS;
        let mut fields = Vec::new();
        for (key, value) in dict.iter() {
            let name = if may_be_fields { key.cast::<PyString>()?.to_str().ok() } else { None };
            let name = name.filter(|name| source::spells_out(name));
            if let Some(name) = name {
                self.mix_hash(&key);
                let skeleton = self.field(name, &value)?;
                add_field(&mut fields, name, skeleton);
                continue;
            }
            let len = self.path.len();
            self.path.push_str("[*]");
            if is_text(&key) {
                self.bytes += 4 + key.cast::<PyString>()?.to_str().map_or(0, str::len) as u64;
                self.mix_hash(&key);
            } else {
                self.bytes += 2;
                self.value(&key)?;
            }
            let skeleton = self.value(&value);
            self.path.truncate(len);
            add_field(&mut fields, "*", skeleton?);
        }
        self.bytes -= u64::from(!fields.is_empty());
        Ok(Skeleton::Fields("dict", None, fields))
    }

    fn fields(
        &mut self,
        word: &'static str,
        info: &TypeInfo,
        names: &[FieldName],
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Skeleton> {
        let held = instance_dict(value);
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let key = name.key.bind(value.py());
            let part = match &held {
                Some(held) => held.get_item(key)?,
                None => None,
            };
            let part = part.or_else(|| name.slot.as_ref()?.get(value));
            self.mix(u64::from(part.is_some()));
            if let Some(part) = part {
                let skeleton = self.part(&name.written, name.len, &part)?;
                add_field(&mut fields, &name.written, skeleton);
            }
        }
        self.bytes -= u64::from(!fields.is_empty());
        Ok(Skeleton::Fields(word, Some(info.name.clone()), fields))
    }
}

/// Returns true for what an object that is made lazily holds until then: a bare `object`, or nothing.
fn is_placeholder(value: &Bound<'_, PyAny>) -> bool {
    value.is_none() || value.get_type().is(value.py().get_type::<PyAny>())
}

/// Returns what the instance dictionary of an object holds under this name.
fn held_attr<'py>(object: &Bound<'py, PyAny>, name: &str) -> Option<Bound<'py, PyAny>> {
    instance_dict(object)?.get_item(name).ok()?
}

/// Returns the length of an integer in decimal.
fn int_len(value: i64) -> u64 {
    u64::from(value < 0) + u64::from(value.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1
}

/// Counts what is written to it.
struct ByteCount(u64);

impl Write for ByteCount {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len() as u64;
        Ok(())
    }
}

/// Returns the object that a bound method belongs to.
fn method_owner<'py>(value: &Bound<'py, PyAny>, info: &TypeInfo) -> Option<Bound<'py, PyAny>> {
    (info.name == "builtins:method").then(|| generic_attr(value, "__self__")).flatten()
}

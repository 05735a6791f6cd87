//! Samples of payloads: a walk through arguments and result finds their skeleton, encoded size and class.
//!
//! Sizes are those of `splitcost.codec`. No code of the app runs: attributes are read from instance dictionaries
//! and slots, never through properties or descriptors, so nothing is lazily loaded, and no row is fetched.

use std::fmt::Write;

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};
use splitcost_recording::log::PayloadClassCode as Class;
use splitcost_recording::skeleton::{CUT, Skeleton, add_field};

use crate::source;
use crate::type_info::{Encoding, FieldName, TypeInfo, generic_attr, type_of};

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
/// One payload, as the log has it.
pub(crate) struct Payload {
    pub(crate) is_result: bool,
    pub(crate) skeleton: String,
    pub(crate) encoded_bytes: u64,
    pub(crate) nodes: u64,
    pub(crate) class: Class,
    pub(crate) path: String,
}

/// The sample of a call, from its beginning to its end.
pub(crate) struct Sample {
    /// Call site.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) payloads: Vec<Payload>,
    changeable: Vec<Changeable>,
}

/// An argument that could be changed.
struct Changeable {
    name: String,
    /// Fingerprint of its value when the call began.
    hash: u64,
    address: usize,
    /// The argument; absent once the call was suspended, since that call may never end. It is then found by its name.
    held: Option<Py<PyAny>>,
}

impl Sample {
    /// Looks at the arguments of a call that begins.
    pub(crate) fn of_arguments(names: &[String], locals: &Bound<'_, PyAny>, site: (String, u32)) -> PyResult<Self> {
        let mut walk = Walk::new("arguments");
        let mut fields = Vec::with_capacity(names.len());
        let mut changeable = Vec::new();
        walk.bytes += 3;
        for name in names {
            // An argument that an inner function captures may not be set up yet; it then has no value to look at.
            let Ok(value) = locals.get_item(name.as_str()) else { continue };
            let before = std::mem::take(&mut walk.hash);
            walk.is_changeable = false;
            let skeleton = walk.field(name, &value)?;
            let hash = std::mem::replace(&mut walk.hash, before);
            if walk.is_changeable {
                let address = value.as_ptr() as usize;
                changeable.push(Changeable { name: name.clone(), hash, address, held: Some(value.unbind()) });
            }
            fields.push((name.clone(), skeleton));
        }
        walk.bytes -= u64::from(!fields.is_empty());
        let payload = walk.into_payload(false, &Skeleton::Fields("arguments", None, fields));
        Ok(Self { file: site.0, line: site.1, payloads: vec![payload], changeable })
    }

    /// Notes that the call's result is a generator.
    pub(crate) fn add_generator(&mut self, type_name: &str) {
        let mut skeleton = String::new();
        Skeleton::Named("generator", format!("builtins:{type_name}")).write_json(&mut skeleton);
        let path = format!("result ({type_name})");
        self.payloads.push(Payload {
            is_result: true,
            skeleton,
            encoded_bytes: 0,
            nodes: 1,
            class: Class::Generator,
            path,
        });
    }

    /// Lets go of the arguments, for the caller to drop.
    pub(crate) fn release(&mut self, released: &mut Vec<Py<PyAny>>) {
        released.extend(self.changeable.iter_mut().filter_map(|argument| argument.held.take()));
    }

    /// Looks at the arguments again, and at the result if there is one. `frame` returns the frame of the call.
    pub(crate) fn finish<'py>(
        &mut self,
        py: Python<'py>,
        frame: impl FnOnce() -> Option<Bound<'py, PyAny>>,
        result: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let is_looked_up = self.changeable.iter().any(|argument| argument.held.is_none());
        let frame = if is_looked_up { frame() } else { None };
        let locals = frame.map(|frame| frame.getattr(intern!(py, "f_locals"))).transpose()?;
        for argument in &self.changeable {
            let value = match (&argument.held, &locals) {
                (Some(value), _) => value.bind(py).clone(),
                // A name that the function has since bound to another object says nothing about the argument.
                (None, Some(locals)) => match locals.get_item(argument.name.as_str()) {
                    Ok(value) if value.as_ptr() as usize == argument.address => value,
                    _ => continue,
                },
                (None, None) => continue,
            };
            let mut walk = Walk::new("arguments");
            walk.field(&argument.name, &value)?;
            if walk.hash != argument.hash && self.payloads[0].class < Class::Mutated {
                self.payloads[0].class = Class::Mutated;
                self.payloads[0].path = format!("arguments.{} ({})", argument.name, type_of(&value).dotted());
            }
        }
        let Some(result) = result else { return Ok(()) };
        if self.payloads.iter().any(|payload| payload.is_result) {
            return Ok(());
        }
        let mut walk = Walk::new("result");
        walk.bytes += 1;
        let skeleton = walk.value(result)?;
        self.payloads.push(walk.into_payload(true, &skeleton));
        Ok(())
    }
}

/// One walk through one payload.
struct Walk {
    nodes: u64,
    bytes: u64,
    class: Class,
    /// Path of the current value.
    path: String,
    /// Path of the value that decided the class.
    worst: String,
    /// Fingerprint of the values, never written anywhere.
    hash: u64,
    is_changeable: bool,
    /// The containers around the current value.
    around: Vec<usize>,
}

impl Walk {
    fn new(root: &str) -> Self {
        Self {
            nodes: 0,
            bytes: 0,
            class: Class::Plain,
            path: root.to_owned(),
            worst: String::new(),
            hash: 0,
            is_changeable: false,
            around: Vec::new(),
        }
    }

    fn into_payload(self, is_result: bool, skeleton: &Skeleton) -> Payload {
        let mut json = String::new();
        skeleton.write_json(&mut json);
        Payload {
            is_result,
            skeleton: json,
            encoded_bytes: self.bytes,
            nodes: self.nodes,
            class: self.class,
            path: self.worst,
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

    fn note(&mut self, class: Class, info: &TypeInfo) {
        if class > self.class {
            self.class = class;
            self.worst = format!("{} ({})", self.path, info.dotted());
        }
    }

    /// A named part; its name and punctuation count.
    fn field(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
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

    fn value(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        if self.nodes >= NODE_BUDGET || self.around.len() >= MAX_DEPTH {
            return Ok(CUT);
        }
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
                walk.note(Class::Adapter, &info);
                walk.is_changeable = true;
                walk.bytes += overhead + info.name_len;
                walk.fields(word, &info, names, value)
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
                let args = value.cast::<PyException>().ok().and_then(|e| generic_attr(e, "args"));
                let mut places = Vec::new();
                if let Some(args) = args.as_ref().and_then(|a| a.cast_exact::<PyTuple>().ok()) {
                    for (i, arg) in args.iter().enumerate() {
                        places.push(walk.item(i, &arg)?);
                    }
                }
                walk.bytes -= u64::from(!places.is_empty());
                Ok(Skeleton::Exception(info.name.clone(), places))
            }),
            Encoding::Callback => Ok(self.dead_end(Class::Callback, "callback", value, &info)),
            Encoding::Generator => Ok(self.dead_end(Class::Generator, "generator", value, &info)),
            Encoding::Live => Ok(self.dead_end(Class::Live, "live", value, &info)),
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
                        return Ok(self.dead_end(Class::Live, "live", value, info));
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
                let member = generic_attr(value, "_name_");
                let len = member.as_ref().and_then(|m| m.len().ok()).unwrap_or(0);
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

    /// A leaf that cannot cross.
    fn dead_end(&mut self, class: Class, word: &'static str, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
        self.note(class, info);
        self.mix(value.as_ptr() as u64);
        Skeleton::Named(word, info.name.clone())
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
            self.note(Class::Live, info);
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
                    let list = value.cast_exact::<PyList>()?;
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
            if self.nodes >= NODE_BUDGET {
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
        let held = generic_attr(value, "__dict__");
        let held = held.as_ref().and_then(|held| held.cast::<PyDict>().ok());
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let key = name.key.bind(value.py());
            let part = match held.map(|held| held.get_item(key)).transpose()?.flatten() {
                Some(part) => Some(part),
                // A slot's descriptor is CPython's own; where there is an instance dictionary a class attribute may
                // be anything.
                None if held.is_none() => generic_attr(value, key.to_str()?),
                None => None,
            };
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

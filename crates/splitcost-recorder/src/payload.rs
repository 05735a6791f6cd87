//! A walk through what a call carries: its skeleton, its size when encoded, and whether it can cross.
//!
//! Sizes are those of `splitcost.codec`. No code of the app runs: attributes are read from instance dictionaries
//! and slots, never through properties or descriptors, so nothing is lazily loaded, and no row is fetched.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple, PyType};
use pyo3::{ffi, intern};
use rustc_hash::FxHashMap;

use crate::skeleton::{CUT, Skeleton, add_field};

const PLAIN: u8 = 0;
const ADAPTER: u8 = 1;
const MUTATED: u8 = 2;
const CALLBACK: u8 = 3;
const GENERATOR: u8 = 4;
const LIVE: u8 = 5;

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
/// Types remembered.
///
/// Chosen: far above what a program has; a program that makes types as it runs is not followed into them.
const MAX_TYPES: usize = 100_000;

/// One payload, as the log has it.
pub(crate) struct Payload {
    pub(crate) is_result: bool,
    pub(crate) skeleton: String,
    pub(crate) encoded_bytes: u64,
    pub(crate) nodes: u64,
    pub(crate) class: u8,
    pub(crate) path: String,
}

/// What was seen of a sampled call when it began.
pub(crate) struct Sample {
    /// Call site.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) payloads: Vec<Payload>,
    /// Arguments that could be changed, with their fingerprints.
    changeable: Vec<(String, u64, Py<PyAny>)>,
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
                changeable.push((name.clone(), hash, value.unbind()));
            }
            fields.push((name.clone(), skeleton));
        }
        walk.bytes -= u64::from(!fields.is_empty());
        let payload = walk.into_payload(false, &Skeleton::Fields("arguments", None, fields));
        Ok(Self { file: site.0, line: site.1, payloads: vec![payload], changeable })
    }

    /// Says that the call's result is a generator, or another thing that is not there yet.
    pub(crate) fn add_generator(&mut self, type_name: &str) {
        let mut skeleton = String::new();
        Skeleton::Named("generator", format!("builtins:{type_name}")).write_json(&mut skeleton);
        let path = format!("result ({type_name})");
        self.payloads.push(Payload { is_result: true, skeleton, encoded_bytes: 0, nodes: 1, class: GENERATOR, path });
    }

    /// Looks at the arguments again, and at the result if there is one.
    pub(crate) fn finish(&mut self, py: Python<'_>, result: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        for (name, hash, value) in &self.changeable {
            let value = value.bind(py);
            let mut walk = Walk::new("arguments");
            walk.field(name, value)?;
            if walk.hash != *hash && self.payloads[0].class < MUTATED {
                self.payloads[0].class = MUTATED;
                self.payloads[0].path = format!("arguments.{name} ({})", type_of(value).dotted());
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

/// How values of a type are encoded.
enum Kind {
    None,
    Bool,
    Int,
    Float,
    Str,
    List,
    Dict,
    OrderedDict,
    Tuple,
    Set,
    FrozenSet,
    Deque,
    Bytes(&'static str),
    /// Encoded as its `str`.
    Text(&'static str),
    Timedelta,
    Uuid,
    Complex,
    Enum,
    /// By the fields named; the word of the skeleton, and the bytes of its tag beyond the type's name.
    Fields(&'static str, u64, Vec<Py<PyString>>),
    NamedTuple(Vec<String>),
    Exception,
    Callback,
    Generator,
    Live,
}

/// What is known of a type.
struct TypeInfo {
    kind: Kind,
    /// `module:Qualname`.
    name: String,
    /// Keeps the address taken.
    _type: Py<PyAny>,
}

impl TypeInfo {
    fn dotted(&self) -> String {
        self.name.strip_prefix("builtins:").map_or_else(|| self.name.replacen(':', ".", 1), str::to_owned)
    }
}

static TYPES: Mutex<Option<FxHashMap<usize, Arc<TypeInfo>>>> = Mutex::new(None);

fn type_of(value: &Bound<'_, PyAny>) -> Arc<TypeInfo> {
    let kind = value.get_type();
    let address = kind.as_ptr() as usize;
    let known = |types: &Option<FxHashMap<usize, Arc<TypeInfo>>>| types.as_ref()?.get(&address).cloned();
    if let Some(info) = known(&TYPES.lock().unwrap_or_else(PoisonError::into_inner)) {
        return info;
    }
    let name = name_of_type(&kind);
    let room = TYPES.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(|t| t.len() < MAX_TYPES);
    // A type that does not let itself be looked at is no data.
    let looked = if room { kind_of_type(&kind, &name).unwrap_or(Kind::Live) } else { Kind::Live };
    let info = Arc::new(TypeInfo { kind: looked, name, _type: kind.into_any().unbind() });
    if room {
        let mut types = TYPES.lock().unwrap_or_else(PoisonError::into_inner);
        types.get_or_insert_default().insert(address, Arc::clone(&info));
    }
    info
}

/// `module:Qualname` of a type.
fn name_of_type(kind: &Bound<'_, PyType>) -> String {
    let part = |value: PyResult<Bound<'_, PyAny>>| value.ok().and_then(|v| v.extract::<String>().ok());
    let module = part(kind.getattr(intern!(kind.py(), "__module__"))).unwrap_or_else(|| "?".to_owned());
    let qualname = part(kind.getattr(intern!(kind.py(), "__qualname__"))).unwrap_or_else(|| "?".to_owned());
    format!("{module}:{qualname}")
}

/// A type's name for people: `ValueError`, `fastapi.exceptions.HTTPException`.
pub(crate) fn dotted_name(kind: &Bound<'_, PyType>) -> String {
    let name = name_of_type(kind);
    name.strip_prefix("builtins:").map_or_else(|| name.replacen(':', ".", 1), str::to_owned)
}

fn kind_of_type(kind: &Bound<'_, PyType>, name: &str) -> PyResult<Kind> {
    let exact = match name {
        "builtins:NoneType" => Some(Kind::None),
        "builtins:bool" => Some(Kind::Bool),
        "builtins:int" => Some(Kind::Int),
        "builtins:float" => Some(Kind::Float),
        "builtins:str" => Some(Kind::Str),
        "builtins:list" => Some(Kind::List),
        "builtins:dict" => Some(Kind::Dict),
        "builtins:tuple" => Some(Kind::Tuple),
        "builtins:set" => Some(Kind::Set),
        "builtins:frozenset" => Some(Kind::FrozenSet),
        "builtins:bytes" | "builtins:bytearray" => Some(Kind::Bytes("bytes")),
        "builtins:complex" => Some(Kind::Complex),
        "collections:OrderedDict" => Some(Kind::OrderedDict),
        "collections:deque" => Some(Kind::Deque),
        "decimal:Decimal" => Some(Kind::Text("decimal")),
        "datetime:datetime" => Some(Kind::Text("datetime")),
        "datetime:date" => Some(Kind::Text("date")),
        "datetime:time" => Some(Kind::Text("time")),
        "datetime:timedelta" => Some(Kind::Timedelta),
        "uuid:UUID" => Some(Kind::Uuid),
        _ if name.starts_with("pathlib") && (name.ends_with(":PosixPath") || name.ends_with(":PurePosixPath")) => {
            Some(Kind::Text("path"))
        }
        _ => None,
    };
    if let Some(exact) = exact {
        return Ok(exact);
    }
    let py = kind.py();
    let bases: Vec<Bound<'_, PyType>> =
        kind.getattr(intern!(py, "__mro__"))?.cast_into::<PyTuple>().map_err(PyErr::from)?.extract()?;
    let names: Vec<String> = bases.iter().map(name_of_type).collect();
    let is_a = |name: &str| names.iter().any(|base| base == name);
    let has = |attribute: &str| -> PyResult<bool> {
        for base in &bases {
            if base.getattr(intern!(py, "__dict__"))?.contains(attribute)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let fields = |attribute: &str| -> PyResult<Vec<Py<PyString>>> {
        let mut all = Vec::new();
        for field in kind.getattr(attribute)?.try_iter()? {
            all.push(field?.cast_into::<PyString>().map_err(PyErr::from)?.unbind());
        }
        Ok(all)
    };
    // A class made inside a function cannot be found by name on the other side.
    if !name.contains("<locals>") {
        if is_a("enum:Enum") {
            return Ok(Kind::Enum);
        }
        if is_a("pydantic.main:BaseModel") {
            return Ok(Kind::Fields("model", 19, fields("__pydantic_fields__")?));
        }
        if has("__dataclass_fields__")? {
            return Ok(Kind::Fields("dataclass", 14, fields("__dataclass_fields__")?));
        }
        if is_a("builtins:tuple") && has("_fields")? {
            return Ok(Kind::NamedTuple(kind.getattr("_fields")?.extract()?));
        }
        if is_a("builtins:Exception") || is_a("builtins:SystemExit") {
            return Ok(Kind::Exception);
        }
    }
    if has("__next__")? || has("__anext__")? || is_a("builtins:coroutine") {
        return Ok(Kind::Generator);
    }
    if has("__call__")? {
        return Ok(Kind::Callback);
    }
    Ok(Kind::Live)
}

/// One walk through one payload.
struct Walk {
    nodes: u64,
    bytes: u64,
    class: u8,
    /// Where the walk is.
    path: String,
    /// Where the value that decided the class is.
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
            class: PLAIN,
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
        // What cannot be hashed (a slice, say) is told by its address.
        self.mix(value.hash().map_or(value.as_ptr() as u64, |hash| hash as u64));
    }

    fn note(&mut self, class: u8, info: &TypeInfo) {
        if class > self.class {
            self.class = class;
            self.worst = format!("{} ({})", self.path, info.dotted());
        }
    }

    /// A named part; its name and punctuation count.
    fn field(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
        let len = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        self.bytes += name.len() as u64 + 4;
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
        match &info.kind {
            Kind::None => {
                self.bytes += 4;
                Ok(Skeleton::Leaf("none"))
            }
            Kind::Bool => {
                let value = value.is(PyBool::new(value.py(), true));
                self.mix(u64::from(value));
                self.bytes += if value { 4 } else { 5 };
                Ok(Skeleton::Leaf("bool"))
            }
            Kind::Int => self.int(value, &info),
            Kind::Float => self.float(value, &info),
            Kind::Str => self.text(value),
            Kind::List | Kind::Dict | Kind::OrderedDict | Kind::Tuple | Kind::Set | Kind::FrozenSet | Kind::Deque => {
                self.container(value, &info)
            }
            Kind::Fields(word, overhead, names) => self.inside(value, &info, |walk| {
                walk.note(ADAPTER, &info);
                walk.is_changeable = true;
                walk.bytes += overhead + info.name.len() as u64;
                walk.fields(word, &info, names, value)
            }),
            Kind::NamedTuple(names) => self.inside(value, &info, |walk| {
                walk.note(ADAPTER, &info);
                walk.bytes += 14 + info.name.len() as u64;
                let mut fields = Vec::new();
                // A named tuple's own iterator could be overridden; the tuple's cannot.
                for (name, value) in names.iter().zip(value.cast::<PyTuple>()?.iter()) {
                    fields.push((name.clone(), walk.field(name, &value)?));
                }
                walk.bytes -= u64::from(!fields.is_empty());
                Ok(Skeleton::Fields("namedtuple", Some(info.name.clone()), fields))
            }),
            Kind::Exception => self.inside(value, &info, |walk| {
                walk.note(ADAPTER, &info);
                walk.bytes += 17 + info.name.len() as u64;
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
            Kind::Callback => Ok(self.dead_end(CALLBACK, "callback", value, &info)),
            Kind::Generator => Ok(self.dead_end(GENERATOR, "generator", value, &info)),
            Kind::Live => Ok(self.dead_end(LIVE, "live", value, &info)),
            _ => self.adapted(value, &info),
        }
    }

    /// A leaf that needs an adapter.
    fn adapted(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        self.note(ADAPTER, info);
        let word = match &info.kind {
            Kind::Bytes(word) => {
                self.is_changeable = self.is_changeable || info.name == "builtins:bytearray";
                self.bytes += 9 + (value.len()? as u64).div_ceil(3) * 4;
                if info.name == "builtins:bytearray" {
                    self.mix(value.len()? as u64);
                } else {
                    self.mix_hash(value);
                }
                word
            }
            Kind::Text(word) => {
                if let Some(zone) = generic_attr(value, "tzinfo") {
                    let zone = type_of(&zone);
                    if !matches!(zone.name.as_str(), "builtins:NoneType" | "datetime:timezone" | "zoneinfo:ZoneInfo") {
                        return Ok(self.dead_end(LIVE, "live", value, info));
                    }
                }
                self.bytes += 9 + value.str()?.len()? as u64;
                self.mix_hash(value);
                word
            }
            Kind::Timedelta => {
                self.bytes += 11;
                for part in ["days", "seconds", "microseconds"] {
                    self.bytes += int_len(value.getattr(part)?.extract()?);
                }
                self.mix_hash(value);
                "timedelta"
            }
            Kind::Uuid => {
                self.bytes += 41;
                if let Some(int) = generic_attr(value, "int") {
                    self.mix_hash(&int);
                }
                "uuid"
            }
            Kind::Complex => {
                self.bytes += 15 + value.str()?.len()? as u64;
                self.mix_hash(value);
                "complex"
            }
            _ => {
                let member = generic_attr(value, "_name_");
                let len = member.as_ref().and_then(|m| m.len().ok()).unwrap_or(0);
                self.bytes += 14 + (info.name.len() + len) as u64;
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
                self.note(ADAPTER, info);
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
            let mut digits = Count(0);
            // Counting cannot fail.
            let _ = write!(digits, "{float:?}");
            self.bytes += digits.0;
        } else {
            self.note(ADAPTER, info);
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

    /// What ends here, because it cannot cross.
    fn dead_end(&mut self, class: u8, word: &'static str, value: &Bound<'_, PyAny>, info: &TypeInfo) -> Skeleton {
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
            self.note(LIVE, info);
            return Ok(CUT);
        }
        self.around.push(address);
        let skeleton = walk(self);
        self.around.pop();
        skeleton
    }

    fn container(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        self.inside(value, info, |walk| {
            if !matches!(info.kind, Kind::List | Kind::Dict) {
                walk.note(ADAPTER, info);
            }
            if !matches!(info.kind, Kind::Tuple | Kind::FrozenSet) {
                walk.is_changeable = true;
            }
            walk.bytes += 2;
            match info.kind {
                Kind::Dict => walk.dict(value.cast::<PyDict>()?, false),
                Kind::OrderedDict => walk.dict(value.cast::<PyDict>()?, true),
                Kind::Tuple => {
                    walk.bytes += 7;
                    let mut places = Vec::new();
                    for (i, item) in value.cast_exact::<PyTuple>()?.iter().enumerate() {
                        places.push(walk.item(i, &item)?);
                    }
                    walk.bytes -= u64::from(!places.is_empty());
                    // A long tuple of one kind is told as a list is.
                    if places.len() > MAX_FIELDS {
                        let merged = places.into_iter().reduce(Skeleton::merge).map(Box::new);
                        return Ok(Skeleton::Elements("tuple", merged));
                    }
                    Ok(Skeleton::Tuple(places))
                }
                Kind::Set => {
                    walk.bytes += 7;
                    walk.elements("set", value.cast_exact::<PySet>()?.iter(), value.len()?)
                }
                Kind::FrozenSet => {
                    walk.bytes += 7;
                    walk.elements("frozenset", value.cast_exact::<PyFrozenSet>()?.iter(), value.len()?)
                }
                Kind::Deque => {
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
            self.note(ADAPTER, &info);
        }
        let may_be_fields = all_text && dict.len() <= MAX_FIELDS;
        let mut fields = Vec::new();
        for (key, value) in dict.iter() {
            let name = if may_be_fields { key.cast::<PyString>()?.to_str().ok() } else { None };
            let name = name.filter(|name| is_field_name(name));
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
        names: &[Py<PyString>],
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Skeleton> {
        let held = generic_attr(value, "__dict__");
        let held = held.as_ref().and_then(|held| held.cast::<PyDict>().ok());
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let name = name.bind(value.py());
            let part = match held.map(|held| held.get_item(name)).transpose()?.flatten() {
                Some(part) => Some(part),
                // A slot's descriptor is CPython's own; where there is an instance dictionary a class attribute may
                // be anything.
                None if held.is_none() => generic_attr(value, name.to_str()?),
                None => None,
            };
            self.mix(u64::from(part.is_some()));
            if let Some(part) = part {
                let name = name.to_str()?;
                fields.push((name.to_owned(), self.field(name, &part)?));
            }
        }
        self.bytes -= u64::from(!fields.is_empty());
        Ok(Skeleton::Fields(word, Some(info.name.clone()), fields))
    }
}

/// Whether a dictionary key is a name in the app's source.
fn is_field_name(name: &str) -> bool {
    crate::state::lock().as_ref().is_some_and(|recorder| recorder.is_field_name(name))
}

/// An attribute as `object.__getattribute__` finds it: no `__getattr__` of the app runs.
fn generic_attr<'py>(value: &Bound<'py, PyAny>, name: &str) -> Option<Bound<'py, PyAny>> {
    let name = PyString::intern(value.py(), name);
    // SAFETY: both are live objects; the answer is a new reference, or null with an exception set.
    let found = unsafe {
        Bound::from_owned_ptr_or_opt(value.py(), ffi::PyObject_GenericGetAttr(value.as_ptr(), name.as_ptr()))
    };
    if found.is_none() {
        drop(PyErr::take(value.py()));
    }
    found
}

/// Length of an integer in decimal.
fn int_len(value: i64) -> u64 {
    u64::from(value < 0) + u64::from(value.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1
}

/// Counts what is written to it.
struct Count(u64);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len() as u64;
        Ok(())
    }
}

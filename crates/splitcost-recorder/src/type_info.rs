//! The types of the app's values: names as they are written, and the encoding of their values. Each type is looked at once.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{ffi, intern};
use rustc_hash::FxHashMap;
use splitcost_recording::redact::VALUE;

use crate::source;

/// Types remembered.
///
/// Chosen: far above what a program has, about 30 MB; a program that makes types as it runs is not followed into them.
const MAX_TYPES: usize = 20_000;

/// The encoding of a type's values.
pub(crate) enum Encoding {
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
    Fields(&'static str, u64, Vec<FieldName>),
    NamedTuple(Vec<FieldName>),
    Exception,
    Callback,
    Generator,
    Live,
}

/// The name of a field.
pub(crate) struct FieldName {
    pub(crate) key: Py<PyString>,
    /// The name in the skeleton: `*` where no source spells it out.
    pub(crate) written: String,
    /// Length of the name when it is encoded.
    pub(crate) len: u64,
}

/// The facts of a type.
pub(crate) struct TypeInfo {
    pub(crate) encoding: Encoding,
    /// `module:Qualname` as it is written, with [`VALUE`] in place of what no source spells out.
    pub(crate) name: String,
    /// Length of the name when it is encoded.
    pub(crate) name_len: u64,
    /// Keeps the address taken.
    _type: Py<PyAny>,
}

impl TypeInfo {
    /// Returns the name for people.
    pub(crate) fn dotted(&self) -> String {
        dotted(&self.name)
    }
}

static TYPES: Mutex<Option<FxHashMap<usize, Arc<TypeInfo>>>> = Mutex::new(None);

pub(crate) fn type_of(value: &Bound<'_, PyAny>) -> Arc<TypeInfo> {
    let kind = value.get_type();
    let address = kind.as_ptr() as usize;
    let known = |types: &Option<FxHashMap<usize, Arc<TypeInfo>>>| types.as_ref()?.get(&address).cloned();
    if let Some(info) = known(&TYPES.lock().unwrap_or_else(PoisonError::into_inner)) {
        return info;
    }
    let name = TypeName::of(&kind);
    let room = TYPES.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(|t| t.len() < MAX_TYPES);
    // A type that does not let itself be looked at is no data.
    let looked = if room { encoding_of(&kind, &name).unwrap_or(Encoding::Live) } else { Encoding::Live };
    let (name, name_len) = (name.written(), name.text().len() as u64);
    let info = Arc::new(TypeInfo { encoding: looked, name, name_len, _type: kind.into_any().unbind() });
    if room {
        let mut types = TYPES.lock().unwrap_or_else(PoisonError::into_inner);
        types.get_or_insert_default().insert(address, Arc::clone(&info));
    }
    info
}

/// The name of a type.
struct TypeName {
    module: String,
    qualname: String,
    /// True where source code spells the name out, so that it holds no value.
    is_spelled_out: bool,
}

impl TypeName {
    fn of(kind: &Bound<'_, PyType>) -> Self {
        let part = |value: PyResult<Bound<'_, PyAny>>| value.ok().and_then(|v| v.extract::<String>().ok());
        let module = part(kind.getattr(intern!(kind.py(), "__module__"))).unwrap_or_else(|| "?".to_owned());
        let qualname = part(kind.getattr(intern!(kind.py(), "__qualname__"))).unwrap_or_else(|| "?".to_owned());
        // The types of C libraries have the names that their source gives them.
        // SAFETY: `kind` is a live type object.
        let flags = unsafe { ffi::PyType_GetFlags(kind.as_type_ptr()) };
        let is_of_c = flags & ffi::Py_TPFLAGS_HEAPTYPE == 0 || flags & ffi::Py_TPFLAGS_IMMUTABLETYPE != 0;
        let is_spelled_out = is_of_c || {
            let loaded = loaded_module(kind.py(), &module);
            match loaded {
                None => false,
                Some(_) if source::owner_of(&module).is_some() => source::spells_out_all(&qualname),
                Some(loaded) => source::spells_out_all(&qualname) || is_found_in(&loaded, &qualname, kind),
            }
        };
        Self { module, qualname, is_spelled_out }
    }

    /// Returns `module:Qualname`.
    fn text(&self) -> String {
        format!("{}:{}", self.module, self.qualname)
    }

    /// Returns `module:Qualname` as it is written.
    fn written(&self) -> String {
        if self.is_spelled_out {
            return self.text();
        }
        let module = if source::owner_of(&self.module).is_some() { &self.module } else { VALUE };
        format!("{module}:{VALUE}")
    }
}

/// Returns a module that has been imported under this name.
fn loaded_module<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyAny>> {
    let modules = py.import(intern!(py, "sys")).ok()?.getattr(intern!(py, "modules")).ok()?;
    modules.cast_into::<PyDict>().ok()?.get_item(name).ok()?
}

/// Returns true when a module knows the type by its qualified name, as those of libraries do.
fn is_found_in(module: &Bound<'_, PyAny>, qualname: &str, kind: &Bound<'_, PyType>) -> bool {
    let mut found = module.clone();
    for part in qualname.split('.') {
        let names = if let Ok(outer) = found.cast::<PyType>() {
            outer.getattr(intern!(kind.py(), "__dict__")).ok()
        } else {
            generic_attr(&found, "__dict__")
        };
        let Some(next) = names.and_then(|names| names.get_item(part).ok()) else { return false };
        found = next;
    }
    found.is(kind)
}

/// Returns a type's name for people: `ValueError`, `fastapi.exceptions.HTTPException`.
pub(crate) fn dotted_name(kind: &Bound<'_, PyType>) -> String {
    dotted(&TypeName::of(kind).written())
}

fn dotted(name: &str) -> String {
    name.strip_prefix("builtins:").map_or_else(|| name.replacen(':', ".", 1), str::to_owned)
}

fn encoding_of(kind: &Bound<'_, PyType>, type_name: &TypeName) -> PyResult<Encoding> {
    let text = type_name.text();
    let name = text.as_str();
    let exact = match name {
        "builtins:NoneType" => Some(Encoding::None),
        "builtins:bool" => Some(Encoding::Bool),
        "builtins:int" => Some(Encoding::Int),
        "builtins:float" => Some(Encoding::Float),
        "builtins:str" => Some(Encoding::Str),
        "builtins:list" => Some(Encoding::List),
        "builtins:dict" => Some(Encoding::Dict),
        "builtins:tuple" => Some(Encoding::Tuple),
        "builtins:set" => Some(Encoding::Set),
        "builtins:frozenset" => Some(Encoding::FrozenSet),
        "builtins:bytes" | "builtins:bytearray" => Some(Encoding::Bytes("bytes")),
        "builtins:complex" => Some(Encoding::Complex),
        "collections:OrderedDict" => Some(Encoding::OrderedDict),
        "collections:deque" => Some(Encoding::Deque),
        "decimal:Decimal" => Some(Encoding::Text("decimal")),
        "datetime:datetime" => Some(Encoding::Text("datetime")),
        "datetime:date" => Some(Encoding::Text("date")),
        "datetime:time" => Some(Encoding::Text("time")),
        "datetime:timedelta" => Some(Encoding::Timedelta),
        "uuid:UUID" => Some(Encoding::Uuid),
        _ if name.starts_with("pathlib") && (name.ends_with(":PosixPath") || name.ends_with(":PurePosixPath")) => {
            Some(Encoding::Text("path"))
        }
        _ => None,
    };
    if let Some(exact) = exact {
        return Ok(exact);
    }
    let py = kind.py();
    let bases: Vec<Bound<'_, PyType>> =
        kind.getattr(intern!(py, "__mro__"))?.cast_into::<PyTuple>().map_err(PyErr::from)?.extract()?;
    let names: Vec<String> = bases.iter().map(|base| TypeName::of(base).text()).collect();
    let is_a = |name: &str| names.iter().any(|base| base == name);
    let has = |attribute: &str| -> PyResult<bool> {
        for base in &bases {
            if base.getattr(intern!(py, "__dict__"))?.contains(attribute)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    // The fields of a library's type are spelled out by its source; others may be made of data.
    let is_of_library = type_name.is_spelled_out && source::owner_of(&type_name.module).is_none();
    let fields = |attribute: &str| -> PyResult<Vec<FieldName>> {
        let mut all = Vec::new();
        for field in kind.getattr(attribute)?.try_iter()? {
            let key = field?.cast_into::<PyString>().map_err(PyErr::from)?;
            let name = key.to_str()?;
            let is_written = is_of_library || source::spells_out(name);
            let written = if is_written { name } else { "*" }.to_owned();
            all.push(FieldName { len: name.len() as u64, written, key: key.unbind() });
        }
        Ok(all)
    };
    // A class made inside a function cannot be found by name on the other side.
    if !name.contains("<locals>") {
        if is_a("enum:Enum") {
            return Ok(Encoding::Enum);
        }
        if is_a("pydantic.main:BaseModel") {
            return Ok(Encoding::Fields("model", 19, fields("__pydantic_fields__")?));
        }
        if has("__dataclass_fields__")? {
            return Ok(Encoding::Fields("dataclass", 14, fields("__dataclass_fields__")?));
        }
        if is_a("builtins:tuple") && has("_fields")? {
            return Ok(Encoding::NamedTuple(fields("_fields")?));
        }
        if is_a("builtins:Exception") || is_a("builtins:SystemExit") {
            return Ok(Encoding::Exception);
        }
    }
    if has("__next__")? || has("__anext__")? || is_a("builtins:coroutine") {
        return Ok(Encoding::Generator);
    }
    if has("__call__")? {
        return Ok(Encoding::Callback);
    }
    Ok(Encoding::Live)
}

/// Returns an attribute as `object.__getattribute__` finds it: no `__getattr__` of the app runs.
pub(crate) fn generic_attr<'py>(value: &Bound<'py, PyAny>, name: &str) -> Option<Bound<'py, PyAny>> {
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

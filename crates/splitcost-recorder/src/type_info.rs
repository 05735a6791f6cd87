//! The types of the app's values: names as they are written, and the encoding of their values. Each type is looked at once.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{ffi, intern};
use rustc_hash::FxHashMap;
use splitcost_recording::log::PayloadClassCode as Class;
use splitcost_recording::redact::VALUE;

use crate::inert::{self, instance_dict, is_of_c, own_attr};
use crate::place::{Places, Users};
use crate::{resource, source};

/// Types remembered.
///
/// Chosen: far above what a program passes on, about 20 MB; a program that makes types as it runs is not followed into
/// them.
const MAX_TYPES: usize = 10_000;

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
    /// A row of an object-relational mapper: data, whatever else it holds.
    Row,
    /// An object, judged by its fields: its instance dictionary, and these slots.
    Object(Vec<Slot>),
    /// Text, a number or a container whose class derives from the built-in one.
    Derived(Base),
    /// A row of a database driver: the values in it.
    Record,
    /// A mapping of a library in C: its keys and values.
    Pairs,
    /// A value that its constructor makes again from these attributes.
    Made(&'static [&'static str]),
    /// Data that is taken as a whole: its parts are in C, or could be had only by running code.
    Opaque,
    /// An array: data of as many bytes as its buffer has.
    Buffer,
    /// A read-only view of another mapping.
    Proxy,
    /// An object that stands for one that is made when it is first used.
    Lazy,
    /// A class.
    Class,
    /// A value that cannot be encoded, of this class.
    DeadEnd(Class),
}

/// A built-in type from which others derive.
#[derive(Clone, Copy)]
pub(crate) enum Base {
    Str,
    Int,
    Float,
    List,
    Dict,
    Tuple,
    Bytes,
    Set,
}

/// The names of the built-in types.
const DERIVED: [(&str, Base); 9] = [
    ("builtins:str", Base::Str),
    ("builtins:int", Base::Int),
    ("builtins:float", Base::Float),
    ("builtins:list", Base::List),
    ("builtins:dict", Base::Dict),
    ("builtins:tuple", Base::Tuple),
    ("builtins:bytes", Base::Bytes),
    ("builtins:set", Base::Set),
    ("builtins:frozenset", Base::Set),
];

/// A field in a slot.
pub(crate) struct Slot {
    /// Its name as it is written: `*` where no source spells it out.
    pub(crate) written: String,
    /// Length of the name when it is encoded.
    pub(crate) len: u64,
    /// The interpreter's own descriptor.
    descriptor: Py<PyAny>,
}

impl Slot {
    /// Returns the value in the slot, if there is one.
    pub(crate) fn get<'py>(&self, object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let py = object.py();
        self.descriptor.bind(py).call_method1(intern!(py, "__get__"), (object,)).ok()
    }
}

/// The name of a field.
pub(crate) struct FieldName {
    pub(crate) key: Py<PyString>,
    /// The name in the skeleton: `*` where no source spells it out.
    pub(crate) written: String,
    /// Length of the name when it is encoded.
    pub(crate) len: u64,
    /// The slot that holds it, where one does.
    pub(crate) slot: Option<Slot>,
}

/// The facts of a type.
pub(crate) struct TypeInfo {
    pub(crate) encoding: Encoding,
    /// `module:Qualname` as it is written, with [`VALUE`] in place of what no source spells out.
    pub(crate) name: String,
    /// Length of the name when it is encoded.
    pub(crate) name_len: u64,
    /// True for a class of the app.
    pub(crate) is_own: bool,
    /// The codec of a rehearsal encodes its values, as long as it encodes what they hold.
    pub(crate) is_encoded: bool,
    /// Classes of the app among the type and its bases, as `module:Qualname`, never written.
    pub(crate) own_bases: Vec<String>,
    /// The places of its objects.
    pub(crate) places: Mutex<Places>,
    /// Its objects that methods were called on.
    pub(crate) users: Mutex<Users>,
    /// Keeps the address taken.
    _type: Py<PyAny>,
}

impl TypeInfo {
    /// Returns true when the class was made in this module.
    pub(crate) fn is_defined_in(&self, module: &str) -> bool {
        let own = self.own_bases.first().and_then(|name| name.split_once(':'));
        own.is_some_and(|(of, _)| of == module)
    }

    /// Returns the name for people.
    pub(crate) fn dotted(&self) -> String {
        dotted(&self.name)
    }
}

static TYPES: Mutex<Option<FxHashMap<usize, Arc<TypeInfo>>>> = Mutex::new(None);

/// Returns the facts of a value's type.
pub(crate) fn type_of(value: &Bound<'_, PyAny>) -> Arc<TypeInfo> {
    info_of(&value.get_type())
}

/// Returns the facts of a type.
pub(crate) fn info_of(kind: &Bound<'_, PyType>) -> Arc<TypeInfo> {
    let address = kind.as_ptr() as usize;
    let known = |types: &Option<FxHashMap<usize, Arc<TypeInfo>>>| types.as_ref()?.get(&address).cloned();
    if let Some(info) = known(&TYPES.lock().unwrap_or_else(PoisonError::into_inner)) {
        return info;
    }
    let name = TypeName::of(kind);
    let room = TYPES.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(|t| t.len() < MAX_TYPES);
    let bases: Vec<TypeName> = inert::mro(kind).unwrap_or_default().iter().map(TypeName::of).collect();
    // A type that does not let itself be looked at is no data.
    let looked = if room { encoding_of(kind, &name, &bases).ok() } else { None };
    let own_bases = bases.iter().filter(|base| base.is_own()).map(TypeName::text).collect();
    let encoding = looked.unwrap_or(Encoding::DeadEnd(Class::Live));
    let info = Arc::new(TypeInfo {
        is_encoded: is_encoded(kind, &name, &bases, &encoding),
        encoding,
        name: written_name(&name, &bases),
        name_len: name.text().len() as u64,
        is_own: name.is_own(),
        own_bases,
        places: Mutex::default(),
        users: Mutex::default(),
        _type: kind.clone().into_any().unbind(),
    });
    if room {
        let mut types = TYPES.lock().unwrap_or_else(PoisonError::into_inner);
        types.get_or_insert_default().insert(address, Arc::clone(&info));
    }
    info
}

/// Types, beside those of the app, whose values the codec of a rehearsal encodes.
const ENCODED: [&str; 38] = [
    "array:array",
    "babel.core:Locale",
    "builtins:dict_items",
    "builtins:dict_keys",
    "builtins:dict_values",
    "builtins:ellipsis",
    "builtins:mappingproxy",
    "builtins:range",
    "builtins:slice",
    "collections:Counter",
    "datetime:timezone",
    "dateutil.tz.tz:tzlocal",
    "dateutil.tz.tz:tzoffset",
    "dateutil.tz.tz:tzutc",
    "flask_babel.speaklater:LazyString",
    "fractions:Fraction",
    "ipaddress:IPv4Address",
    "ipaddress:IPv6Address",
    "multidict._multidict:CIMultiDict",
    "multidict._multidict:CIMultiDictProxy",
    "multidict._multidict:MultiDict",
    "multidict._multidict:MultiDictProxy",
    "multidict._multidict:istr",
    "numpy:ndarray",
    "pendulum.tz.timezone:FixedTimezone",
    "pendulum.tz.timezone:Timezone",
    "pydantic.networks:AnyUrl",
    "pydantic.networks:HttpUrl",
    "pydantic.types:SecretBytes",
    "pydantic.types:SecretStr",
    "pydantic_core._pydantic_core:TzInfo",
    "re:Pattern",
    "sqlalchemy.engine.row:Row",
    "sqlalchemy.engine.row:RowMapping",
    "sqlite3:Row",
    "types:SimpleNamespace",
    "yarl:URL",
    "zoneinfo:ZoneInfo",
];
/// Modules of libraries whose objects are the fields that they have, and the name in them for which that is not so.
const PLAIN_MODULES: [&str; 12] = [
    "collections",
    "psycopg2.tz",
    "starlette.datastructures",
    "werkzeug.datastructures.accept",
    "werkzeug.datastructures.auth",
    "werkzeug.datastructures.cache_control",
    "werkzeug.datastructures.csp",
    "werkzeug.datastructures.etag",
    "werkzeug.datastructures.headers",
    "werkzeug.datastructures.mixins",
    "werkzeug.datastructures.range",
    "werkzeug.datastructures.structures",
];
const NOT_PLAIN: &str = "State";
/// Django's user of a request that nobody is logged in for, which has no fields.
const NOBODY: (&str, &str) = ("django.contrib.auth.models", "AnonymousUser");
/// Types of C from which others derive that are data.
const BASES_OF_C: [&str; 15] = [
    "builtins:object",
    "builtins:str",
    "builtins:int",
    "builtins:float",
    "builtins:bytes",
    "builtins:list",
    "builtins:dict",
    "builtins:tuple",
    "builtins:set",
    "builtins:frozenset",
    "collections:OrderedDict",
    "datetime:datetime",
    "datetime:date",
    "datetime:time",
    "datetime:timedelta",
];
/// Modules whose classes add nothing to the fields of an object.
const BARE: [&str; 3] = ["abc", "collections.abc", "typing"];

/// Returns true for a library's class whose objects are known to be the fields that they have.
pub(crate) fn is_plain_of_library(module: &str, qualname: &str) -> bool {
    PLAIN_MODULES.contains(&module) && qualname != NOT_PLAIN || (module, qualname) == NOBODY
}

/// Returns true when the codec (`splitcost.codec`) encodes values of a type as what they hold.
fn is_encoded(kind: &Bound<'_, PyType>, name: &TypeName, bases: &[TypeName], encoding: &Encoding) -> bool {
    if matches!(encoding, Encoding::Fields(..)) || ENCODED.contains(&name.text().as_str()) {
        return true;
    }
    let is_a = |name: &str| bases.iter().any(|base| base.text() == name);
    let is_bare = |base: &TypeName| BARE.contains(&base.module.as_str()) || base.text() == "builtins:object";
    let is_plain = |base: &TypeName| is_plain_of_library(&base.module, &base.qualname);
    let is_named = name.module != "__main__" && is_found(kind);
    match encoding {
        // A class that is made as the program runs is known to its mapper.
        Encoding::Row => true,
        Encoding::Object(_) if is_a("django.utils.functional:Promise") => true,
        Encoding::Object(_) => {
            is_named
                && (name.is_own() || is_plain(name))
                && bases.iter().all(|base| base.is_own() || is_bare(base) || is_plain(base))
        }
        Encoding::Opaque if name.module == "numpy" => !matches!(name.qualname.as_str(), "void" | "object_"),
        Encoding::Opaque if is_a("datetime:tzinfo") => is_named && (name.is_own() || is_plain(name)),
        Encoding::Derived(_) | Encoding::Opaque => is_named && (name.is_own() || adds_nothing_of_c(kind, bases)),
        _ => false,
    }
}

/// Returns true when a class derives from a built-in type of data, and all that it adds is written in Python.
fn adds_nothing_of_c(kind: &Bound<'_, PyType>, bases: &[TypeName]) -> bool {
    let types = inert::mro(kind).unwrap_or_default();
    let is_known = |base: &TypeName| {
        let name = base.text();
        BASES_OF_C.contains(&name.as_str()) || name.starts_with("decimal:") || BARE.contains(&base.module.as_str())
    };
    let has_base = bases.iter().any(|base| is_known(base) && base.text() != "builtins:object");
    has_base && types.iter().zip(bases).all(|(kind, name)| is_known(name) || !is_of_c(kind))
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
        let module = inert::module_of(kind).unwrap_or_else(|| "?".to_owned());
        let qualname = inert::qualname(kind).unwrap_or_else(|| "?".to_owned());
        // The types of C libraries have the names that their source gives them.
        let is_spelled_out = is_of_c(kind) || {
            let loaded = loaded_module(kind.py(), &module);
            match loaded {
                None => false,
                Some(_) if source::is_recorded(&module) => source::spells_out_all(&qualname),
                Some(loaded) => source::spells_out_all(&qualname) || is_found_in(&loaded, &qualname, kind),
            }
        };
        Self { module, qualname, is_spelled_out }
    }

    /// Returns true for a class of the app.
    fn is_own(&self) -> bool {
        self.module == "__main__" || source::is_recorded(&self.module)
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
        let module = if source::is_recorded(&self.module) { &self.module } else { VALUE };
        format!("{module}:{VALUE}")
    }
}

/// Returns the name as it is written. A class of a library that is made as the program runs goes by what it derives from.
fn written_name(name: &TypeName, bases: &[TypeName]) -> String {
    let is_hidden = !name.is_spelled_out && !source::is_recorded(&name.module);
    let is_known = |base: &&TypeName| base.is_spelled_out && base.text() != "builtins:object";
    let base = bases.iter().find(is_known).filter(|_| is_hidden);
    base.unwrap_or(name).written()
}

/// Returns a module that has been imported under this name.
fn loaded_module<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyAny>> {
    inert::loaded_modules(py)?.get_item(name).ok()?
}

/// Returns true when the type can be imported by its name.
pub(crate) fn is_found(kind: &Bound<'_, PyType>) -> bool {
    let (Some(module), Some(qualname)) = (inert::module_of(kind), inert::qualname(kind)) else { return false };
    loaded_module(kind.py(), &module).is_some_and(|loaded| is_found_in(&loaded, &qualname, kind))
}

/// Returns true when a module knows the type by its qualified name, as those of libraries do.
fn is_found_in(module: &Bound<'_, PyAny>, qualname: &str, kind: &Bound<'_, PyType>) -> bool {
    let mut found = module.clone();
    for part in qualname.split('.') {
        let next = match found.cast::<PyType>() {
            Ok(outer) => own_attr(outer, part),
            Err(_) => instance_dict(&found).and_then(|names| names.get_item(part).ok().flatten()),
        };
        let Some(next) = next else { return false };
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

/// Types of C whose subclasses are data, whatever these add: dates, time zones, numbers.
const DATA_OF_C: [&str; 6] =
    ["datetime:tzinfo", "datetime:date", "datetime:time", "datetime:timedelta", "decimal:Decimal", "numpy:generic"];

/// Returns the encoding of a type that is known by its name and is what it is called.
fn known_encoding(name: &str) -> Option<Encoding> {
    Some(match name {
        "builtins:NoneType" => Encoding::None,
        "builtins:bool" => Encoding::Bool,
        "builtins:int" => Encoding::Int,
        "builtins:float" => Encoding::Float,
        "builtins:str" => Encoding::Str,
        "builtins:list" | "sqlalchemy.orm.collections:InstrumentedList" => Encoding::List,
        "builtins:dict" | "sqlalchemy.ext.mutable:MutableDict" => Encoding::Dict,
        "builtins:tuple" => Encoding::Tuple,
        "builtins:set" => Encoding::Set,
        "builtins:frozenset" => Encoding::FrozenSet,
        "builtins:bytes" | "builtins:bytearray" => Encoding::Bytes("bytes"),
        "builtins:complex" => Encoding::Complex,
        "collections:OrderedDict" => Encoding::OrderedDict,
        "collections:deque" => Encoding::Deque,
        "decimal:Decimal" => Encoding::Text("decimal"),
        "datetime:datetime" => Encoding::Text("datetime"),
        "datetime:date" => Encoding::Text("date"),
        "datetime:time" => Encoding::Text("time"),
        "datetime:timedelta" => Encoding::Timedelta,
        "uuid:UUID" => Encoding::Uuid,
        "sqlite3:Row"
        | "asyncpg.protocol.record:Record"
        | "builtins:dict_keys"
        | "builtins:dict_values"
        | "builtins:dict_items"
        | "frozenlist._frozenlist:FrozenList" => Encoding::Record,
        "multidict._multidict:MultiDict"
        | "multidict._multidict:CIMultiDict"
        | "multidict._multidict:MultiDictProxy"
        | "multidict._multidict:CIMultiDictProxy" => Encoding::Pairs,
        "builtins:mappingproxy" => Encoding::Proxy,
        "builtins:memoryview" | "array:array" | "numpy:ndarray" | "msgspec:Raw" => Encoding::Buffer,
        "builtins:ellipsis"
        | "builtins:NotImplementedType"
        | "datetime:timezone"
        | "msgspec:UnsetType"
        | "flask_babel.speaklater:LazyString"
        | "pydantic.networks:AnyUrl"
        | "pydantic.networks:HttpUrl"
        | "yarl:URL" => Encoding::Opaque,
        "sqlalchemy.engine.row:Row" | "sqlalchemy.engine.row:RowMapping" => Encoding::Made(&["_data"]),
        "re:Pattern" => Encoding::Made(&["pattern", "flags"]),
        "builtins:range" | "builtins:slice" => Encoding::Made(&["start", "stop", "step"]),
        "zoneinfo:ZoneInfo" => Encoding::Made(&["key"]),
        "babel.core:Locale" => Encoding::Made(&["language", "territory", "script", "variant", "modifier"]),
        _ if name.starts_with("pathlib") && (name.ends_with(":PosixPath") || name.ends_with(":PurePosixPath")) => {
            Encoding::Text("path")
        }
        _ => return None,
    })
}

fn encoding_of(kind: &Bound<'_, PyType>, type_name: &TypeName, bases: &[TypeName]) -> PyResult<Encoding> {
    let name = type_name.text();
    if let Some(known) = known_encoding(&name)
        && (is_of_c(kind) || is_found(kind))
    {
        return Ok(known);
    }
    let types = inert::mro(kind)?;
    let is_a = |name: &str| bases.iter().any(|base| base.text() == name);
    let attr = |name: &str| types.iter().find_map(|base| own_attr(base, name));
    let has = |name: &str| attr(name).is_some();
    // The fields of a library's type are spelled out by its source; others may be made of data.
    let is_of_library = type_name.is_spelled_out && !source::is_recorded(&type_name.module);
    let written = |name: &str| if is_of_library || source::spells_out(name) { name } else { "*" }.to_owned();
    let fields = |attribute: &str| -> PyResult<Vec<FieldName>> {
        let declared = attr(attribute);
        let keys: Vec<Bound<'_, PyAny>> = match &declared {
            Some(declared) if declared.is_exact_instance_of::<PyDict>() => {
                declared.cast::<PyDict>()?.keys().iter().collect()
            }
            Some(declared) => declared.cast_exact::<PyTuple>()?.iter().collect(),
            None => Vec::new(),
        };
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let key = key.cast_into::<PyString>().map_err(PyErr::from)?;
            let name = key.to_str()?;
            let (len, written) = (name.len() as u64, written(name));
            let descriptor = attr(name).filter(|stored| is_descriptor(stored, "member_descriptor"));
            let slot = descriptor.map(|d| Slot { written: written.clone(), len, descriptor: d.unbind() });
            all.push(FieldName { len, written, key: key.unbind(), slot });
        }
        Ok(all)
    };
    if is_a("builtins:type") {
        return Ok(Encoding::Class);
    }
    let is_row = has("_sa_class_manager") || is_a("django.db.models.base:Model");
    // A class made inside a function cannot be found by name on the other side.
    if !name.contains("<locals>") {
        if is_a("enum:Enum") {
            return Ok(Encoding::Enum);
        }
        if is_a("pydantic.main:BaseModel") {
            return Ok(Encoding::Fields("model", 19, fields("__pydantic_fields__")?));
        }
        if has("__dataclass_fields__") && !is_row {
            return Ok(Encoding::Fields("dataclass", 14, fields("__dataclass_fields__")?));
        }
        if is_a("builtins:tuple") && has("_fields") {
            return Ok(Encoding::NamedTuple(fields("_fields")?));
        }
        if is_a("builtins:Exception") || is_a("builtins:SystemExit") {
            return Ok(Encoding::Exception);
        }
    }
    if is_row {
        return Ok(Encoding::Row);
    }
    if let Some(class) = bases.iter().find_map(|base| resource::class_of(&base.module, &base.qualname)) {
        return Ok(Encoding::DeadEnd(class));
    }
    if is_a("django.utils.functional:LazyObject") {
        return Ok(Encoding::Lazy);
    }
    if DATA_OF_C.into_iter().any(is_a) {
        return Ok(Encoding::Opaque);
    }
    if is_a("_io:_IOBase") {
        return Ok(Encoding::DeadEnd(Class::Live));
    }
    if has("__next__") || has("__anext__") || is_a("builtins:coroutine") {
        return Ok(Encoding::DeadEnd(Class::Generator));
    }
    if let Some((_, base)) = DERIVED.into_iter().find(|(base, _)| is_a(base)) {
        return Ok(Encoding::Derived(base));
    }
    // What can be called is data only where the app says how it is used.
    if (type_name.is_own() || !has("__call__")) && shows_its_state(&types, bases) {
        let mut slots = Vec::new();
        for base in &types {
            for item in inert::type_dict(base)?.call_method0("items")?.try_iter()? {
                let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
                if let Ok(key) = key.cast_exact::<PyString>()
                    && is_descriptor(&value, "member_descriptor")
                {
                    let name = key.to_str()?;
                    slots.push(Slot { written: written(name), len: name.len() as u64, descriptor: value.unbind() });
                }
            }
        }
        return Ok(Encoding::Object(slots));
    }
    Ok(Encoding::DeadEnd(if has("__call__") { Class::Callback } else { Class::Live }))
}

/// Returns true when all that an object holds is in its instance dictionary and its slots, and when it does not pass
/// itself off as another, as proxies do.
fn shows_its_state(types: &[Bound<'_, PyType>], bases: &[TypeName]) -> bool {
    types.iter().zip(bases).all(|(kind, name)| match name.text().as_str() {
        "builtins:object" | "typing:Generic" | "types:SimpleNamespace" | "msgspec._core:_StructMixin" => true,
        _ => {
            !is_of_c(kind)
                && own_attr(kind, "__class__").is_none()
                && own_attr(kind, "__dict__").is_none_or(|dict| is_descriptor(&dict, "getset_descriptor"))
        }
    })
}

/// Returns true for a descriptor that the interpreter itself has made.
fn is_descriptor(value: &Bound<'_, PyAny>, name: &str) -> bool {
    let kind = value.get_type();
    is_of_c(&kind) && inert::qualname(&kind).is_some_and(|found| found == name)
}

/// Returns an attribute of an object whose type is not the app's, as `object.__getattribute__` finds it.
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

//! Samples of payloads: arguments and result of a call, from its beginning to its end.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use splitcost_recording::log::{LoggedReceiver, PayloadClassCode as Class, Record};
use splitcost_recording::skeleton::Skeleton;

use crate::code::CallSite;
use crate::defaults::Defaults;
use crate::obstacle::Obstacles;
use crate::receiver;
use crate::state::Arguments;
use crate::type_info::type_of;
use crate::walk::Walk;

/// Items of a generator that belong to the sample of its call.
///
/// Chosen: the items of one generator are alike.
const MAX_ITEMS: u32 = 3;

/// One payload, as the log has it.
pub(crate) struct Payload {
    pub(crate) is_result: bool,
    pub(crate) skeleton: String,
    pub(crate) encoded_bytes: u64,
    pub(crate) nodes: u64,
    /// Path and type of the first value that needs an adapter.
    pub(crate) adapted: Option<String>,
    pub(crate) obstacles: Obstacles,
    pub(crate) receiver: Option<LoggedReceiver>,
}

impl Payload {
    /// Returns the record of this payload.
    pub(crate) fn into_record(self, call: u64, shape: u32, file: String, line: u32) -> Record {
        let (class, path) = match (self.obstacles.worst(), self.adapted) {
            (Some(worst), _) => (worst.class, worst.path.clone()),
            (None, Some(path)) => (Class::Adapter, path),
            (None, None) => (Class::Plain, String::new()),
        };
        Record::Payload {
            call,
            result: self.is_result,
            shape,
            encoded_bytes: self.encoded_bytes,
            nodes: self.nodes,
            class,
            path,
            obstacles: self.obstacles.into_log(),
            receiver: self.receiver,
            file,
            line,
        }
    }
}

/// The sample of a call, from its beginning to its end.
pub(crate) struct Sample {
    /// Call site.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) payloads: Vec<Payload>,
    watched: Vec<Watched>,
    /// Items that a generator may still give for the sample.
    items_wanted: u32,
    gives_wrapped_items: bool,
    /// The call belongs to the execution of a statement that others have issued.
    pub(crate) wraps_statements: bool,
}

/// An argument that is looked at again at the end.
struct Watched {
    name: String,
    role: Role,
    address: usize,
    /// The argument; absent once the call was suspended, since that call may never end. It is then found by its name.
    held: Option<Py<PyAny>>,
}

/// The reason for looking again.
enum Role {
    /// It may be changed: the fingerprint of its value when the call began.
    Argument(u64),
    /// The same, of the value that a method was called on.
    Receiver(u64),
    /// It gets its fields by this call.
    New,
}

impl Sample {
    /// Looks at the arguments of a call that begins; the first may be what a method was called on. Those that were left out are
    /// not sent.
    pub(crate) fn of_arguments<'py>(
        arguments: &Arguments,
        locals: &Bound<'py, PyAny>,
        defaults: &Defaults<'py>,
        site: CallSite,
    ) -> PyResult<Self> {
        let Arguments { names, method, function, gathered } = arguments;
        let mut walk = Walk::new("arguments");
        let mut fields = Vec::with_capacity(names.len());
        let mut watched = Vec::new();
        let mut called_on = None;
        let mut wraps_statements = site.executes_statements;
        walk.bytes += 3;
        for (i, name) in names.iter().enumerate() {
            // An argument that an inner function captures may not be set up yet; it then has no value to look at.
            let Ok(mut value) = locals.get_item(name.as_str()) else { continue };
            let mut watch = |role, value: Bound<'_, PyAny>| {
                let address = value.as_ptr() as usize;
                watched.push(Watched { name: name.clone(), role, address, held: Some(value.unbind()) });
            };
            let several = value.cast_exact::<PyTuple>().ok().filter(|_| *gathered == Some(i)).cloned();
            let first = match &several {
                Some(several) => several.get_item(0).ok(),
                None => (i == 0).then(|| value.clone()),
            };
            if let (Some(method), Some(first)) = (method, first)
                && method.is_called_on(&first)
            {
                let is_new = method.is_constructor();
                wraps_statements |= method.extends_database(&first);
                let library = site.library.as_deref();
                if library.is_some_and(|library| method.extends_library(&first, library)) {
                    called_on = Some(receiver::extension(Some(&first), receiver::EXTENDS_LIBRARY));
                } else if wraps_statements {
                    called_on = Some(receiver::extension(Some(&first), receiver::WRAPS_STATEMENTS));
                } else {
                    let mut looked = receiver::look(&first, is_new)?;
                    let is_given = library.filter(|_| site.is_installed).is_some_and(|library| {
                        receiver::is_kept(&looked.receiver) && method.is_given_to(library)
                            || receiver::is_class(&looked.receiver) && method.is_given_to_data(library)
                    });
                    if is_given {
                        looked.receiver = receiver::extension(Some(&first), receiver::GIVEN_TO_LIBRARY);
                    }
                    called_on = Some(looked.receiver);
                    match looked.hash {
                        _ if is_new => watch(Role::New, first),
                        Some(hash) => watch(Role::Receiver(hash), first),
                        None => {}
                    }
                }
                let Some(several) = several else { continue };
                value = several.get_slice(1, several.len()).into_any();
            }
            if defaults.are(i, name, &value) {
                continue;
            }
            let before = std::mem::take(&mut walk.hash);
            (walk.is_changeable, walk.has_unmade) = (false, false);
            let skeleton = walk.field(name, &value)?;
            let hash = std::mem::replace(&mut walk.hash, before);
            if walk.is_changeable && !walk.has_unmade {
                watch(Role::Argument(hash), value);
            }
            fields.push((name.clone(), skeleton));
        }
        walk.bytes -= u64::from(!fields.is_empty());
        let mut payload = walk.into_payload(false, &Skeleton::Fields("arguments", None, fields));
        let CallSite { library: maker, is_installed, .. } = &site;
        if let (Some((module, name)), Some(maker)) = (function, maker)
            && *is_installed
            && receiver::is_given_to_data(maker, module, name)
        {
            called_on = Some(receiver::extension(None, receiver::GIVEN_TO_LIBRARY));
        }
        let wrapper = || wraps_statements.then(|| receiver::extension(None, receiver::WRAPS_STATEMENTS));
        payload.receiver = called_on.or_else(wrapper);
        Ok(Self {
            file: site.file,
            line: site.line,
            payloads: vec![payload],
            watched,
            items_wanted: 0,
            gives_wrapped_items: false,
            wraps_statements,
        })
    }

    /// Notes that the call's result is a generator, which is iterated over or is a context manager.
    pub(crate) fn add_generator(&mut self, class: Class, type_name: &str) {
        let mut skeleton = String::new();
        Skeleton::Named(class.name(), format!("builtins:{type_name}")).write_json(&mut skeleton);
        let mut obstacles = Obstacles::default();
        obstacles.add(class, "result", type_name);
        self.items_wanted = MAX_ITEMS;
        self.gives_wrapped_items = type_name.starts_with("async");
        self.payloads.push(Payload {
            is_result: true,
            skeleton,
            encoded_bytes: 0,
            nodes: 1,
            adapted: None,
            obstacles,
            receiver: None,
        });
    }

    /// Returns true when an item of the generator that the call is belongs to the sample.
    pub(crate) fn wants_items(&self) -> bool {
        self.items_wanted > 0
    }

    /// Returns true when items come in a wrapper, which tells them from what the generator awaits.
    pub(crate) fn gives_wrapped_items(&self) -> bool {
        self.gives_wrapped_items
    }

    /// Looks at an item that a generator gives, or at what a context manager gives when it is entered.
    pub(crate) fn add_item(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.items_wanted -= 1;
        let mut walk = Walk::new("result[*]");
        walk.value(item)?;
        if let Some(result) = self.payloads.iter_mut().find(|payload| payload.is_result) {
            result.obstacles.append(walk.obstacles);
        }
        Ok(())
    }

    /// Lets go of the arguments, for the caller to drop.
    pub(crate) fn release(&mut self, released: &mut Vec<Py<PyAny>>) {
        released.extend(self.watched.iter_mut().filter_map(|argument| argument.held.take()));
    }

    /// Looks at the arguments again, and at the result if there is one. `frame` returns the frame of the call.
    pub(crate) fn finish<'py>(
        &mut self,
        py: Python<'py>,
        frame: impl FnOnce() -> Option<Bound<'py, PyAny>>,
        result: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let is_looked_up = self.watched.iter().any(|argument| argument.held.is_none());
        let frame = if is_looked_up { frame() } else { None };
        let locals = frame.map(|frame| frame.getattr(intern!(py, "f_locals"))).transpose()?;
        let arguments = &mut self.payloads[0];
        for argument in &self.watched {
            let value = match (&argument.held, &locals) {
                (Some(value), _) => value.bind(py).clone(),
                // A name that the function has since bound to another object says nothing about the argument.
                (None, Some(locals)) => match locals.get_item(argument.name.as_str()) {
                    Ok(value) if value.as_ptr() as usize == argument.address => value,
                    _ => continue,
                },
                (None, None) => continue,
            };
            match argument.role {
                Role::Argument(hash) => {
                    let mut walk = Walk::new("arguments");
                    walk.field(&argument.name, &value)?;
                    if walk.hash != hash {
                        let path = format!("arguments.{}", argument.name);
                        arguments.obstacles.add(Class::Mutated, &path, &type_of(&value).dotted());
                    }
                }
                Role::Receiver(hash) => {
                    let looked = receiver::look(&value, true)?;
                    if let Some(receiver) = arguments.receiver.as_mut().filter(|_| looked.hash != Some(hash)) {
                        receiver::note_change(receiver, &value);
                    }
                }
                Role::New => arguments.receiver = Some(receiver::look(&value, true)?.receiver),
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

//! The recorded facts about a function that decide about its calls, whatever the split.

use serde::{Deserialize, Serialize};

use crate::adaptation::Adaptation;
use crate::recording::{Function, FunctionKind, Makes, PayloadClass, ReceiverKind, Recording};

/// The work that a call needs before it can cross between services. A later one needs more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// Data that can be encoded, and a function at module level: crosses as it is.
    #[default]
    Ready,
    /// A resource that the callee obtains for itself, an iterator that is sent in batches, changes that are sent back, or a
    /// function that its own module has handed out (a hook, an entry of a table), whose holder is given a stub.
    Adapted,
    /// A method of a service object, which is addressed by its name or made again from its constructor's arguments.
    Object,
    /// An object that must stay where it is: a handle crosses, and each use of it is a crossing back.
    ByReference,
    /// A callback, an unknown live resource, or an object that nobody can rebuild: the code has to change.
    Rewrite,
}

impl Readiness {
    /// Every readiness, the least work first.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Adapted, Self::Object, Self::ByReference, Self::Rewrite];

    /// Returns the words used in documents and in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Adapted => "adapted",
            Self::Object => "object",
            Self::ByReference => "by reference",
            Self::Rewrite => "rewrite",
        }
    }

    /// Returns the readiness of a call that carries a value of this class.
    pub fn of(class: PayloadClass) -> Self {
        match class {
            PayloadClass::Plain | PayloadClass::Adapter => Self::Ready,
            PayloadClass::Value
            | PayloadClass::Mutated
            | PayloadClass::Generator
            | PayloadClass::Resource
            | PayloadClass::Named => Self::Adapted,
            PayloadClass::Carried | PayloadClass::Service => Self::Object,
            PayloadClass::ContextManager | PayloadClass::Reference => Self::ByReference,
            PayloadClass::Callback | PayloadClass::Live => Self::Rewrite,
        }
    }
}

/// Spec: the Python language reference, "Customizing attribute access".
const ATTRIBUTE_ACCESS: [&str; 8] = [
    "__get__",
    "__set__",
    "__delete__",
    "__set_name__",
    "__getattr__",
    "__getattribute__",
    "__setattr__",
    "__delattr__",
];

/// A reason why a function never crosses, whatever its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Local {
    /// A nested function, a lambda or a generator expression runs where it is held. A decorated function does not
    /// count as nested: it has the name of the function under its decorators.
    Nested,
    /// An object is made where it is wanted; a service object is made again from the arguments.
    Constructor,
    /// The interpreter calls it where an attribute of an object is used, or a class is made.
    AttributeAccess,
    /// It returns a coroutine, a generator or a context manager of another function of the app, whose own call follows.
    CoroutineMaker,
    /// Every service has the code of a value, whose methods run where it is.
    ValueMethod,
    /// A library calls code that extends it, wherever it runs.
    Extension,
}

impl Local {
    /// Returns the words used in text: the kind of function, and where it runs.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Nested => "a nested function, which runs where it is held",
            Self::Constructor => "a constructor, which runs where the object is made",
            Self::AttributeAccess => "a method for access to attributes, which runs where the object is",
            Self::CoroutineMaker => "a function that only makes a coroutine, whose own call follows",
            Self::ValueMethod => "a method of a value, which runs where the value is",
            Self::Extension => "code that extends a library, which runs where the library is",
        }
    }
}

/// The facts about a function that decide about its calls.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crossability {
    pub(super) verdict: Result<Readiness, Local>,
    /// Arguments and result were sampled, and neither needs a rewrite.
    pub(super) is_measured: bool,
    /// A rehearsal makes its calls remotely with the code as it is.
    pub(super) is_rehearsed: bool,
    /// The caller enters what it returns, and exits it later.
    pub(super) is_context_manager: bool,
    pub(super) database: DatabaseUse,
}

/// The use that the calls of a function make of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DatabaseUse {
    /// A call issued a statement, or called what issued one.
    pub(super) issues_statements: bool,
    /// A call carried a session or a connection.
    pub(super) carries_session: bool,
}

impl DatabaseUse {
    /// Returns true if a transaction of its caller's that is open keeps a call there.
    pub(super) fn needs_writes(self) -> bool {
        self.issues_statements || self.carries_session
    }
}

impl Crossability {
    /// Returns the facts about a function that its own module hands out: whoever holds it has to be given a stub.
    pub(super) fn handed_out(self) -> Self {
        Self { verdict: self.verdict.map(|readiness| readiness.max(Readiness::Adapted)), ..self }
    }
}

/// Returns, per function, the work that its calls need; `None` where they never cross, however the app is split.
pub fn readiness(recording: &Recording) -> Vec<Option<Readiness>> {
    crossabilities(recording, &Adaptation::default()).into_iter().map(|facts| facts.verdict.ok()).collect()
}

/// Returns, per function, the reason why it never crosses; `None` where a call of it can.
pub fn never_crosses(recording: &Recording) -> Vec<Option<Local>> {
    crossabilities(recording, &Adaptation::default()).into_iter().map(|facts| facts.verdict.err()).collect()
}

/// The sampled payloads of a function.
#[derive(Clone, Copy, Default)]
struct Samples {
    arguments: bool,
    /// The class of the results that needs most work.
    result: Option<PayloadClass>,
    /// The results that hold an iterator whose items nobody saw.
    iterators: u32,
    /// The class of arguments and results that needs most work.
    class: PayloadClass,
    /// The receiver that needs most work.
    receiver: Option<ReceiverKind>,
    /// Something that a call carried cannot leave its process.
    stays: bool,
    database: DatabaseUse,
    /// Calls that ended, and those of them that only made another call.
    ended: u32,
    makers: u32,
    /// The result of a call is awaited by its caller, and never seen.
    is_awaited: bool,
}

pub(super) fn crossabilities(recording: &Recording, adaptation: &Adaptation) -> Vec<Crossability> {
    let mut samples = vec![Samples::default(); recording.functions.len()];
    for request in &recording.requests {
        for statement in &request.statements {
            let mut call = statement.call as usize;
            while call != 0 {
                samples[request.calls[call].function as usize].database.issues_statements = true;
                call = request.calls[call].parent as usize;
            }
        }
    }
    for call in recording.requests.iter().flat_map(|request| &request.calls) {
        let seen = &mut samples[call.function as usize];
        // A call that raises makes nothing, whatever its function does.
        seen.ended += u32::from(call.exception.is_none());
        seen.makers += u32::from(call.makes == Makes::Call);
        seen.is_awaited |= call.makes == Makes::Awaitable;
        if let Some(arguments) = &call.arguments {
            seen.arguments = true;
            seen.class = seen.class.max(arguments.class);
            seen.receiver = seen.receiver.max(arguments.receiver.as_ref().map(|receiver| receiver.kind));
            seen.stays |= arguments.obstacles.iter().any(|obstacle| !adaptation.takes_argument(obstacle));
            let fields = arguments.receiver.iter().flat_map(|receiver| &receiver.obstacles);
            seen.database.carries_session |= arguments.obstacles.iter().chain(fields).any(Adaptation::is_of_database);
            seen.stays |= arguments.receiver.as_ref().is_some_and(|receiver| !adaptation.takes_receiver(receiver));
            // A call that raises has no result to be measured.
            seen.result = seen.result.or(call.exception.as_ref().map(|_| PayloadClass::Plain));
        }
        // What is made has a call with a result of its own.
        if let Some(result) = call.result.as_ref().filter(|_| call.makes != Makes::Call) {
            seen.stays |= result.obstacles.iter().any(|obstacle| !adaptation.takes_result(obstacle));
            // A generator function's items have been sampled; those of other iterators would be taken from the app.
            let is_iterator = |class: PayloadClass| class == PayloadClass::Generator;
            let has_iterator = is_iterator(result.class) || result.obstacles.iter().any(|held| is_iterator(held.class));
            seen.iterators += u32::from(has_iterator);
            seen.result = seen.result.max(Some(result.class));
            seen.class = seen.class.max(result.class);
        }
    }
    recording.functions.iter().zip(samples).map(|(function, seen)| crossability(function, seen)).collect()
}

fn crossability(function: &Function, seen: Samples) -> Crossability {
    let verdict = verdict(function, seen);
    let gives_items = matches!(function.kind, FunctionKind::Generator | FunctionKind::AsyncGenerator);
    let is_measured = seen.arguments
        && seen.result.is_some()
        && !seen.is_awaited
        && (gives_items || seen.iterators == 0)
        && verdict != Ok(Readiness::Rewrite);
    let is_context_manager = seen.result == Some(PayloadClass::ContextManager);
    let is_rehearsed = match verdict {
        Ok(Readiness::Ready) => true,
        Ok(Readiness::Rewrite) | Err(_) => false,
        // A transaction that is entered elsewhere is not the caller's.
        Ok(_) => seen.arguments && !seen.stays && !(is_context_manager && seen.database.issues_statements),
    };
    Crossability { verdict, is_measured, is_rehearsed, is_context_manager, database: seen.database }
}

fn verdict(function: &Function, seen: Samples) -> Result<Readiness, Local> {
    let (class, name) = function.qualname.rsplit_once('.').unwrap_or(("", &function.qualname));
    if function.qualname.contains('<') {
        return Err(Local::Nested);
    }
    if !class.is_empty() && matches!(name, "__init__" | "__new__" | "__post_init__" | "__init_subclass__") {
        return Err(Local::Constructor);
    }
    if !class.is_empty() && ATTRIBUTE_ACCESS.contains(&name) {
        return Err(Local::AttributeAccess);
    }
    if seen.makers > 0 && seen.makers == seen.ended {
        return Err(Local::CoroutineMaker);
    }
    let of_kind = match function.kind {
        FunctionKind::Plain | FunctionKind::Coroutine => Readiness::Ready,
        FunctionKind::Generator | FunctionKind::AsyncGenerator => Readiness::Adapted,
    };
    let of_receiver = match seen.receiver {
        Some(ReceiverKind::Value) => return Err(Local::ValueMethod),
        Some(ReceiverKind::Extension) => return Err(Local::Extension),
        Some(ReceiverKind::Reference) => Readiness::ByReference,
        Some(ReceiverKind::Service | ReceiverKind::Class) => Readiness::Object,
        // A static method, or one that was not sampled.
        None if !class.is_empty() => Readiness::Object,
        None => Readiness::Ready,
    };
    Ok(of_kind.max(of_receiver).max(Readiness::of(seen.class)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(qualname: &str, kind: FunctionKind, class: PayloadClass, receiver: Option<ReceiverKind>) -> String {
        let function = Function { module: 1, qualname: qualname.into(), kind, ..Function::default() };
        let seen = Samples { arguments: true, result: Some(class), class, receiver, ..Samples::default() };
        match verdict(&function, seen) {
            Ok(readiness) => readiness.name().to_owned(),
            Err(local) => format!("{local:?}"),
        }
    }

    #[test]
    fn a_call_is_as_ready_as_the_value_that_needs_most_work() {
        use FunctionKind::{AsyncGenerator, Coroutine, Plain};
        use PayloadClass as C;
        use ReceiverKind as R;
        let table = [
            ("quote", Plain, C::Plain, None, "ready"),
            ("quote", Coroutine, C::Adapter, None, "ready"),
            ("rows", AsyncGenerator, C::Plain, None, "adapted"),
            ("locked", FunctionKind::Generator, C::ContextManager, None, "by reference"),
            ("save", Plain, C::Resource, None, "adapted"),
            ("save", Plain, C::Mutated, None, "adapted"),
            ("save", Plain, C::Service, None, "object"),
            ("save", Plain, C::Reference, None, "by reference"),
            ("each", Plain, C::Callback, None, "rewrite"),
            ("Orders.place", Plain, C::Plain, Some(R::Service), "object"),
            ("Orders.place", Plain, C::Live, Some(R::Service), "rewrite"),
            ("Orders.make", Plain, C::Plain, Some(R::Class), "object"),
            ("Orders.rate", Plain, C::Plain, None, "object"),
            ("Cart.add", Plain, C::Plain, Some(R::Reference), "by reference"),
            ("Line.total", Plain, C::Plain, Some(R::Value), "ValueMethod"),
            ("Money.process_bind_param", Plain, C::Live, Some(R::Extension), "Extension"),
            ("Orders.__init__", Plain, C::Live, Some(R::Service), "Constructor"),
            ("Injected.__get__", Plain, C::Live, Some(R::Service), "AttributeAccess"),
            ("Settings.__getattr__", Plain, C::Plain, Some(R::Reference), "AttributeAccess"),
            ("__getattr__", Plain, C::Plain, None, "ready"),
            ("cached.<locals>.wrapper", Plain, C::Plain, None, "Nested"),
            ("f.<locals>.<genexpr>", FunctionKind::Generator, C::Plain, None, "Nested"),
        ];
        for (qualname, kind, class, receiver, expected) in table {
            assert_eq!(of(qualname, kind, class, receiver), expected, "{qualname} {class:?} {receiver:?}");
        }
    }
}

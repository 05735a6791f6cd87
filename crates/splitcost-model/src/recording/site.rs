//! Places in the app's code: of calls and of statements, with what is in the way of a call that needs work.

use std::collections::BTreeMap;

use super::{Function, FunctionId, FunctionKind, ModuleId, Obstacle, PayloadClass, Receiver, ReceiverKind, Recording};

/// Obstacles of one function that are named.
///
/// Chosen: a list of more is not read.
const NAMED_OBSTACLES: usize = 3;

/// The call sites of a recording, and what is in the way of each function's calls.
#[derive(Clone, Debug)]
pub struct CallSites<'a> {
    recording: &'a Recording,
    /// The place of a sampled call, by calling module and function, in the requests of one endpoint and in any.
    places: BTreeMap<(ModuleId, FunctionId, Option<&'a str>), (&'a str, u32)>,
    /// The values in the way, in the order of their first appearance.
    obstacles: BTreeMap<FunctionId, Vec<&'a Obstacle>>,
    receivers: BTreeMap<FunctionId, &'a Receiver>,
}

impl<'a> CallSites<'a> {
    /// Finds the call sites of a recording.
    pub fn of(recording: &'a Recording) -> Self {
        let mut sites =
            Self { recording, places: BTreeMap::new(), obstacles: BTreeMap::new(), receivers: BTreeMap::new() };
        for request in &recording.requests {
            for call in request.calls.iter().skip(1) {
                for payload in [&call.arguments, &call.result].into_iter().flatten() {
                    if !payload.file.is_empty() {
                        let caller = recording.functions[request.calls[call.parent as usize].function as usize].module;
                        let place = (payload.file.as_str(), payload.line);
                        for endpoint in [Some(request.endpoint.as_str()), None] {
                            let known = sites.places.entry((caller, call.function, endpoint)).or_insert(place);
                            if is_of_library(known.0) && !is_of_library(place.0) {
                                *known = place;
                            }
                        }
                    }
                    let known = sites.obstacles.entry(call.function).or_default();
                    for obstacle in &payload.obstacles {
                        if !known.contains(&obstacle) {
                            known.push(obstacle);
                        }
                    }
                    if let Some(receiver) = &payload.receiver {
                        sites.receivers.entry(call.function).or_insert(receiver);
                    }
                }
            }
        }
        sites
    }

    /// Returns the file and line of a call in the requests of an endpoint, or in any, or of its function's definition where the
    /// call came from outside the app. A place in a library is the last resort: the app itself may be installed as one.
    pub fn of_call(&self, caller: ModuleId, function: FunctionId, endpoint: Option<&str>) -> (String, u32) {
        let defined = &self.recording.functions[function as usize];
        let definition = (defined.file.as_str(), defined.line);
        let at = |endpoint| self.places.get(&(caller, function, endpoint));
        let (file, line) = match at(endpoint).or_else(|| at(None)) {
            Some(place) if !is_of_library(place.0) || is_of_library(definition.0) => *place,
            _ => definition,
        };
        (file.to_owned(), line)
    }

    /// Returns the file and line of a statement, or of the function that issues it.
    pub fn of_statement(&self, text: u32, function: FunctionId) -> (String, u32) {
        let statements = self.recording.requests.iter().flat_map(|request| &request.statements);
        let mut known = statements.filter(|statement| statement.text == text && !statement.file.is_empty());
        let defined = &self.recording.functions[function as usize];
        known
            .next()
            .map_or_else(|| (defined.file.clone(), defined.line), |statement| (statement.file.clone(), statement.line))
    }

    /// Returns what a function's calls need before they can cross, in words.
    pub fn reason(&self, function: FunctionId) -> String {
        let mut words = Vec::new();
        match self.receivers.get(&function).map(|receiver| (receiver.kind, *receiver)) {
            Some((ReceiverKind::Service, Receiver { type_name, place: Some(place), .. })) => {
                words.push(format!("it is a method of the service object {place} ({type_name})"));
            }
            Some((ReceiverKind::Service, Receiver { type_name, reason, .. })) => {
                words.push(format!("it is a method of the service object {type_name}: {reason}"));
            }
            Some((ReceiverKind::Reference, Receiver { type_name, reason, .. })) => {
                words.push(format!("its {type_name} must stay where it is: {reason}"));
            }
            Some((ReceiverKind::Class, Receiver { type_name, .. })) => {
                words.push(format!("it is a method of the class {type_name}"));
            }
            Some((ReceiverKind::Value | ReceiverKind::Extension, _)) | None => {}
        }
        let Function { kind, is_unnamed, .. } = self.recording.functions[function as usize];
        if is_unnamed {
            words.push("no other module names the function: its caller was given the function itself".to_owned());
        }
        let obstacles = self.obstacles.get(&function).map_or(&[][..], Vec::as_slice);
        let is_entered = obstacles.iter().any(|obstacle| obstacle.class == PayloadClass::ContextManager);
        if matches!(kind, FunctionKind::Generator | FunctionKind::AsyncGenerator) && !is_entered {
            words.push("the function is a generator".to_owned());
        }
        words.extend(obstacles.iter().take(NAMED_OBSTACLES).map(|obstacle| in_words(obstacle)));
        if obstacles.len() > NAMED_OBSTACLES {
            words.push(format!("and {} more", obstacles.len() - NAMED_OBSTACLES));
        }
        if words.is_empty() {
            words.push("it is a method".to_owned());
        }
        words.join("; ")
    }
}

fn is_of_library(file: &str) -> bool {
    file.contains("/site-packages/") || file.contains("/dist-packages/")
}

fn in_words(obstacle: &Obstacle) -> String {
    let path = if obstacle.path.is_empty() { "a value" } else { &obstacle.path };
    let what = match obstacle.class {
        PayloadClass::Plain | PayloadClass::Adapter | PayloadClass::Value => "is an object that no codec encodes yet",
        PayloadClass::Mutated => "is changed in place by the callee",
        PayloadClass::Generator => "is a generator",
        PayloadClass::Resource => "is a resource that the callee has to obtain for itself",
        PayloadClass::Named => "is an object that goes by its name",
        PayloadClass::Carried | PayloadClass::Service => "is a service object",
        PayloadClass::ContextManager => "is a context manager, whose state must stay where it is",
        PayloadClass::Reference => "is an object that must stay where it is",
        PayloadClass::Callback => "is a callback",
        PayloadClass::Live => "is a live resource",
    };
    format!("{path} {what}")
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Payload, Request};
    use super::*;

    #[test]
    fn a_call_has_its_site_in_the_requests_of_its_endpoint() {
        let call = |line| Call {
            function: 1,
            arguments: Some(Payload { file: "views.py".to_owned(), line, ..Payload::default() }),
            ..Call::default()
        };
        let request = |endpoint: &str, line| Request {
            endpoint: endpoint.to_owned(),
            calls: vec![Call::default(), call(line)],
            ..Request::default()
        };
        let recording = Recording {
            functions: vec![Function::default(), Function { module: 1, ..Function::default() }],
            requests: vec![request("GET /all", 24), request("GET /one", 46)],
            ..Recording::default()
        };
        let sites = CallSites::of(&recording);
        let line = |endpoint| sites.of_call(0, 1, endpoint).1;
        assert_eq!(
            [line(Some("GET /one")), line(Some("GET /all")), line(Some("GET /new")), line(None)],
            [46, 24, 24, 24]
        );
    }
}

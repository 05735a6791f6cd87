//! The sizes of what calls carry, as they were sampled.

use std::collections::BTreeMap;

use splitcost_model::recording::{FunctionId, ModuleId, Receiver, ReceiverKind, Recording};

/// The encoded size of a handle, which stands for an object that stays where it is.
///
/// Chosen: a service's name, a type's name and a number.
pub(super) const HANDLE_BYTES: f64 = 40.0;

/// The size of what a call carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    /// The number of values.
    pub(super) nodes: f64,
    /// The encoded size.
    pub(super) bytes: f64,
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, bytes: self.bytes + other.bytes }
    }
}

/// A mean of sizes.
#[derive(Clone, Copy, Default)]
struct SizeSum {
    sum: Size,
    samples: f64,
}

impl SizeSum {
    fn note(&mut self, nodes: u64, bytes: u64) {
        self.sum = self.sum + Size { nodes: nodes as f64, bytes: bytes as f64 };
        self.samples += 1.0;
    }

    fn mean(self) -> Size {
        let samples = self.samples.max(1.0);
        Size { nodes: self.sum.nodes / samples, bytes: self.sum.bytes / samples }
    }
}

/// The mean sizes of a call's arguments, result and receiver together.
pub(super) struct Sizes {
    of_functions: Vec<Size>,
    /// By function and number of the endpoint: one function may return a row to one endpoint, and a thousand to another.
    at_endpoints: BTreeMap<(FunctionId, u32), Size>,
}

impl Sizes {
    /// Returns the means over the sampled calls. `endpoints` are the names of the endpoints by number.
    ///
    /// A service object that lives at module level is found by its name; another one is made again from the arguments of its
    /// constructor, or has the size of its fields where no constructor was recorded.
    pub(super) fn of(recording: &Recording, endpoints: &[String]) -> Self {
        let numbers: BTreeMap<&str, u32> = endpoints.iter().map(String::as_str).zip(0..).collect();
        let mut sums = vec![[SizeSum::default(); 3]; recording.functions.len()];
        let mut at_endpoints: BTreeMap<(FunctionId, u32), [SizeSum; 2]> = BTreeMap::new();
        let mut is_reference = vec![false; recording.functions.len()];
        for request in &recording.requests {
            let number = numbers.get(request.endpoint.as_str());
            for call in &request.calls {
                let [arguments, result, receiver] = &mut sums[call.function as usize];
                for (nth, (sum, payload)) in
                    [(arguments, &call.arguments), (result, &call.result)].into_iter().enumerate()
                {
                    let Some(payload) = payload else { continue };
                    sum.note(payload.nodes, payload.encoded_bytes);
                    if let Some(&number) = number {
                        let at_endpoint = at_endpoints.entry((call.function, number)).or_default();
                        at_endpoint[nth].note(payload.nodes, payload.encoded_bytes);
                    }
                }
                match call.arguments.as_ref().and_then(|payload| payload.receiver.as_ref()) {
                    Some(Receiver { kind: ReceiverKind::Service, place: None, nodes, encoded_bytes, .. }) => {
                        receiver.note(*nodes, *encoded_bytes);
                    }
                    Some(Receiver { kind: ReceiverKind::Reference, .. }) => is_reference[call.function as usize] = true,
                    _ => {}
                }
            }
        }
        let named = recording.functions.iter().zip(&sums);
        let constructors: BTreeMap<(ModuleId, &str), Size> = named
            .filter_map(|(function, [arguments, ..])| {
                let class = function.qualname.strip_suffix(".__init__")?;
                Some(((function.module, class), arguments.mean()))
            })
            .collect();
        let object = |id: usize| {
            let (function, receiver) = (&recording.functions[id], sums[id][2]);
            let class = function.qualname.rsplit_once('.').map_or("", |(class, _)| class);
            if is_reference[id] {
                Size { nodes: 1.0, bytes: HANDLE_BYTES }
            } else if receiver.samples > 0.0 {
                constructors.get(&(function.module, class)).copied().unwrap_or_else(|| receiver.mean())
            } else {
                Size::default()
            }
        };
        let mean = |id: usize, [arguments, result]: [SizeSum; 2]| arguments.mean() + result.mean() + object(id);
        let or_of_all = |sum: SizeSum, all: SizeSum| if sum.samples > 0.0 { sum } else { all };
        Self {
            of_functions: sums
                .iter()
                .enumerate()
                .map(|(id, &[arguments, result, _])| mean(id, [arguments, result]))
                .collect(),
            at_endpoints: at_endpoints
                .into_iter()
                .map(|((function, number), [arguments, result])| {
                    let id = function as usize;
                    let both = [or_of_all(arguments, sums[id][0]), or_of_all(result, sums[id][1])];
                    ((function, number), mean(id, both))
                })
                .collect(),
        }
    }

    /// Returns the mean size of a function's calls in the requests of an endpoint, or of all where none of these was sampled.
    pub(super) fn mean(&self, function: FunctionId, endpoint: u32) -> Size {
        self.at_endpoints.get(&(function, endpoint)).copied().unwrap_or(self.of_functions[function as usize])
    }
}

#[cfg(test)]
mod tests {
    use splitcost_model::recording::{Call, Function, Payload, Request};

    use super::*;

    #[test]
    fn a_call_that_was_not_sampled_has_the_mean_size_of_its_endpoint() {
        let payload = |bytes| Some(Payload { nodes: 1, encoded_bytes: bytes, ..Payload::default() });
        let call = |bytes| Call { arguments: payload(10), result: payload(bytes), ..Call::default() };
        let request = |endpoint: &str, calls| Request { endpoint: endpoint.into(), calls, ..Request::default() };
        let recording = Recording {
            functions: vec![Function::default()],
            requests: vec![
                request("GET /one", vec![call(20), call(40), Call::default()]),
                request("GET /all", vec![call(900)]),
                request("GET /none", vec![Call::default()]),
            ],
            ..Recording::default()
        };
        let sizes = Sizes::of(&recording, &["GET /all", "GET /none", "GET /one"].map(str::to_owned));
        assert_eq!([0, 1, 2].map(|endpoint| sizes.mean(0, endpoint).bytes as u64), [910, 330, 40]);
    }
}

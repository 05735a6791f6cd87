//! The recorded work of each service's modules, and the part of it that would run in the service.

use splitcost_model::boundary::never_crosses;
use splitcost_model::estimate::{ServiceWork, Work, WorkElsewhere};
use splitcost_model::recording::{FunctionId, Recording};
use splitcost_model::split::Split;

use crate::compile::{Compiled, FunctionWork};

/// Returns the work of every service other than the first one, `main`, in the order of [`Split::service_names`].
pub(super) fn service_work(recording: &Recording, split: &Split, compiled: &Compiled) -> Vec<ServiceWork> {
    let reasons = never_crosses(recording);
    let per_request = |work: FunctionWork| {
        let requests = compiled.programs.len().max(1) as f64;
        Work {
            cpu_ms_per_request: work.cpu.as_nanos_f64() / 1e6 / requests,
            statements_per_request: work.statements as f64 / requests,
        }
    };
    let is_of = |function: FunctionId, service: &str| {
        let module = recording.functions[function as usize].module;
        let name = &recording.modules[module as usize];
        module != Recording::ROOT_MODULE && !split.is_copied(name) && split.service_of(name) == service
    };
    let of_service = |(index, service): (usize, &str)| {
        let (mut recorded, mut in_service) = (FunctionWork::default(), FunctionWork::default());
        let mut elsewhere: Option<(FunctionId, FunctionWork)> = None;
        for (&(function, place), &work) in compiled.work.iter().filter(|((function, _), _)| is_of(*function, service)) {
            recorded += work;
            if usize::from(place) == index {
                in_service += work;
            } else if work != FunctionWork::default() && elsewhere.is_none_or(|(_, most)| most.cpu < work.cpu) {
                elsewhere = Some((function, work));
            }
        }
        ServiceWork {
            service: service.to_owned(),
            recorded: per_request(recorded),
            in_service: per_request(in_service),
            elsewhere: elsewhere.map(|(function, work)| WorkElsewhere {
                function: recording.function_name(&recording.functions[function as usize]),
                work: per_request(work),
                reason: reasons[function as usize],
            }),
        }
    };
    split.service_names().into_iter().enumerate().skip(1).map(of_service).collect()
}

//! The phase of a rehearsal that compares the answers of the splits with those of the monolith.

use std::collections::BTreeMap;

use splitcost_load::{Answer, Request, Targets, send};
use splitcost_model::answers::{AnswerDifference, Answers, Aspect, NotCompared};

use super::Deployment;
use crate::Result;
use crate::answer::{Difference, difference};
use crate::app::App;
use crate::drive::Driver;
use crate::spelled::SpelledNames;

/// The seed of the compared requests: others than those of an audit.
const SEED_OFFSET: u64 = 2_000;

/// Sends the same requests, one after the other, to every deployment, and compares the answers of each split with those of
/// the monolith, which is the first; the last one is a second monolith. All of them have answered the same requests before.
/// Each request of the workload is sent, even if these are more than were asked for.
pub(crate) fn compare(
    driver: &mut Driver<'_>,
    all: &mut [&mut Deployment],
    requests: u32,
    names: &SpelledNames,
) -> Result<Vec<Answers>> {
    let targets = all.iter_mut().map(|deployment| {
        let (mut apps, targets) = deployment.parts();
        driver.opened(&mut apps, &targets)
    });
    let targets: Vec<Targets> = targets.collect::<Result<_>>()?;
    let workload = driver.workload.in_turn();
    let all_endpoints: Vec<&str> = workload.requests().iter().map(Request::name).collect();
    let mut endpoints = Vec::new();
    // By deployment after the monolith: the second monolith is the last one.
    let mut found: Vec<Vec<Option<Difference>>> = vec![Vec::new(); all.len() - 1];
    for index in 0..u64::from(requests).max(all_endpoints.len() as u64) {
        driver.cancel.check()?;
        endpoints.push(all_endpoints[workload.draw(SEED_OFFSET, index).request]);
        let answer = |targets: &Targets| send(&workload, targets, SEED_OFFSET, index).ok();
        let monolith: Option<Answer> = answer(&targets[0]);
        for (found, targets) in found.iter_mut().zip(&targets[1..]) {
            found.push(difference(monolith.as_ref(), answer(targets).as_ref(), names));
        }
    }
    for deployment in all.iter_mut() {
        deployment.parts().0.into_iter().try_for_each(App::check)?;
    }
    let between_monoliths = found.pop().unwrap_or_default();
    Ok(found.iter().map(|of_split| tally(&endpoints, of_split, &between_monoliths)).collect())
}

/// Counts the differences of a split in those aspects in which two monoliths answered alike. The slices hold the endpoint
/// and the differences of each request.
fn tally(endpoints: &[&str], of_split: &[Option<Difference>], between_monoliths: &[Option<Difference>]) -> Answers {
    let mut varies: BTreeMap<&str, Aspect> = BTreeMap::new();
    for (endpoint, difference) in endpoints.iter().zip(between_monoliths) {
        if let Some(Difference { aspect, .. }) = difference {
            varies.entry(endpoint).and_modify(|first| *first = (*first).min(*aspect)).or_insert(*aspect);
        }
    }
    let (mut compared, mut different) = (0, 0);
    let mut differences: BTreeMap<(&str, Aspect), AnswerDifference> = BTreeMap::new();
    for (endpoint, difference) in endpoints.iter().zip(of_split) {
        let varies_from = varies.get(endpoint);
        if varies_from == Some(&Aspect::Status) {
            continue;
        }
        compared += 1;
        let Some(Difference { aspect, place }) = difference else { continue };
        if varies_from.is_some_and(|from| aspect >= from) {
            continue;
        }
        different += 1;
        let known = differences.entry((endpoint, *aspect)).or_insert_with(|| AnswerDifference {
            endpoint: (*endpoint).to_owned(),
            aspect: *aspect,
            answers: 0,
            place: place.clone(),
        });
        known.answers += 1;
    }
    let mut differences: Vec<AnswerDifference> = differences.into_values().collect();
    differences.sort_by_key(|difference| std::cmp::Reverse(difference.answers));
    let not_compared = varies.into_iter().map(|(name, from)| NotCompared { endpoint: name.to_owned(), from });
    Answers { compared, equal: compared - different, differences, not_compared: not_compared.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_counted_where_two_monoliths_answer_alike() {
        let at = |aspect, place: &str| Some(Difference { aspect, place: place.to_owned() });
        let endpoints = ["a", "b", "c", "a", "b", "c"];
        let of_split = [
            at(Aspect::Body, "$.x"),
            at(Aspect::Body, "$.y"),
            at(Aspect::Status, "500"),
            at(Aspect::Body, "$.z"),
            at(Aspect::Status, "404"),
            None,
        ];
        let between_monoliths = [None, at(Aspect::Body, "$.now"), None, None, None, at(Aspect::Status, "503")];
        let difference = |endpoint: &str, aspect, answers, place: &str| AnswerDifference {
            endpoint: endpoint.to_owned(),
            aspect,
            answers,
            place: place.to_owned(),
        };
        let expected = Answers {
            compared: 4,
            equal: 1,
            differences: vec![difference("a", Aspect::Body, 2, "$.x"), difference("b", Aspect::Status, 1, "404")],
            not_compared: vec![
                NotCompared { endpoint: "b".to_owned(), from: Aspect::Body },
                NotCompared { endpoint: "c".to_owned(), from: Aspect::Status },
            ],
        };
        assert_eq!(tally(&endpoints, &of_split, &between_monoliths), expected);
    }
}

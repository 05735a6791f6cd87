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
/// the app as it is, which is the first. `twins` are the places of two equal monoliths: what they differ in is not compared.
/// All deployments have answered the same requests before. Each request of the workload is sent, even if these are more than
/// were asked for.
pub(crate) fn compare(
    driver: &mut Driver<'_>,
    all: &mut [&mut Deployment],
    twins: [usize; 2],
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
    // By deployment.
    let mut found: Vec<Vec<Option<Difference>>> = vec![Vec::new(); all.len()];
    let mut between_twins = Vec::new();
    for index in 0..u64::from(requests).max(all_endpoints.len() as u64) {
        driver.cancel.check()?;
        endpoints.push(all_endpoints[workload.draw(SEED_OFFSET, index).request]);
        let answer = |targets: &Targets| send(&workload, targets, SEED_OFFSET, index).ok();
        let answers: Vec<Option<Answer>> = targets.iter().map(answer).collect();
        let differ = |a: usize, b: usize| difference(answers[a].as_ref(), answers[b].as_ref(), names);
        for (place, found) in found.iter_mut().enumerate() {
            found.push(differ(0, place));
        }
        between_twins.push(differ(twins[0], twins[1]));
    }
    for deployment in all.iter_mut() {
        deployment.parts().0.into_iter().try_for_each(App::check)?;
    }
    let splits = found.iter().enumerate().filter(|(place, _)| *place != 0 && !twins.contains(place));
    Ok(splits.map(|(_, of_split)| tally(&endpoints, of_split, &between_twins)).collect())
}

/// Counts the differences of a split in those aspects in which two equal monoliths answered alike. The slices hold the endpoint
/// and the differences of each request.
fn tally(endpoints: &[&str], of_split: &[Option<Difference>], between_twins: &[Option<Difference>]) -> Answers {
    let mut varies: BTreeMap<&str, Aspect> = BTreeMap::new();
    for (endpoint, difference) in endpoints.iter().zip(between_twins) {
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
        let between_twins = [None, at(Aspect::Body, "$.now"), None, None, None, at(Aspect::Status, "503")];
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
        assert_eq!(tally(&endpoints, &of_split, &between_twins), expected);
    }
}

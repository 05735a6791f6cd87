//! The answers of a split to its users, compared with those of the monolith to the same requests.

use serde::{Deserialize, Serialize};

use crate::number::count;

/// The answers of a split and of the monolith to the same sequence of requests, compared in pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Requests whose answers were compared.
    pub compared: u64,
    /// Requests of these whose answers are equal, as far as they were compared.
    pub equal: u64,
    /// The differences, the most frequent one first.
    pub differences: Vec<AnswerDifference>,
    /// Endpoints whose answers differ between two monoliths, and were not compared in this respect.
    pub not_compared: Vec<NotCompared>,
}

/// Answers of an endpoint that differ from the monolith's in the same aspect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerDifference {
    /// `METHOD /path/{template}`.
    pub endpoint: String,
    /// The first aspect in which the answers differ.
    pub aspect: Aspect,
    /// Number of these answers.
    pub answers: u64,
    /// The difference between the first of these answers and the monolith's, in words that hold no value of it.
    pub place: String,
}

/// An endpoint some of whose aspects were not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompared {
    /// `METHOD /path/{template}`.
    pub endpoint: String,
    /// The first aspect that was not compared; neither were those after it.
    pub from: Aspect,
}

/// A part of an answer, in the order in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The status, or that there is no answer.
    Status,
    /// The content type.
    ContentType,
    /// The body.
    Body,
}

impl Answers {
    /// The largest share of answers that may differ before a rehearsal gets no verdict.
    ///
    /// Chosen: as for the calls of an [`Audit`](crate::audit::Audit); one answer in fifty may depend on the clock.
    pub const TOLERANCE: f64 = 0.02;

    /// The outcome where nothing was compared, in words.
    pub const NONE: &str = "no answer was compared with the monolith's";

    /// Returns true if the split answers as the monolith does.
    pub fn holds(&self) -> bool {
        (self.compared - self.equal) as f64 <= Self::TOLERANCE * self.compared as f64
    }

    /// Returns the outcome in words, without a full stop.
    pub fn in_words(&self) -> String {
        let compared = count(self.compared);
        let words = if self.compared == 0 {
            Self::NONE.to_owned()
        } else if self.differences.is_empty() {
            format!("{} of {compared} answers equal those of the monolith", count(self.equal))
        } else {
            let each = self.differences.iter();
            let each = each.map(|one| format!("{} of {} ({})", count(one.answers), one.endpoint, one.place));
            let different = count(self.compared - self.equal);
            let each = each.collect::<Vec<_>>().join(", ");
            format!("{different} of {compared} answers differ from the monolith's: {each}")
        };
        let not_compared = self.not_compared.iter().map(|endpoint| {
            let parts = match endpoint.from {
                Aspect::Status => "answers",
                Aspect::ContentType => "content types and bodies",
                Aspect::Body => "bodies",
            };
            format!("{parts} of {} differ between two monoliths: not compared", endpoint.endpoint)
        });
        std::iter::once(words).chain(not_compared).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(endpoint: &str, answers: u64, place: &str) -> AnswerDifference {
        AnswerDifference { endpoint: endpoint.into(), aspect: Aspect::Body, answers, place: place.into() }
    }

    #[test]
    fn two_answers_in_a_hundred_may_differ() {
        let of = |compared, equal| Answers { compared, equal, ..Answers::default() }.holds();
        assert_eq!(
            [(100, 100), (100, 98), (100, 97), (49, 48), (0, 0)].map(|(c, e)| of(c, e)),
            [true, true, false, false, true]
        );
    }

    #[test]
    fn differences_and_what_was_not_compared_are_said() {
        let mut answers = Answers { compared: 100, equal: 100, ..Answers::default() };
        assert_eq!(answers.in_words(), "100 of 100 answers equal those of the monolith");
        answers.equal = 97;
        answers.differences = vec![difference("GET /orders/{order_id}", 3, "$.lines[0].price: another number")];
        assert_eq!(
            answers.in_words(),
            "3 of 100 answers differ from the monolith's: 3 of GET /orders/{order_id} ($.lines[0].price: another number)"
        );
        answers.equal = 96;
        answers.differences.push(difference("GET /x", 1, "status 500 instead of 200"));
        answers.not_compared = vec![NotCompared { endpoint: "GET /now".into(), from: Aspect::Body }];
        assert_eq!(
            answers.in_words(),
            "4 of 100 answers differ from the monolith's: 3 of GET /orders/{order_id} ($.lines[0].price: another number), \
             1 of GET /x (status 500 instead of 200); bodies of GET /now differ between two monoliths: not compared"
        );
    }
}

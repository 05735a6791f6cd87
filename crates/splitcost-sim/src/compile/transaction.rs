//! The transactions of a request that a split makes two: a service that answers a call writes in one of its own.

use std::collections::BTreeMap;

use splitcost_model::recording::{CallIndex, Recording, Request};

use super::is_write;

/// The recorded transactions of some statements; true for those in which one of these writes.
pub(super) type Transactions = BTreeMap<u32, bool>;

/// Returns the transactions of the statements of each call, where there are any.
pub(super) fn by_call(recording: &Recording, request: &Request) -> BTreeMap<CallIndex, Transactions> {
    let mut calls: BTreeMap<CallIndex, Transactions> = BTreeMap::new();
    for statement in &request.statements {
        let (Some(transaction), Some(text)) =
            (statement.transaction, recording.statement_texts.get(statement.text as usize))
        else {
            continue;
        };
        *calls.entry(statement.call).or_default().entry(transaction).or_default() |= is_write(text);
    }
    calls
}

/// Returns, per visit of a service in a request, if it writes in a transaction that another visit uses too.
pub(super) fn are_split(visits: &[&Transactions]) -> Vec<bool> {
    let mut used: BTreeMap<u32, usize> = BTreeMap::new();
    for transaction in visits.iter().flat_map(|visit| visit.keys()) {
        *used.entry(*transaction).or_default() += 1;
    }
    visits.iter().map(|visit| visit.iter().any(|(transaction, writes)| *writes && used[transaction] > 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_split_by_a_visit_that_writes_where_another_one_uses_it() {
        let visits = [
            Transactions::from([(0, false), (1, true)]),
            Transactions::from([(0, true)]),
            Transactions::from([(0, false)]),
            Transactions::from([(2, true)]),
        ];
        assert_eq!(are_split(&visits.each_ref()), [false, true, false, false]);
    }
}

use super::{
    client::CLIENTS,
    operations::OPERATIONS,
    outcome::{Outcome, Row, judge},
};
use std::{collections::BTreeSet, time::Duration};

fn outcome(failed: u64, operations: &[&str]) -> Outcome {
    Outcome {
        cases: 3,
        failed,
        skipped: 0,
        operations: operations.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[test]
fn the_last_line_of_a_suite_is_read() {
    let line = "compat: cases=3 failed=1 skipped=0 operations=PutRecord,GetRecords";
    let found = Outcome::parse(line);
    assert_eq!(found, Some(outcome(1, &["PutRecord", "GetRecords"])));
    assert_eq!(
        Outcome::parse("compat: cases=3 failed=0 skipped=0 operations="),
        Some(outcome(0, &[]))
    );
    for other in ["", "ok put_and_get", "compat: cases=many", "compat: more=3"] {
        assert_eq!(Outcome::parse(other), None, "{other}");
    }
}

#[test]
fn a_failure_and_an_operation_that_nobody_touched_are_told() {
    let took = Duration::from_secs(1);
    let whole = || Row::new("a", outcome(0, OPERATIONS), took);
    assert!(judge(&[whole()], true).is_ok());
    assert!(judge(&[whole(), Row::new("b", outcome(1, &[]), took)], true).is_err());
    let most = || Row::new("a", outcome(0, &OPERATIONS[1..]), took);
    assert!(judge(&[most()], true).is_err());
    assert!(judge(&[most()], false).is_ok());
    let rest = Row::new("b", outcome(0, &OPERATIONS[..1]), took);
    assert!(judge(&[most(), rest], true).is_ok());
}

#[test]
fn every_client_has_its_own_name() {
    let names: BTreeSet<&str> = CLIENTS.iter().map(|client| client.name).collect();
    assert_eq!(names.len(), CLIENTS.len());
    assert_eq!(OPERATIONS.len(), 39);
    assert!(OPERATIONS.is_sorted());
}

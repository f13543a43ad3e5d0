use super::*;

fn ledger(jumps: bool) -> Ledger {
    Ledger::new(5, "s".to_owned(), 2, jumps)
}

#[test]
fn what_is_said_twice_is_said_alike() {
    let ledger = ledger(false);
    let writer = ledger.writer(true);
    let (first, second) = (ledger.sends(writer), ledger.sends(writer));
    assert!(ledger.acknowledged(first, 1, 7).is_ok());
    assert!(ledger.read(1, &[(7, first)]).is_ok());
    assert_eq!(ledger.end(1), 8);
    assert!(ledger.read(1, &[(8, first)]).is_err(), "there twice");
    assert!(ledger.read(0, &[(7, first)]).is_err(), "in two shards");
    assert!(ledger.read(1, &[(7, second)]).is_err(), "a number reused");
}

#[test]
fn what_was_never_sent_is_nowhere() {
    let ledger = ledger(false);
    let writer = ledger.writer(true);
    let sent = ledger.sends(writer);
    for who in [
        Identity { number: 1, ..sent },
        Identity { writer: 1, ..sent },
        Identity { stream: 6, ..sent },
    ] {
        assert!(ledger.read(0, &[(0, who)]).is_err(), "{who:?}");
    }
}

#[test]
fn what_was_refused_is_nowhere() {
    let ledger = ledger(false);
    let writer = ledger.writer(false);
    let (refused, there) = (ledger.sends(writer), ledger.sends(writer));
    assert!(ledger.refused(refused).is_ok());
    assert!(ledger.read(0, &[(0, refused)]).is_err());
    assert!(ledger.read(0, &[(1, there)]).is_ok());
    assert!(ledger.refused(there).is_err());
    assert!(ledger.check_complete().is_ok());
}

#[test]
fn a_record_that_is_nowhere_is_missed() {
    let ledger = ledger(false);
    let writer = ledger.writer(true);
    let sent = ledger.sends(writer);
    assert!(ledger.check_complete().is_err());
    assert!(ledger.read(0, &[(0, sent)]).is_ok());
    assert!(ledger.check_complete().is_ok());
}

#[test]
fn holes_and_steps_back_are_seen() {
    let ledger = ledger(false);
    let writer = ledger.writer(true);
    let (first, second) = (ledger.sends(writer), ledger.sends(writer));
    let mut pass = Sequence::new(&ledger, 0, 4);
    assert!(pass.take(4, second).is_ok());
    assert!(pass.take(6, second).is_err(), "a hole");
    assert!(pass.take(4, second).is_err(), "a step back");
    assert!(pass.take(5, first).is_err(), "out of order");
}

#[test]
fn numbers_jump_only_where_they_may_and_nothing_was() {
    let ledger = ledger(true);
    let writer = ledger.writer(true);
    let sent: Vec<Identity> = (0..3).map(|_| ledger.sends(writer)).collect();
    let pass = || Sequence::new(&ledger, 0, 1);
    assert!(pass().take(1 + 2 * JUMP, sent[0]).is_ok());
    assert!(pass().take(2 + JUMP, sent[0]).is_err());
    assert!(ledger.acknowledged(sent[1], 0, 1).is_ok());
    assert!(pass().take(1 + JUMP, sent[0]).is_err());
    assert_eq!(ledger.first_known(0, 0, JUMP), Some(1));
    assert!(ledger.acknowledged(sent[2], 0, JUMP + 5).is_ok());
    assert_eq!(ledger.first_known(0, 2, 3 * JUMP), Some(JUMP + 5));
    assert_eq!(ledger.first_known(0, 2, JUMP + 5), None);
    assert_eq!(ledger.first_known(0, JUMP + 6, 9 * JUMP), None);
}

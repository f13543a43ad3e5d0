use super::*;

fn tally<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Tally {
    let mut tally = Tally::default();
    records.into_iter().for_each(|record| tally.add(record));
    tally
}

#[test]
fn a_sum_does_not_depend_on_the_order() {
    let load = Load::new(1, 100, 1);
    let forward = tally((0..1000).map(|number| load.record(number)));
    let backward = tally((0..1000).rev().map(|number| load.record(number)));
    assert_eq!(forward, backward);
}

#[test]
fn a_sum_depends_on_every_byte() {
    let record = [7; 1027];
    for at in 0..record.len() {
        let mut changed = record;
        changed[at] ^= 1;
        assert_ne!(tally([&record[..]]), tally([&changed[..]]), "byte {at}");
    }
}

#[test]
fn a_record_that_comes_twice_is_noticed() {
    let load = Load::new(1, 100, 1);
    let right = tally([load.record(0), load.record(1)]);
    assert_ne!(right, tally([load.record(0), load.record(0)]));
}

#[test]
fn producers_have_records_of_their_own() {
    let (one, two) = (Load::new(1, 100, 2), Load::new(2, 100, 2));
    assert_ne!(one.record(0), two.record(0));
}

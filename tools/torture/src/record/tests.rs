use super::*;

const WHO: Identity = Identity {
    stream: 3,
    writer: 7,
    number: 11,
};

fn view<'a>(key: &'a str, data: &'a [u8]) -> RecordView<'a> {
    RecordView {
        key,
        explicit_hash: None,
        data,
    }
}

#[test]
fn a_record_is_known_by_its_bytes() {
    let (key, data) = WHO.record(1);
    assert_eq!(Identity::of(&view(&key, &data), 1), Ok(WHO));
}

#[test]
fn a_byte_that_differs_is_seen() {
    let (key, data) = WHO.record(1);
    for at in 0..data.len() {
        let mut data = data.clone();
        data[at] ^= 1;
        assert!(Identity::of(&view(&key, &data), 1).is_err(), "byte {at}");
    }
    assert!(Identity::of(&view(&key, &data[..data.len() - 1]), 1).is_err());
    assert!(Identity::of(&view("key", &data), 1).is_err());
    assert!(Identity::of(&view(&key, &data), 2).is_err());
}

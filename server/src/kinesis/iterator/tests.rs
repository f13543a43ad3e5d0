use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_750_000_000_000;

fn iterators() -> Iterators {
    Iterators::new(&[7; 32])
}

fn at(place: Place) -> ShardIterator<'static> {
    ShardIterator {
        stream: "orders",
        stream_id: 3,
        shard: 12,
        place,
        issued_ms: NOW,
    }
}

fn open(
    iterators: &Iterators,
    text: &str,
    now_ms: u64,
) -> Result<(u64, u32, Place), IteratorError> {
    iterators.open(text, now_ms, |i| (i.stream_id, i.shard, i.place))
}

#[test]
fn what_was_sealed_is_opened_by_another_server_with_the_same_key() {
    for place in [Place::Oldest, Place::At(u64::MAX), Place::Time(NOW)] {
        let text = iterators().seal(&at(place));
        let opened = iterators().open(&text, NOW + 1, |i| i == at(place));
        assert_eq!(opened, Ok(true), "{place:?}");
    }
}

#[test]
fn the_longest_name_fits() {
    let name = "n".repeat(128);
    let longest = ShardIterator {
        stream: &name,
        ..at(Place::At(u64::MAX))
    };
    let text = iterators().seal(&longest);
    assert!(text.len() <= MAX_CHARS, "{}", text.len());
    assert_eq!(iterators().open(&text, NOW, |i| i == longest), Ok(true));
}

#[test]
fn it_lives_five_minutes() {
    let text = iterators().seal(&at(Place::Oldest));
    assert!(open(&iterators(), &text, NOW + LIFETIME_MS).is_ok());
    let expired = IteratorError::Expired { issued_ms: NOW };
    assert_eq!(
        open(&iterators(), &text, NOW + LIFETIME_MS + 1),
        Err(expired)
    );
    assert!(
        open(&iterators(), &text, NOW - 10_000).is_ok(),
        "the clock was set back"
    );
}

#[test]
fn another_key_opens_nothing() {
    let text = iterators().seal(&at(Place::Oldest));
    let other = Iterators::new(&[8; 32]);
    assert_eq!(open(&other, &text, NOW), Err(IteratorError::Invalid));
}

#[test]
fn what_is_no_iterator_is_refused() {
    let long = "A".repeat(MAX_CHARS + 4);
    for text in ["", "A", "AAAA", "not base64!", "ÄÖÜ", &long] {
        assert_eq!(
            open(&iterators(), text, NOW),
            Err(IteratorError::Invalid),
            "{text:?}"
        );
    }
}

proptest! {
    #[test]
    fn every_changed_character_is_found(at_byte in 0usize..80, with in any::<u8>()) {
        let text = iterators().seal(&at(Place::At(5)));
        let mut changed = text.clone().into_bytes();
        let place = at_byte % changed.len();
        changed[place] = with;
        if let Ok(changed) = String::from_utf8(changed)
            && changed != text
        {
            prop_assert_eq!(open(&iterators(), &changed, NOW), Err(IteratorError::Invalid));
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,600}") {
        let _ = open(&iterators(), &text, NOW);
    }
}

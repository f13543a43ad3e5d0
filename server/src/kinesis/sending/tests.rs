use super::*;

fn share(room: &Room) -> Option<Share> {
    let permit = Arc::clone(&room.0).try_acquire_many_owned(LARGEST as u32);
    permit.ok().map(|permit| Share(Some(permit)))
}

#[test]
fn an_answer_keeps_what_it_needs_until_it_is_sent() {
    let room = Room::new(LARGEST + (1 << 20));
    let first = share(&room).unwrap();
    assert!(
        share(&room).is_none(),
        "there is room for one that is not made yet"
    );
    let first = first.keep(Bytes::from(vec![1; 1 << 20]));
    let again = first.clone();
    let second = share(&room).unwrap().keep(Bytes::from(vec![2; 1 << 20]));
    assert!(share(&room).is_none());
    drop(first);
    assert!(share(&room).is_none(), "it is still being sent");
    assert_eq!(again.len(), 1 << 20);
    drop(again);
    assert!(share(&room).is_some());
    drop(second);
}

#[test]
fn small_answers_keep_nothing() {
    let room = Room::new(0);
    let small = share(&room).unwrap().keep(Bytes::from_static(b"{}"));
    assert!(share(&room).is_some());
    drop(small);
}

use super::*;

#[test]
fn a_record_is_read_as_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mut tape = Tape::new(&path).unwrap();
    tape.add(Kind::Mark, 0, 0, &[1; MARK_BYTES]).unwrap();
    tape.add(Kind::WriteBegan, 7, 4096, &[2; 1024]).unwrap();
    tape.add(Kind::FlushBegan, 8, 0, &[]).unwrap();
    tape.add(Kind::WriteEnded, 7, 0, &[]).unwrap();
    tape.add(Kind::FlushEnded, 8, 0, &[]).unwrap();
    tape.add(Kind::Mark, 0, 0, &[3; MARK_BYTES]).unwrap();
    tape.end().unwrap();

    let record = Record::open(&path).unwrap();
    let kinds: Vec<_> = record.events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Mark,
            Kind::WriteBegan,
            Kind::FlushBegan,
            Kind::WriteEnded,
            Kind::FlushEnded,
            Kind::Mark
        ]
    );
    let write = &record.events[1];
    assert_eq!((write.id, write.offset, write.len), (7, 4096, 1024));
    assert_eq!(record.data(write).unwrap(), [2; 1024]);
    // It is cut before what concerns the disk, and not before the first mark or behind the last.
    assert_eq!(record.places().unwrap(), [1, 2, 3, 4]);
    assert_eq!(record.marks(5).unwrap(), [1; MARK_BYTES]);
    assert_eq!(record.marks(6).unwrap()[MARK_BYTES..], [3; MARK_BYTES]);
}

#[test]
fn a_record_that_was_cut_short_or_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mut tape = Tape::new(&path).unwrap();
    tape.add(Kind::WriteBegan, 1, 0, &[2; 512]).unwrap();
    tape.end().unwrap();
    let whole = std::fs::read(&path).unwrap();
    for len in [whole.len() - 1, EVENT_BYTES - 1] {
        std::fs::write(&path, &whole[..len]).unwrap();
        assert!(Record::open(&path).is_err(), "{len}");
    }
    let mut unknown = whole.clone();
    unknown[0] = 99;
    std::fs::write(&path, &unknown).unwrap();
    assert!(Record::open(&path).is_err());
    // The end of a write has no data.
    let mut ended = whole.clone();
    ended[0] = 1;
    std::fs::write(&path, &ended).unwrap();
    assert!(Record::open(&path).is_err());
    // A length beyond all bounds.
    let mut long = whole;
    long[24..32].fill(0xff);
    std::fs::write(&path, &long).unwrap();
    assert!(Record::open(&path).is_err());
}

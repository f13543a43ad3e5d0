use super::{
    super::record::{MARK_BYTES, Tape},
    *,
};

const BYTES: usize = 8 * SECTOR;

/// Writes of two sectors, named by what they hold: (kind, id, sector).
fn record(dir: &Path, events: &[(Kind, u64, u64)]) -> Record {
    let path = dir.join("record");
    let mut tape = Tape::new(&path).unwrap();
    for (kind, id, sector) in events {
        let data = match kind {
            Kind::WriteBegan => vec![*id as u8; 2 * SECTOR],
            Kind::Mark => vec![0; MARK_BYTES],
            _ => Vec::new(),
        };
        let offset = sector * SECTOR as u64;
        tape.add(*kind, *id, offset, &data).unwrap();
    }
    tape.end().unwrap();
    Record::open(&path).unwrap()
}

/// What each sector may hold when the power is cut at a place, over many cuts.
fn possible(record: &Record, at: usize) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let mut cutter = Cutter::new(record, vec![0; BYTES]);
    cutter.advance(at).unwrap();
    let mut sectors = vec![Vec::new(); BYTES / SECTOR];
    for choice in 0..300 {
        let left = cutter.cut(&mut Dice::of(1, choice)).unwrap();
        cutter.write(&left, &path).unwrap();
        let disk = std::fs::read(&path).unwrap();
        assert_eq!(disk.len(), BYTES);
        for (sector, values) in disk.chunks(SECTOR).zip(&mut sectors) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "torn within");
            values.push(sector[0]);
        }
    }
    for values in &mut sectors {
        values.sort_unstable();
        values.dedup();
    }
    sectors
}

#[test]
fn a_flush_promises_what_had_ended_when_it_began_and_only_when_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let record = record(
        dir.path(),
        &[
            (Kind::WriteBegan, 1, 0),
            (Kind::WriteEnded, 1, 0),
            (Kind::WriteBegan, 2, 2),
            (Kind::FlushBegan, 9, 0),
            (Kind::WriteEnded, 2, 0),
            (Kind::WriteBegan, 3, 4),
            (Kind::FlushEnded, 9, 0),
        ],
    );
    let (loose1, loose2, loose3) = (vec![0, 1], vec![0, 2], vec![0, 3]);
    let nothing = vec![0];
    // Before its first byte was taken there is nothing; while the flush is open all may be gone.
    assert_eq!(possible(&record, 0), vec![nothing.clone(); 8]);
    let open = possible(&record, 6);
    assert_eq!(open[..2], [loose1.clone(), loose1]);
    assert_eq!(open[2..4], [loose2.clone(), loose2.clone()]);
    // Then the first write is promised, and no other.
    let ended = possible(&record, 7);
    assert_eq!(ended[..2], [vec![1], vec![1]]);
    assert_eq!(ended[2..4], [loose2.clone(), loose2]);
    assert_eq!(ended[4..6], [loose3.clone(), loose3]);
    assert_eq!(ended[6..], [nothing.clone(), nothing]);
}

#[test]
fn a_sector_holds_any_version_since_the_promised_one() {
    let dir = tempfile::tempdir().unwrap();
    let record = record(
        dir.path(),
        &[
            (Kind::WriteBegan, 1, 0),
            (Kind::WriteEnded, 1, 0),
            (Kind::FlushBegan, 9, 0),
            (Kind::FlushEnded, 9, 0),
            (Kind::WriteBegan, 2, 1),
            (Kind::WriteEnded, 2, 0),
            (Kind::WriteBegan, 3, 1),
            (Kind::WriteEnded, 3, 0),
        ],
    );
    let sectors = possible(&record, 8);
    assert_eq!(
        sectors[..4],
        [vec![1], vec![1, 2, 3], vec![0, 2, 3], vec![0]]
    );
}

#[test]
fn sectors_of_a_write_are_left_apart_from_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let record = record(dir.path(), &[(Kind::WriteBegan, 1, 0)]);
    let mut cutter = Cutter::new(&record, vec![0; BYTES]);
    cutter.advance(1).unwrap();
    let mut seen = Vec::new();
    for choice in 0..300 {
        let left = cutter.cut(&mut Dice::of(1, choice)).unwrap();
        let offsets: Vec<_> = left.sectors.iter().map(|(offset, _)| *offset).collect();
        seen.push(offsets);
    }
    for offsets in [vec![], vec![0], vec![512], vec![0, 512]] {
        assert!(seen.contains(&offsets), "{offsets:?}");
    }
}

#[test]
fn a_point_is_the_same_whenever_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..20).map(|id| (Kind::WriteBegan, id, id % 6)).collect();
    let record = record(dir.path(), &events);
    let cut = |seed, choice| {
        let mut cutter = Cutter::new(&record, vec![0; BYTES]);
        cutter.advance(15).unwrap();
        cutter.cut(&mut Dice::of(seed, choice)).unwrap()
    };
    assert_eq!(cut(3, 4), cut(3, 4));
    assert!((0..20).any(|choice| cut(3, choice) != cut(4, choice)));
}

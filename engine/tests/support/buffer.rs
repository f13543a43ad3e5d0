//! What the tests of the buffer share.

use std::{os::unix::fs::MetadataExt, path::Path};

use millstream_engine::{Buffer, BufferOptions, format::Record};

/// Small, with the device that the environment asks for.
pub fn options() -> BufferOptions {
    BufferOptions {
        cap_bytes: 4 << 20,
        memory_budget: 2 << 20,
        device: super::store_options().device,
        ..BufferOptions::default()
    }
}

pub fn open(path: &Path) -> Buffer {
    Buffer::open(path, options()).unwrap()
}

/// All that the cursor has not acknowledged, a few records at a time: only the last peek is kept.
pub fn peek_all(buffer: &Buffer, cursor: &str) -> Vec<(u64, Vec<u8>)> {
    let peek = buffer.peek(cursor, usize::MAX, usize::MAX).unwrap();
    let records: Vec<_> = peek
        .records()
        .map(|record| {
            let record = record.unwrap();
            (record.sequence.0, record.data.to_vec())
        })
        .collect();
    assert_eq!(records.len(), peek.len());
    assert_eq!(records.last().map(|r| r.0), peek.last().map(|s| s.0));
    records
}

/// Records `numbers` under their sequence numbers, as [`super::data`] makes them.
pub fn expected(numbers: std::ops::Range<u64>, len: usize) -> Vec<(u64, Vec<u8>)> {
    numbers.map(|i| (i, super::data(i, len))).collect()
}

/// Pushes records `numbers`, each waited for.
pub fn push(buffer: &Buffer, numbers: std::ops::Range<u64>, len: usize) {
    for i in numbers {
        assert_eq!(buffer.push(&super::data(i, len)).unwrap().0, i);
    }
}

/// Pushes records `numbers`, of which the last alone is waited for.
pub fn push_together(buffer: &Buffer, numbers: std::ops::Range<u64>, len: usize) {
    let mut last = None;
    for i in numbers {
        let bytes = super::data(i, len);
        let ticket = buffer.push_later(&[Record::new("", &bytes)]).unwrap();
        assert_eq!(ticket.assigned().first.0, i);
        last = Some(ticket);
    }
    if let Some(last) = last {
        last.wait().unwrap();
    }
}

/// Bytes that everything below `path` takes on the medium. Files may go meanwhile.
pub fn allocated(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    let below = match std::fs::read_dir(path) {
        Ok(entries) => entries.map(|e| allocated(&e.unwrap().path())).sum(),
        Err(_) => 0,
    };
    metadata.blocks() * 512 + below
}

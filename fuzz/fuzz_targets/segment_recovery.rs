//! A store whose files were damaged, torn or forged while it was closed. Whatever the bytes,
//! opening ends, reading ends, and what is damaged is never taken for a record; a store that
//! takes appends again keeps them.
//!
//! The fuzzer does not have to find out how a store looks: it is given a good one, and its input
//! is a list of what is done to the files.

#![no_main]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use millstream_engine::{
    CompressionChoice, DeviceChoice, Error, Position, Shard, ShardId, ShardOptions, Store,
    StoreOptions,
};
use millstream_format::{BATCH_HEADER_LEN, BATCH_MAGIC, Record, crc32c};

const SHARD: ShardId = ShardId(1);
/// Bytes of a segment: the least there is.
const SEGMENT: u64 = 1 << 20;
/// Most changes that one input makes.
const MOST_CHANGES: usize = 32;

/// A file of a store: path in it, length, and its bytes up to the last that is not zero.
type StoredFile = (PathBuf, u64, Vec<u8>);
/// What a record is: partition key and data.
type Content = (String, Vec<u8>);

/// A store as it should be, closed cleanly and not.
struct Pattern {
    clean: Vec<StoredFile>,
    torn: Vec<StoredFile>,
    records: Vec<Content>,
}

fuzz_target!(|input: &[u8]| {
    let pattern = pattern();
    let mut changes = Changes { rest: input };
    let mode = changes.byte();
    let mut files = match mode & 1 {
        0 => pattern.clean.clone(),
        _ => pattern.torn.clone(),
    };
    // With checksums made right again, wrong records can pass for right ones; without, never.
    let forged = mode & 2 != 0;
    for _ in 0..MOST_CHANGES {
        if changes.rest.is_empty() {
            break;
        }
        changes.apply(&mut files, forged);
    }
    let dir = scratch();
    write_files(dir.path(), &files);
    open_and_read(dir.path(), (!forged).then_some(&pattern.records[..]));
});

fn open_and_read(path: &Path, original: Option<&[Content]>) {
    let Ok((store, shard)) = open(path) else {
        return;
    };
    let before = read_all(&shard);
    for (sequence, content) in &before {
        if let Some(original) = original {
            let at = usize::try_from(*sequence).expect("a sequence number of this store");
            assert_eq!(
                original.get(at),
                Some(content),
                "record {sequence} is not what was put"
            );
        }
    }
    // A shard that takes records again has to keep them, and those that it showed.
    let data = b"after recovery";
    let appended = match shard.append(&[Record::new("again", data)]) {
        Ok(ticket) => ticket.wait().ok(),
        Err(_) => None,
    };
    drop(shard);
    let closed = store.close();
    drop(store);
    let Some(appended) = appended else {
        return;
    };
    closed.expect("a store that takes appends can be closed");
    assert!(
        before
            .keys()
            .next_back()
            .is_none_or(|last| *last < appended.first.0),
        "a sequence number is used again"
    );
    let (store, shard) = open(path).expect("a store that was recovered can be opened again");
    let mut after = read_all(&shard);
    assert_eq!(
        after.remove(&appended.first.0),
        Some(("again".to_owned(), data.to_vec())),
        "an acknowledged record is lost"
    );
    assert!(after == before, "records come and go");
    drop(shard);
    store
        .close()
        .expect("a store that was recovered can be closed");
}

fn open(path: &Path) -> Result<(Store, Shard), Error> {
    let options = StoreOptions {
        // Threads and rings are not what is tested; the portable device is the cheaper one.
        device: DeviceChoice::Portable,
        direct_io: false,
        memory_budget: 4 << 20,
        lock_wait: Duration::from_secs(5),
        ..StoreOptions::default()
    };
    let store = Store::open(path, options)?;
    let shard = store.open_shard(SHARD, shard_options(CompressionChoice::None))?;
    Ok((store, shard))
}

fn shard_options(compression: CompressionChoice) -> ShardOptions {
    ShardOptions {
        segment_bytes: SEGMENT,
        compression,
        ..ShardOptions::default()
    }
}

/// Everything that can be read, past every gap.
fn read_all(shard: &Shard) -> BTreeMap<u64, Content> {
    let mut found = BTreeMap::new();
    let Ok(mut cursor) = shard.read(Position::Oldest) else {
        return found;
    };
    let mut last = None;
    loop {
        match cursor.next_batch() {
            Ok(None) => return found,
            Ok(Some(batch)) => {
                for record in batch.records() {
                    // A body that verifies may still be forged, and its framing broken.
                    let Ok((sequence, record)) = record else {
                        break;
                    };
                    assert!(
                        last.is_none_or(|last| last < sequence),
                        "sequence numbers go back"
                    );
                    last = Some(sequence);
                    found.insert(sequence.0, (record.key.to_owned(), record.data.to_vec()));
                }
            }
            Err(Error::Damaged { damage, .. }) => {
                let Some(resume) = damage.resume else {
                    return found;
                };
                assert!(resume > cursor.position(), "a gap that leads back");
                cursor.skip_to(resume);
            }
            Err(_) => return found,
        }
    }
}

/// The fuzzer's input, as a list of changes.
struct Changes<'a> {
    rest: &'a [u8],
}

impl Changes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    fn number(&mut self, below: usize) -> usize {
        let number = (0..3).fold(0, |number, _| number << 8 | usize::from(self.byte()));
        number % below.max(1)
    }

    fn apply(&mut self, files: &mut Vec<StoredFile>, forged: bool) {
        let file = usize::from(self.byte()) % files.len();
        let what = self.byte();
        let (_, len, bytes) = &mut files[file];
        match what % 8 {
            // Bytes flip. (Not: are replaced. Else the fuzzer copies checksums into place.)
            0..=2 => {
                let at = self.number(bytes.len());
                for slot in bytes.iter_mut().skip(at).take(1 + usize::from(what >> 4)) {
                    *slot ^= self.byte();
                }
            }
            // A write that never arrived.
            3 => {
                let (at, count) = (self.number(bytes.len()), self.number(16 << 10));
                bytes
                    .iter_mut()
                    .skip(at)
                    .take(count)
                    .for_each(|slot| *slot = 0);
            }
            // A torn end.
            4 => bytes.truncate(self.number(bytes.len())),
            // A block that shows another's bytes.
            5 => {
                const BLOCK: usize = 4096;
                let (from, to) = (self.number(bytes.len()), self.number(bytes.len()));
                let block = bytes.iter().skip(from / BLOCK * BLOCK).take(BLOCK);
                let block: Vec<u8> = block.copied().collect();
                for (slot, byte) in bytes.iter_mut().skip(to / BLOCK * BLOCK).zip(block) {
                    *slot = byte;
                }
            }
            // A file cut short, or gone.
            6 => *len = self.number(usize::try_from(*len).unwrap_or(usize::MAX)) as u64,
            _ if files.len() > 1 => {
                files.remove(file);
                return;
            }
            _ => {}
        }
        if forged {
            mend(&mut files[file].2);
        }
    }
}

/// Makes the checksums of all batches right again.
fn mend(bytes: &mut [u8]) {
    for at in (0..bytes.len()).step_by(512) {
        let Some(batch) = bytes.get_mut(at..) else {
            return;
        };
        if batch.len() < BATCH_HEADER_LEN || !batch.starts_with(&BATCH_MAGIC.to_le_bytes()) {
            continue;
        }
        let len = u32::from_le_bytes([batch[48], batch[49], batch[50], batch[51]]) as usize;
        if let Some(body) = batch.get(BATCH_HEADER_LEN..BATCH_HEADER_LEN.saturating_add(len)) {
            let crc = crc32c(body);
            batch[56..60].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32c(&batch[8..BATCH_HEADER_LEN]);
        batch[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// The store that is damaged: two segments, batches of many sizes, some compressed.
fn pattern() -> &'static Pattern {
    static PATTERN: OnceLock<Pattern> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let dir = scratch();
        let mut records = Vec::new();
        let options = StoreOptions {
            device: DeviceChoice::Portable,
            direct_io: false,
            ..StoreOptions::default()
        };
        let mut torn = Vec::new();
        for (turn, choice) in [CompressionChoice::None, CompressionChoice::Zstd(1)]
            .into_iter()
            .enumerate()
        {
            let store = Store::open(dir.path(), options.clone()).expect("a new store");
            let shard = match turn {
                0 => store.create_shard(SHARD, shard_options(choice)),
                _ => store.open_shard(SHARD, shard_options(choice)),
            };
            let shard = shard.expect("a new shard");
            for batch in 0..8usize {
                let count = 1 + batch * 5;
                let data: Vec<Vec<u8>> = (0..count)
                    .map(|i| vec![(turn * 64 + i) as u8; 40 + i * batch * 30])
                    .collect();
                let made: Vec<Record<'_>> =
                    data.iter().map(|data| Record::new("key", data)).collect();
                let ticket = shard.append(&made).expect("room");
                ticket.wait().expect("a write that lands");
                records.extend(data.into_iter().map(|data| ("key".to_owned(), data)));
            }
            torn = read_files(dir.path());
            drop(shard);
            store.close().expect("a clean close");
        }
        Pattern {
            clean: read_files(dir.path()),
            torn,
            records,
        }
    })
}

fn read_files(root: &Path) -> Vec<StoredFile> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the store") {
            let path = entry.expect("a name in it").path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).expect("a file of the store");
            let len = bytes.len() as u64;
            let end = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at + 1);
            bytes.truncate(end);
            let inside = path.strip_prefix(root).expect("a path in the store");
            files.push((inside.to_owned(), len, bytes));
        }
    }
    files.sort();
    files
}

fn write_files(root: &Path, files: &[StoredFile]) {
    for (inside, len, bytes) in files {
        let path = root.join(inside);
        fs::create_dir_all(path.parent().expect("a directory")).expect("room for it");
        fs::write(&path, bytes).expect("room for a file");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("the file");
        file.set_len(*len).expect("its length");
    }
}

/// In memory where there is such a place: a device is not what is tested.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        env::temp_dir()
    };
    tempfile::tempdir_in(parent).expect("a directory to work in")
}

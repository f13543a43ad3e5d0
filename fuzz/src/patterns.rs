//! Good stores, as they were closed or left by a killed process: what is damaged by the targets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use millstream_engine::{
    CompressionChoice, Durability, Retention, SequenceNumber, Shard, ShardId, ShardOptions, Store,
    io::simulated::Disk,
};
use millstream_format::{BATCH_HEADER_LEN, BatchHeader, Record};

use crate::{
    reading::{Content, Found},
    stand::Stand,
};

/// The shard of every pattern.
pub const SHARD: ShardId = ShardId(1);
/// Bytes to which batches are aligned.
pub const BLOCK: usize = 4096;
/// The producer of the numbered puts.
pub const PRODUCER: u64 = 0x00f0_0d00;

/// A file of a pattern.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub len: u64,
    /// Its bytes up to the last that is not zero, up to a block.
    pub bytes: Vec<u8>,
    /// Where batches of a segment lie, those of its epoch.
    pub batches: Vec<(usize, BatchHeader)>,
}

impl StoredFile {
    /// Whether it is a segment.
    #[must_use]
    pub fn is_segment(&self) -> bool {
        self.path.extension().is_some_and(|ext| ext == "seg")
    }

    /// The epoch of a segment that was begun.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        let bytes = self.bytes.get(40..48).filter(|_| self.is_segment())?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

/// A good store.
#[derive(Debug)]
pub struct Pattern {
    /// What it is, for messages.
    pub name: &'static str,
    /// How its shard is opened.
    pub options: ShardOptions,
    /// The disk, which nobody writes to: it is forked.
    pub disk: Disk,
    /// Its files.
    pub files: Vec<StoredFile>,
    /// Every record in it; all were acknowledged.
    pub records: BTreeMap<u64, Content>,
    /// Every record that ever was in it.
    pub ever: BTreeMap<u64, Content>,
    /// Numbered puts of [`PRODUCER`]: number, and the record that it is.
    pub puts: Vec<(u64, u64)>,
}

/// How many there are.
pub const COUNT: usize = 7;

/// The pattern of a number; one after the last is the first again.
#[must_use]
pub fn pattern(number: usize) -> &'static Pattern {
    static PATTERNS: [OnceLock<Pattern>; COUNT] = [const { OnceLock::new() }; COUNT];
    let number = number % COUNT;
    PATTERNS[number].get_or_init(|| match number {
        0 => small("closed", Durability::Durable, true),
        1 => small("killed", Durability::Durable, false),
        2 => cut_off(),
        3 => rolled("rolled", Retention::default()),
        4 => rolled(
            "recycled",
            Retention {
                age: None,
                bytes: Some(2 << 20),
            },
        ),
        5 => small("written, killed", Durability::Written, false),
        _ => small("written, closed", Durability::Written, true),
    })
}

/// Options of the shard in a pattern.
#[must_use]
pub fn options(durability: Durability, compression: CompressionChoice) -> ShardOptions {
    ShardOptions {
        durability,
        compression,
        segment_bytes: 1 << 20,
        ..ShardOptions::default()
    }
}

/// Makes a pattern, process by process.
struct Maker {
    options: ShardOptions,
    disk: Disk,
    seed: u64,
    records: BTreeMap<u64, Content>,
    puts: Vec<(u64, u64)>,
}

struct Process {
    stand: Stand,
    store: Store,
    shard: Shard,
}

impl Maker {
    fn new(options: ShardOptions) -> Maker {
        Maker {
            options,
            disk: Disk::default(),
            seed: 1,
            records: BTreeMap::new(),
            puts: Vec::new(),
        }
    }

    fn start(&mut self) -> Process {
        self.seed += 1;
        let stand = Stand::new(std::mem::take(&mut self.disk), self.seed);
        let store = stand.open().expect("a good store");
        let shard = match self.records.is_empty() {
            true => store.create_shard(SHARD, self.options),
            false => store.open_shard(SHARD, self.options),
        };
        let shard = shard.expect("a good shard");
        Process {
            stand,
            store,
            shard,
        }
    }

    fn note(&mut self, first: u64, records: &[Record<'_>]) {
        for (sequence, record) in (first..).zip(records) {
            let content = (record.key.to_owned(), record.data.to_vec());
            self.records.insert(sequence, content);
        }
    }

    /// Batches of many sizes, every third of them a numbered put.
    fn small_batches(&mut self, process: &Process, count: usize) {
        for batch in 0..count {
            let data: Vec<Vec<u8>> = (0..1 + batch * 5)
                .map(|i| vec![(self.seed as usize * 64 + i) as u8; 40 + i * batch * 30])
                .collect();
            let made: Vec<Record<'_>> = data.iter().map(|data| Record::new("key", data)).collect();
            let number = self.puts.len() as u64;
            let ticket = match batch % 3 {
                1 => process.shard.try_append_from(PRODUCER, number, &made),
                _ => process.shard.try_append(&made),
            };
            let first = process.stand.wait(&ticket.expect("room")).expect("a write");
            if batch % 3 == 1 {
                self.puts.push((number, first.first.0));
            }
            self.note(first.first.0, &made);
        }
    }

    fn fat_batches(&mut self, process: &Process, count: usize) {
        for batch in 0..count {
            let data: Vec<u8> = (0..200_000usize)
                .map(|i| (i * 7 + batch * 31 + (i >> 9)) as u8)
                .collect();
            let made = [Record::new("fat", &data)];
            let ticket = process.shard.try_append(&made).expect("room");
            let first = process.stand.wait(&ticket).expect("a write");
            self.note(first.first.0, &made);
            process.stand.turn();
        }
    }

    fn end(&mut self, process: Process, clean: bool) {
        let Process {
            stand,
            store,
            shard,
        } = process;
        if clean {
            drop(shard);
            store.close().expect("a clean close");
            self.disk = stand.end();
            return;
        }
        // Long enough for the stamp of an idle shard.
        stand.pass(5_000);
        (0..8).for_each(|_| stand.turn());
        self.disk = stand.after_kill(stand.end());
        drop((shard, store));
    }

    fn finish(mut self, name: &'static str) -> Pattern {
        let mut files: Vec<StoredFile> = Vec::new();
        for path in self.disk.files() {
            files.push(stored(&self.disk, &path));
        }
        // What is there is what was put, or the pattern is no pattern.
        let stand = Stand::new(self.disk.fork(), 99);
        let store = stand.open().expect("a good store");
        let shard = store.open_shard(SHARD, self.options).expect("a good shard");
        let found = Found::read(&shard);
        assert!(found.gaps.is_empty() && found.read_only.is_none(), "{name}");
        let ever = self.records.clone();
        self.records.retain(|sequence, _| *sequence >= found.oldest);
        assert!(found.records == self.records, "{name}");
        Pattern {
            name,
            options: self.options,
            disk: self.disk,
            files,
            records: self.records,
            ever,
            puts: self.puts,
        }
    }
}

fn stored(disk: &Disk, path: &Path) -> StoredFile {
    let mut bytes = disk.bytes(path).expect("a file");
    let len = bytes.len() as u64;
    let end = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(end.map_or(0, |end| (end + 1).next_multiple_of(BLOCK).min(bytes.len())));
    let mut file = StoredFile {
        path: path.to_owned(),
        len,
        bytes,
        batches: Vec::new(),
    };
    if let Some(epoch) = file.epoch() {
        let mut at = BLOCK;
        while let Some(found) = file.bytes.get(at..at + BATCH_HEADER_LEN)
            && let Ok(Some(header)) = BatchHeader::decode(found)
            && header.epoch == epoch
        {
            file.batches.push((at, header));
            at += header.padded_len(BLOCK);
        }
    }
    file
}

/// One segment or two: batches of many sizes, then compressed ones.
fn small(name: &'static str, durability: Durability, clean: bool) -> Pattern {
    let mut maker = Maker::new(options(durability, CompressionChoice::None));
    for (turn, choice) in [CompressionChoice::None, CompressionChoice::Zstd(1)]
        .into_iter()
        .enumerate()
    {
        maker.options.compression = choice;
        let process = maker.start();
        maker.small_batches(&process, 7);
        maker.end(process, clean || turn == 0);
    }
    maker.finish(name)
}

/// Segments that are short, because each was cut off behind a batch that did not land whole.
fn cut_off() -> Pattern {
    let mut maker = Maker::new(options(Durability::Durable, CompressionChoice::None));
    for _ in 0..4 {
        let process = maker.start();
        maker.small_batches(&process, 4);
        // One more, of which the header lands and the end of the body does not.
        let torn = [0x55; 9_000];
        let ticket = process.shard.try_append(&[Record::new("torn", &torn)]);
        drop(process.stand.wait(&ticket.expect("room")));
        maker.end_at_once(process);
    }
    let process = maker.start();
    maker.small_batches(&process, 3);
    maker.end(process, false);
    maker.finish("cut off")
}

impl Maker {
    /// Ends a process before it has shown that its last batch is there, and takes a part of that.
    fn end_at_once(&mut self, process: Process) {
        let Process {
            stand,
            store,
            shard,
        } = process;
        let mut disk = stand.end();
        drop((shard, store));
        let files: Vec<StoredFile> = disk
            .files()
            .iter()
            .map(|path| stored(&disk, path))
            .filter(|file| file.is_segment() && !file.batches.is_empty())
            .collect();
        let last = files.last().expect("a segment");
        let (at, header) = last.batches.last().expect("a batch");
        let end = at + header.batch_len();
        disk.overwrite(&last.path, end as u64 - 600, &[0; 600])
            .expect("the file");
        self.disk = disk;
    }
}

/// Several full segments with their indexes. With a retention, the oldest are dropped and written
/// again, so that what they held lies behind the end of the newest.
fn rolled(name: &'static str, retention: Retention) -> Pattern {
    let mut maker = Maker::new(options(Durability::Durable, CompressionChoice::None));
    maker.options.retention = retention;
    for clean in [true, false] {
        let process = maker.start();
        maker.small_batches(&process, 4);
        maker.fat_batches(&process, 6);
        if retention.bytes.is_some() {
            process.store.reap().expect("what is old can be dropped");
            process.stand.turn();
            maker.fat_batches(&process, 5);
            let end = process.shard.end().0;
            let kept = SequenceNumber(end.saturating_sub(6));
            process.shard.trim(kept).expect("it can be trimmed");
            process.stand.turn();
        }
        maker.small_batches(&process, 3);
        maker.end(process, clean);
    }
    // What is judged is damage, not age.
    maker.options.retention = Retention::default();
    maker.finish(name)
}

//! The bytes of `docs/FORMAT.md`: files that were written once and are kept. What they hold is
//! read as it was meant, and the same input gives the same bytes. A test that fails here says
//! that stores of before would be read wrongly, or that the document no longer tells the truth.
//!
//! The files are text: an offset and up to sixteen bytes a line, lines of zeros left out, the
//! length at the end. After a change of the format that is meant:
//! `cargo test -p millstream-engine --test golden -- --ignored`, then look at the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod support;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Buffer, BufferOptions, CursorStart, Environment, Position, Retention, SequenceNumber, ShardId,
    ShardOptions, Store, StoreOptions,
    clock::{Clock, Random},
    format::{
        BatchBuilder, BatchHeader, Compression, HashKey, ProducerEntry, RawBody, Record, Stamp,
        compression,
    },
};
use support::store_options;

const GOLDEN: ShardId = ShardId(0x2a);
const PRODUCER: u64 = 0x1122_3344_5566_7788;
/// 2027-01-15 08:00:00 UTC.
const START: u64 = 1_800_000_000_000;
const TWO_HOURS: u64 = 2 * 3_600_000;
const EXPLICIT: HashKey = HashKey(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100);

/// Stands until it is moved.
#[derive(Debug, Default)]
struct HandClock {
    ms: AtomicU64,
}

impl HandClock {
    fn advance(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        START + self.ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.ms.load(Ordering::SeqCst))
    }
}

/// 0xd1d1…, 0xd2d2…, and so on.
#[derive(Debug, Default)]
struct Counted {
    calls: AtomicU64,
}

impl Random for Counted {
    fn next_u64(&self) -> u64 {
        (0xd1 + self.calls.fetch_add(1, Ordering::SeqCst)) * 0x0101_0101_0101_0101
    }
}

fn options() -> ShardOptions {
    ShardOptions {
        segment_bytes: 1 << 20,
        retention: Retention {
            age: Some(Duration::from_secs(24 * 3600)),
            bytes: None,
        },
        ..ShardOptions::default()
    }
}

/// The four records of the golden store, in order, with their times.
fn expected() -> [(u64, Record<'static>); 4] {
    let explicit = Record {
        key: "customer-17",
        explicit_hash: Some(EXPLICIT),
        data: b"moved",
    };
    [
        (START, Record::new("customer-17", b"{\"t\":21.5}")),
        (START, explicit),
        (START, Record::new("", b"")),
        (START + TWO_HOURS + 600, Record::new("customer-9", b"last")),
    ]
}

/// Makes the golden store in `path`: two segments, one rolled for its age, cleanly closed.
fn make(path: &Path) {
    let clock = Arc::new(HandClock::default());
    let options_of_store = StoreOptions {
        environment: Environment {
            clock: Arc::clone(&clock) as _,
            random: Arc::new(Counted::default()),
            ..Environment::default()
        },
        reap_interval: Duration::from_secs(1_000_000_000),
        ..store_options()
    };
    let store = Store::open(path, options_of_store).unwrap();
    let shard = store.create_shard(GOLDEN, options()).unwrap();
    let records = expected().map(|(_, record)| record);
    let put = |number, records: &[Record<'_>]| {
        let ticket = shard.try_append_from(PRODUCER, number, records).unwrap();
        ticket.wait().unwrap();
    };
    put(0, &records[..2]);
    shard.append(&records[2..3]).unwrap().wait().unwrap();
    // Idle for more than half a second: the watermark is shown by an empty batch.
    clock.advance(600);
    let first = path.join("shards/000000000000002a/0000000000000000.seg");
    wait_for("the stamp", || {
        support::batches(&first).iter().any(|(_, h)| h.count == 0)
    });
    // Older than a 24th of its retention: the segment is rolled.
    clock.advance(TWO_HOURS);
    store.confirm_clock();
    store.reap().unwrap();
    wait_for("the roll", || shard.status().segments == 2);
    put(1, &records[3..]);
    store.close().unwrap();
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come");
}

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The files of a store that belong to its format, by their paths in it.
const FILES: [&str; 4] = [
    "STORE",
    "shards/000000000000002a/0000000000000000.seg",
    "shards/000000000000002a/0000000000000000.idx",
    "shards/000000000000002a/0000000000000001.seg",
];

/// Where the text of a file is kept: its last name, `.hex`.
fn text_of(file: &str) -> PathBuf {
    let name = file.rsplit('/').next().unwrap();
    golden_dir().join(format!("{name}.hex"))
}

fn dump(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        if line.iter().any(|byte| *byte != 0) {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{:08x}  {}", 16 * i, hex.join(" ")).unwrap();
        }
    }
    writeln!(text, "length {}", bytes.len()).unwrap();
    text
}

fn expand(text: &str) -> Vec<u8> {
    let length = text.lines().last().unwrap().strip_prefix("length ");
    let mut bytes = vec![0; length.unwrap().parse().unwrap()];
    for line in text.lines().filter(|line| !line.starts_with("length ")) {
        let (offset, hex) = line.split_once("  ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (i, byte) in hex.split(' ').enumerate() {
            bytes[offset + i] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    bytes
}

/// The kept text of a golden file.
fn kept(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The file of a cursor of an embedded buffer that has acknowledged one of two records.
fn cursor_file() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let options = BufferOptions {
        device: store_options().device,
        ..BufferOptions::default()
    };
    let buffer = Buffer::open(dir.path(), options).unwrap();
    buffer.create_cursor("uplink", CursorStart::Oldest).unwrap();
    for record in [b"1", b"2"] {
        buffer.push(record).unwrap();
    }
    let first = SequenceNumber(0);
    buffer.acknowledge("uplink", first).unwrap();
    std::fs::read(dir.path().join("cursors/uplink.cursor")).unwrap()
}

/// A batch of the first two records as a producer makes it: without a place.
fn ready_batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(vec![0xff; 4096]);
    for (_, record) in &expected()[..2] {
        assert!(builder.push(record));
    }
    builder.push_producer(ProducerEntry {
        producer: PRODUCER,
        number: 0,
        first: 0,
        count: 2,
    });
    let (mut bytes, header) = builder.finish();
    bytes.truncate(header.batch_len());
    bytes
}

/// A compressed batch of one record, with a place.
fn compressed_batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(vec![0; 4096]);
    assert!(builder.push(&Record::new("k", &[b'z'; 1000])));
    let (bytes, mut header) = builder.finish();
    let mut out = vec![0; 4096];
    let raw = &bytes[64..header.batch_len()];
    let len = compression::compress(1, raw, &mut out[64..]).unwrap();
    header.compression = Compression::Zstd;
    header.stored_len = u32::try_from(len.unwrap()).unwrap();
    header.body_crc = millstream_engine::format::crc32c(&out[64..64 + len.unwrap()]);
    header.stamp(Stamp {
        epoch: 0xd2d2_d2d2_d2d2_d2d2,
        first_sequence: 1000,
        time_ms: START,
        watermark: 999,
    });
    header.encode(&mut out);
    out.truncate(header.batch_len());
    out
}

#[test]
#[ignore = "writes the golden files anew: only after a change of the format that is meant"]
fn write_the_golden_files() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    std::fs::create_dir_all(golden_dir()).unwrap();
    for file in FILES {
        let bytes = std::fs::read(dir.path().join(file)).unwrap();
        std::fs::write(text_of(file), dump(&bytes)).unwrap();
    }
    std::fs::write(text_of("ready.batch"), dump(&ready_batch())).unwrap();
    std::fs::write(text_of("zstd.batch"), dump(&compressed_batch())).unwrap();
    std::fs::write(text_of("uplink.cursor"), dump(&cursor_file())).unwrap();
}

#[test]
fn a_store_made_today_has_the_golden_bytes() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    for file in FILES {
        let bytes = std::fs::read(dir.path().join(file)).unwrap();
        assert_eq!(dump(&bytes), kept(&text_of(file)), "{file}");
    }
    let shard = dir.path().join("shards/000000000000002a");
    assert_eq!(
        std::fs::read_dir(shard).unwrap().count(),
        3,
        "a file that no golden file stands for"
    );
}

#[test]
fn the_golden_store_holds_the_expected_records() {
    let dir = tempfile::tempdir().unwrap();
    for file in FILES {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expand(&kept(&text_of(file)))).unwrap();
    }
    let store = support::open(dir.path());
    assert_eq!(store.shard_ids().unwrap(), [GOLDEN]);
    let shard = store.open_shard(GOLDEN, options()).unwrap();
    let status = shard.status();
    assert!(status.opened.clean, "{status:?}");
    assert_eq!((status.segments, status.end), (2, SequenceNumber(4)));

    let mut cursor = shard.read(Position::Oldest).unwrap();
    let mut found = 0;
    while let Some(batch) = cursor.next_batch().unwrap() {
        for record in batch.records() {
            let (sequence, record) = record.unwrap();
            let (time, wanted) = expected()[found];
            assert_eq!(sequence, SequenceNumber(found as u64));
            assert_eq!((record.as_record(), batch.time_ms()), (wanted, time));
            found += 1;
        }
    }
    assert_eq!(found, 4);
    let by_time = shard.read(Position::AtTime(START + 1)).unwrap();
    assert_eq!(by_time.position(), SequenceNumber(3));
    // What the shard knows of the producer: put 0 by the index of the sealed segment, put 1 by
    // the producer table of the last batch.
    for (number, first, count) in [(0, 0, 2), (1, 3, 1)] {
        let again = shard.try_append_from(PRODUCER, number, &[Record::new("", b"again")]);
        let appended = again.unwrap().wait().unwrap();
        assert!(appended.duplicate);
        assert_eq!((appended.first.0, appended.count), (first, count));
    }
}

#[test]
fn a_ready_batch_made_today_has_the_golden_bytes() {
    let text = kept(&text_of("ready.batch"));
    assert_eq!(dump(&ready_batch()), text);
    let bytes = expand(&text);
    let header = BatchHeader::decode(&bytes).unwrap().unwrap();
    header.verify_body(&bytes[64..]).unwrap();
    let body = RawBody::new(&header, &bytes[64..]).unwrap();
    let records: Vec<_> = body.records().map(|r| r.unwrap().as_record()).collect();
    assert_eq!(records, [expected()[0].1, expected()[1].1]);
    assert_eq!(body.producers().count(), 1);
}

#[test]
fn the_golden_cursor_is_written_and_read() {
    let text = kept(&text_of("uplink.cursor"));
    assert_eq!(dump(&cursor_file()), text);
    let dir = tempfile::tempdir().unwrap();
    let buffer = Buffer::open(dir.path(), BufferOptions::default()).unwrap();
    for record in [b"1", b"2"] {
        buffer.push(record).unwrap();
    }
    buffer.close().unwrap();
    drop(buffer);
    std::fs::write(dir.path().join("cursors/uplink.cursor"), expand(&text)).unwrap();
    let buffer = Buffer::open(dir.path(), BufferOptions::default()).unwrap();
    let peek = buffer.peek("uplink", 10, 1000).unwrap();
    let records: Vec<_> = peek.records().map(|r| r.unwrap().data.to_vec()).collect();
    assert_eq!(records, [b"2"]);
}

#[test]
fn the_golden_compressed_batch_is_read() {
    // Its bytes are zstd's, which may do better one day: only reading is under test.
    let bytes = expand(&kept(&text_of("zstd.batch")));
    let header = BatchHeader::decode(&bytes).unwrap().unwrap();
    assert_eq!(header.compression, Compression::Zstd);
    assert_eq!((header.first_sequence, header.watermark), (1000, 999));
    let raw = compression::decompress(&header, &bytes[64..]).unwrap();
    let body = RawBody::new(&header, &raw).unwrap();
    let records: Vec<_> = body.records().map(|r| r.unwrap().as_record()).collect();
    assert_eq!(records, [Record::new("k", &[b'z'; 1000])]);
}

/// Each fenced block of `docs/FORMAT.md` that is marked `hex` and a file's name holds lines of
/// that golden file.
#[test]
fn the_document_quotes_the_golden_files() {
    let document = kept(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md"));
    let mut quoted = std::collections::BTreeSet::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(file) = line.strip_prefix("```hex ") else {
            continue;
        };
        let text = kept(&golden_dir().join(file));
        for line in lines.by_ref().take_while(|line| *line != "```") {
            // What stands behind the bytes explains them.
            let bytes = line.split("   ").next().unwrap().trim_end();
            assert!(text.lines().any(|l| l == bytes), "{file} has no {bytes:?}");
            quoted.insert(file);
        }
    }
    let all = std::fs::read_dir(golden_dir()).unwrap();
    for entry in all {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(quoted.contains(name.as_str()), "{name} is not quoted");
    }
}

//! The fields of the golden batches, at the places where `docs/FORMAT.md` says they are.
#![allow(clippy::unwrap_used)] // a test may

use millstream_format::{
    BATCH_HEADER_LEN, BatchHeader, BatchLimits, Compression, HashKey, ProducerEntry, RawBody,
    Record, Stamp, crc32c,
};

const EPOCH: u64 = 0xd2d2_d2d2_d2d2_d2d2;
const TIME: u64 = 1_800_000_000_000;

/// `len` bytes at `offset` of a golden file (see `engine/tests/golden.rs` for their form).
fn golden(file: &str, offset: usize, len: usize) -> Vec<u8> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
    let text = std::fs::read_to_string(format!("{dir}/{file}")).unwrap();
    let mut bytes = vec![0; len];
    for line in text.lines().filter(|line| !line.starts_with("length")) {
        let (at, hex) = line.split_once("  ").unwrap();
        let at = usize::from_str_radix(at, 16).unwrap();
        for (i, byte) in hex.split(' ').enumerate() {
            if let Some(i) = (at + i).checked_sub(offset).filter(|i| *i < len) {
                bytes[i] = u8::from_str_radix(byte, 16).unwrap();
            }
        }
    }
    bytes
}

/// A header comes out of the golden bytes, and gives them again.
fn assert_header(file: &str, offset: usize, expected: BatchHeader) {
    let bytes = golden(file, offset, BATCH_HEADER_LEN);
    assert_eq!(BatchHeader::decode(&bytes), Ok(Some(expected)));
    let mut again = [0xff; BATCH_HEADER_LEN];
    expected.encode(&mut again);
    assert_eq!(again[..], bytes[..]);
}

#[test]
fn the_headers_of_the_golden_segments() {
    let put = BatchHeader {
        compression: Compression::None,
        close: false,
        producers: 1,
        count: 2,
        epoch: EPOCH,
        first_sequence: 0,
        time_ms: TIME,
        watermark: 0,
        stored_len: 96,
        raw_len: 96,
        body_crc: 0xa44a_8201,
    };
    assert_header("0000000000000000.seg.hex", 0x1000, put);
    let stamp = Stamp {
        epoch: EPOCH,
        first_sequence: 3,
        time_ms: TIME,
        watermark: 3,
    };
    let empty = BatchHeader::empty(stamp, false);
    assert_header("0000000000000000.seg.hex", 0x3000, empty);
    let stamp = Stamp {
        epoch: 0xd3d3_d3d3_d3d3_d3d3,
        first_sequence: 4,
        time_ms: TIME + 2 * 3_600_000 + 600,
        watermark: 4,
    };
    let close = BatchHeader::empty(stamp, true);
    assert_header("0000000000000001.seg.hex", 0x2000, close);
}

#[test]
fn the_body_of_the_golden_batch() {
    let body = golden("0000000000000000.seg.hex", 0x1040, 96);
    assert_eq!(crc32c(&body), 0xa44a_8201);
    let bytes = golden("0000000000000000.seg.hex", 0x1000, BATCH_HEADER_LEN);
    let header = BatchHeader::decode(&bytes).unwrap().unwrap();
    let raw = RawBody::new(&header, &body).unwrap();
    raw.check(&BatchLimits::default()).unwrap();
    let records: Vec<_> = raw.records().map(|r| r.unwrap().as_record()).collect();
    let moved = Record {
        key: "customer-17",
        explicit_hash: Some(HashKey(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100)),
        data: b"moved",
    };
    assert_eq!(
        records,
        [Record::new("customer-17", b"{\"t\":21.5}"), moved]
    );
    let put = ProducerEntry {
        producer: 0x1122_3344_5566_7788,
        number: 0,
        first: 0,
        count: 2,
    };
    assert_eq!(raw.producers().collect::<Vec<_>>(), [put]);
    let mut again = vec![0xff; 96];
    let mut end = 0;
    for record in &records {
        end += record.encode(&mut again[end..]);
    }
    put.encode(&mut again[end..]);
    assert_eq!(again, body);
}

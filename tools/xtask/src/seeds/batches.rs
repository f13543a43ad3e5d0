//! Batches: the mark of a clean close, records of every form, a compressed body.

use millstream_format::{
    BatchBuilder, BatchHeader, Compression, HashKey, ProducerEntry, Record, Stamp, compression,
};

use super::Seed;

/// First byte of a `batch_decode` input: mend header checksum, body checksum, body length.
const MEND_ALL: u8 = 7;

pub(super) fn seeds() -> Vec<Seed> {
    let stamp = Stamp {
        epoch: 0x0123_4567_89ab_cdef,
        first_sequence: 41,
        time_ms: 1_700_000_000_000,
        watermark: 40,
    };
    let mut empty = vec![0; 64];
    BatchHeader::empty(stamp, true).encode(&mut empty);

    let mut records = BatchBuilder::new(vec![0; 4096]);
    records.push(&Record::new("key", b"data"));
    records.push(&Record::new("", b""));
    records.push(&Record {
        explicit_hash: Some(HashKey(u128::MAX)),
        ..Record::new("schlüssel", &[0xff; 33])
    });
    records.push_producer(ProducerEntry {
        producer: 7,
        number: 3,
        first: 0,
        count: 2,
    });
    let (mut raw, mut header) = records.finish();
    raw.truncate(header.batch_len());
    header.stamp(stamp);
    header.encode(&mut raw);

    let mut alike = BatchBuilder::new(vec![0; 8192]);
    for _ in 0..40 {
        alike.push(&Record::new(
            "the same key",
            b"the same data, again and again",
        ));
    }
    let (bytes, mut header) = alike.finish();
    let body = &bytes[64..header.batch_len()];
    let mut out = vec![0; body.len()];
    // Where zstd refuses, there is one seed less.
    let packed = compression::compress(3, body, &mut out).ok().flatten();
    let zstd = packed.map(|len| {
        header.compression = Compression::Zstd;
        header.stored_len = len as u32;
        header.body_crc = millstream_format::crc32c(&out[..len]);
        let mut batch = vec![0; 64];
        header.encode(&mut batch);
        batch.extend_from_slice(&out[..len]);
        ("zstd", batch)
    });

    let plain = [("close", empty), ("records", raw)];
    let seeds = plain.into_iter().chain(zstd);
    seeds
        .map(|(name, batch)| (name, [&[MEND_ALL][..], &batch].concat()))
        .collect()
}

//! Bytes in, bytes out: the format and the wire.

use std::{error::Error, hint::black_box};

use millstream_engine::format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, BatchLimits, HashKey, RawBody, crc32c,
};
use millstream_wire::{
    BatchEntry, BatchResult, BatchesAnswer, DEFAULT_FRAME_LIMIT, FrameHead, Request, Response,
};

use crate::{
    hot_path::{HotPath, Round},
    samples::{batch, batch_len, keys, noise, records},
};

/// Batches of a PutBatches: a producer's to the shards of a stream.
const BATCHES: u64 = 16;

pub(crate) const PATHS: &[HotPath] = &[
    HotPath {
        name: "hash 500 keys of 16 B",
        unit: "key",
        units: 500,
        rounds: (10, 110),
        make: || hash(500),
    },
    HotPath {
        name: "encode 500 x 1 KiB",
        unit: "record",
        units: 500,
        rounds: (10, 40),
        make: || encode(500, 1024),
    },
    HotPath {
        name: "encode 5000 x 100 B",
        unit: "record",
        units: 5000,
        rounds: (10, 40),
        make: || encode(5000, 100),
    },
    HotPath {
        name: "decode 500 x 1 KiB",
        unit: "record",
        units: 500,
        rounds: (10, 40),
        make: || decode(500, 1024),
    },
    HotPath {
        name: "decode 5000 x 100 B",
        unit: "record",
        units: 5000,
        rounds: (10, 40),
        make: || decode(5000, 100),
    },
    HotPath {
        name: "checksum 1 MiB",
        unit: "KiB",
        units: 1024,
        rounds: (10, 40),
        make: checksum,
    },
    HotPath {
        name: "wire: decode PutBatches",
        unit: "batch",
        units: BATCHES,
        rounds: (100, 1100),
        make: decode_put,
    },
    HotPath {
        name: "wire: encode its answer",
        unit: "batch",
        units: BATCHES,
        rounds: (100, 1100),
        make: encode_answer,
    },
];

fn hash(count: usize) -> Result<Round, Box<dyn Error>> {
    let keys = keys(count);
    let mut out = Vec::new();
    Ok(Box::new(move || {
        let lent = black_box(&keys).iter().map(String::as_str);
        HashKey::of_partition_keys(lent, &mut out);
        black_box(&out);
        Ok(())
    }))
}

fn encode(count: usize, len: usize) -> Result<Round, Box<dyn Error>> {
    let records = records(count, len);
    let mut buffer = vec![0; batch_len(&records)];
    Ok(Box::new(move || {
        let mut builder = BatchBuilder::new(&mut buffer[..]);
        for record in black_box(&records) {
            builder.push(record);
        }
        black_box(builder.finish());
        Ok(())
    }))
}

/// As a consumer reads: every checksum, then every record.
fn decode(count: usize, len: usize) -> Result<Round, Box<dyn Error>> {
    let batch = batch(&records(count, len));
    Ok(Box::new(move || {
        let bytes = black_box(&batch[..]);
        let header = BatchHeader::decode(bytes)?.ok_or("there is no batch")?;
        let body = &bytes[BATCH_HEADER_LEN..header.batch_len()];
        header.verify_body(body)?;
        let raw = RawBody::new(&header, body)?;
        raw.check(&BatchLimits::default())?;
        for record in raw.records() {
            black_box(record?);
        }
        Ok(())
    }))
}

fn checksum() -> Result<Round, Box<dyn Error>> {
    let bytes = noise(1 << 20);
    Ok(Box::new(move || {
        black_box(crc32c(black_box(&bytes)));
        Ok(())
    }))
}

fn decode_put() -> Result<Round, Box<dyn Error>> {
    let entries = (0..BATCHES).map(|shard| BatchEntry { shard, len: 65536 });
    let request = Request::PutBatches {
        stream: "orders",
        entries: entries.collect(),
    };
    let mut frame = Vec::new();
    request.encode(7, 0, &mut frame)?;
    Ok(Box::new(move || {
        let head = FrameHead::parse(black_box(&frame), DEFAULT_FRAME_LIMIT)?;
        let head = head.ok_or("the frame is not whole")?;
        black_box(Request::decode(head.header.opcode, head.meta)?);
        Ok(())
    }))
}

fn encode_answer() -> Result<Round, Box<dyn Error>> {
    let results = (0..BATCHES).map(|shard| BatchResult::Written {
        first_sequence: shard * 500,
        count: 500,
        duplicate: false,
    });
    let answer = Response::Batches(BatchesAnswer {
        results: results.collect(),
        shard_map: None,
    });
    let mut out = Vec::new();
    Ok(Box::new(move || {
        out.clear();
        black_box(&answer).encode(7, 0, &mut out)?;
        black_box(&out);
        Ok(())
    }))
}

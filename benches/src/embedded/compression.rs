//! Text that the engine compresses with zstd: what it takes on the medium, and how fast it is put
//! in beside `zstd -1` alone on one thread.

use std::time::{Duration, Instant};

use millstream_engine::{Position, SequenceNumber};

use super::{Ingest, Until};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    rounds::{Bench, Family},
    store::MeasuredStore,
};

/// Stored batches of each shard that are compressed once more, to be compared with.
const BLOCKS: usize = 16;

pub(super) fn families() -> Vec<Family> {
    vec![Family::new(&["zstd-size", "zstd-ingest"], |bench| {
        let ingest = Ingest {
            compressed: true,
            ..Ingest::new(1024, 500)
        };
        let dir = bench.fresh_dir("zstd")?;
        let measured = ingest.store(&dir.path().join("store"))?;
        let ingested = ingest.run(bench, &measured, Until::Passed(bench.seconds))?;
        let stored = measured.stored_bytes() as f64;
        let blocks = blocks(&measured)?;
        measured.check_and_close(ingested.acknowledged)?;
        let alone = compress(&blocks, bench)?;

        let data = ingested.acknowledged.bytes as f64;
        let size = Outcome::new("zstd-size", "ratio", stored / data)
            .bar(Bar::AtMost(0.45))
            .durable()
            .details(&[
                ("stored_mb", stored / 1e6),
                ("data_mb", data / 1e6),
                ("zstd_alone", alone.size),
            ]);
        let ingest = Outcome::new("zstd-ingest", "MB/s", ingested.mb_per_second())
            .limit(alone.mb_per_second)
            .bar(Bar::Times(0.9))
            .durable()
            .details(&[
                ("records_per_s", ingested.rate()),
                ("processor_ns_per_record", ingested.processor_ns()),
                ("block_bytes", alone.block_bytes),
            ])
            .device(ingested.device);
        Ok(vec![size, ingest])
    })]
}

/// The body of a stored batch before compression, and the bytes of record data in it.
struct Block {
    body: Vec<u8>,
    data: usize,
}

/// The bodies of some stored batches: the very blocks that the engine compressed.
fn blocks(measured: &MeasuredStore) -> Result<Vec<Block>, BenchError> {
    let mut blocks = Vec::new();
    for shard in &measured.shards {
        // From the middle on: the first batches are small, and the one in the middle is not
        // read whole.
        let middle = SequenceNumber(shard.end().0 / 2);
        let mut cursor = shard.read(Position::At(middle))?;
        cursor.next_batch()?;
        for _ in 0..BLOCKS {
            let Some(batch) = cursor.next_batch()? else {
                break;
            };
            let body = batch.body().map_err(millstream_engine::Error::from)?;
            let mut data = 0;
            for record in batch.records() {
                data += record?.1.data.len();
            }
            let body = body.record_bytes().to_vec();
            blocks.push(Block { body, data });
        }
    }
    Ok(blocks)
}

/// What zstd alone gives.
struct Alone {
    /// Of record data.
    mb_per_second: f64,
    /// Bytes out for each byte of record data.
    size: f64,
    block_bytes: f64,
}

fn compress(blocks: &[Block], bench: &Bench) -> Result<Alone, BenchError> {
    let failed = |error| BenchError::wrong(format!("zstd: {error}"));
    let mut compressor = zstd::bulk::Compressor::new(1).map_err(failed)?;
    let longest = blocks.iter().map(|block| block.body.len()).max();
    let mut out = vec![0; zstd::zstd_safe::compress_bound(longest.unwrap_or(0))];
    let (mut data, mut compressed, mut elapsed) = (0, 0, Duration::ZERO);
    while elapsed < bench.seconds / 2 {
        let start = Instant::now();
        for block in blocks {
            let len = compressor.compress_to_buffer(&block.body, &mut out[..]);
            compressed += len.map_err(failed)?;
            data += block.data;
        }
        elapsed += start.elapsed();
        if data == 0 {
            return Err(BenchError::wrong("there is nothing to compress"));
        }
    }
    let bytes: usize = blocks.iter().map(|block| block.body.len()).sum();
    Ok(Alone {
        mb_per_second: data as f64 / elapsed.as_secs_f64() / 1e6,
        size: compressed as f64 / data as f64,
        block_bytes: bytes as f64 / blocks.len() as f64,
    })
}

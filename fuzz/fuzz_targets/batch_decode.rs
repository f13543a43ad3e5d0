//! A batch out of a file or a socket: header, body, records, producer table, zstd. Whatever the
//! bytes, decoding ends with records or an error; what it accepts, it gives back unchanged.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, BatchLimits, Compression, FormatError, RawBody,
    compression, crc32c,
};

// The fuzzer cannot guess checksums, so the first byte tells which of them are made right.
const HEADER_CRC: u8 = 1;
const BODY_CRC: u8 = 2;
const BODY_LENGTH: u8 = 4;

fuzz_target!(|input: &[u8]| {
    let Some((&mend, bytes)) = input.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if bytes.len() >= BATCH_HEADER_LEN {
        let body = bytes.len() - BATCH_HEADER_LEN;
        if mend & BODY_LENGTH != 0 {
            bytes[48..52].copy_from_slice(&(body as u32).to_le_bytes());
        }
        if mend & BODY_CRC != 0 {
            let crc = crc32c(&bytes[BATCH_HEADER_LEN..]);
            bytes[56..60].copy_from_slice(&crc.to_le_bytes());
        }
        if mend & HEADER_CRC != 0 {
            let crc = crc32c(&bytes[8..BATCH_HEADER_LEN]);
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let Ok(Some(header)) = BatchHeader::decode(&bytes) else {
        return;
    };
    let mut again = [0; BATCH_HEADER_LEN];
    header.encode(&mut again);
    assert_eq!(
        again,
        bytes[..BATCH_HEADER_LEN],
        "a header changes when it is written again"
    );

    let body = &bytes[BATCH_HEADER_LEN..];
    // A reader stops here; the fuzzer goes on, because a checksum does not make a batch right.
    let _ = header.verify_body(body);
    let raw = match header.compression {
        Compression::None => body.to_vec(),
        Compression::Zstd => match compression::decompress(&header, body) {
            Ok(raw) => raw,
            Err(_) => return,
        },
    };
    let Ok(raw_body) = RawBody::new(&header, &raw) else {
        return;
    };
    let walked: Result<Vec<_>, FormatError> = raw_body.records().collect();
    if raw_body.check(&BatchLimits::default()).is_ok() {
        let records = walked.expect("a body that passes its check can be walked");
        assert_eq!(records.len(), header.count as usize);
        let mut builder = BatchBuilder::new(vec![0; BATCH_HEADER_LEN + raw.len()]);
        for record in &records {
            record
                .as_record()
                .check(0, usize::MAX)
                .expect("a record within the limits");
            assert!(builder.push(&record.as_record()));
        }
        let mut covered = 0u64;
        for entry in raw_body.producers() {
            covered += u64::from(entry.count);
            builder.push_producer(entry);
        }
        assert!(covered <= u64::from(header.count));
        let (rebuilt, _) = builder.finish();
        assert!(
            rebuilt[BATCH_HEADER_LEN..] == raw,
            "a body changes when it is built again"
        );
    }
    if let Ok(records) = raw_body.records().collect::<Result<Vec<_>, FormatError>>() {
        assert!(records.len() <= header.count as usize);
    }
});

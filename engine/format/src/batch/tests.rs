use super::*;
use crate::HashKey;
use proptest::prelude::*;

const STAMP: Stamp = Stamp {
    epoch: 0x1122_3344_5566_7788,
    first_sequence: 42,
    time_ms: 1_700_000_000_000,
    watermark: 40,
};

fn build(records: &[Record<'_>], producers: &[ProducerEntry]) -> (Vec<u8>, BatchHeader) {
    let mut builder = BatchBuilder::new(vec![0; 64 * 1024]);
    for record in records {
        assert!(builder.push(record));
    }
    for entry in producers {
        builder.push_producer(*entry);
    }
    let (mut bytes, mut header) = builder.finish();
    header.stamp(STAMP);
    header.encode(&mut bytes);
    bytes.truncate(header.batch_len());
    (bytes, header)
}

#[test]
fn a_batch_comes_back_record_by_record() {
    let entry = ProducerEntry {
        producer: 9,
        number: 4,
        first: 1,
        count: 2,
    };
    let records = [
        Record::new("a", b"1"),
        Record::new("b", &[5; 5000]),
        Record::new("c", b""),
    ];
    let (bytes, header) = build(&records, &[entry]);
    assert_eq!(BatchHeader::decode(&bytes), Ok(Some(header)));
    assert_eq!((header.first_sequence, header.end_sequence()), (42, 45));
    let body = &bytes[BATCH_HEADER_LEN..];
    header.verify_body(body).unwrap();
    let raw = RawBody::new(&header, body).unwrap();
    raw.check(&BatchLimits::default()).unwrap();
    let back: Vec<_> = raw.records().map(|r| r.unwrap().as_record()).collect();
    assert_eq!(back, records);
    assert_eq!(raw.producers().collect::<Vec<_>>(), [entry]);
}

#[test]
fn every_bit_of_a_batch_is_covered() {
    let (bytes, _) = build(&[Record::new("key", b"data")], &[]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let seen = match BatchHeader::decode(&damaged) {
                Ok(Some(header)) => header.verify_body(&damaged[BATCH_HEADER_LEN..]).is_err(),
                Ok(None) => false,
                Err(_) => true,
            };
            assert!(seen, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn zeros_are_nothing_and_not_a_batch() {
    assert_eq!(BatchHeader::decode(&[0; 64]), Ok(None));
    assert!(BatchHeader::decode(&[0; 63]).is_err());
}

#[test]
fn what_does_not_fit_is_refused_and_the_batch_stays_good() {
    let mut builder = BatchBuilder::new(vec![0; 128]);
    assert!(builder.push(&Record::new("", &[1; 40])));
    assert!(!builder.push(&Record::new("", &[1; 40])));
    assert!(builder.fits(0, 0) && !builder.fits(0, 1));
    let (bytes, header) = builder.finish();
    assert_eq!(header.count, 1);
    header.verify_body(&bytes[64..header.batch_len()]).unwrap();
}

#[test]
fn a_walk_finds_what_checksums_cannot() {
    let limits = BatchLimits {
        max_record: 10,
        require_key: true,
    };
    let check = |records: &[Record<'_>], producers: &[ProducerEntry]| {
        let (bytes, header) = build(records, producers);
        RawBody::new(&header, &bytes[64..]).unwrap().check(&limits)
    };
    assert!(check(&[Record::new("k", b"123456789")], &[]).is_ok());
    assert!(check(&[Record::new("k", b"1234567890")], &[]).is_err());
    assert!(check(&[Record::new("", b"1")], &[]).is_err());
    let open = BatchLimits {
        require_key: true,
        ..BatchLimits::default()
    };
    for (key, good) in [("é".repeat(256), true), ("é".repeat(257), false)] {
        let (bytes, header) = build(&[Record::new(&key, b"1")], &[]);
        let body = RawBody::new(&header, &bytes[64..]).unwrap();
        assert_eq!(body.check(&open).is_ok(), good);
    }
    let entry = |first, count| ProducerEntry {
        producer: 1,
        number: 0,
        first,
        count,
    };
    let two = [Record::new("a", b"1"), Record::new("b", b"2")];
    assert!(check(&two, &[entry(0, 1), entry(1, 1)]).is_ok());
    for wrong in [
        [entry(0, 2), entry(1, 1)],
        [entry(0, 1), entry(1, 2)],
        [entry(0, 0), entry(0, 1)],
    ] {
        assert!(check(&two, &wrong).is_err());
    }
    // A count that is not that of the records.
    let (bytes, mut header) = build(&two, &[]);
    header.count = 1;
    assert!(
        RawBody::new(&header, &bytes[64..])
            .unwrap()
            .check(&limits)
            .is_err()
    );
}

#[test]
fn data_written_in_place_makes_the_same_batch() {
    let records = [
        Record::new("k", b"123456789"),
        Record::new("", b""),
        Record {
            explicit_hash: Some(HashKey(7)),
            ..Record::new("key", &[5; 5000])
        },
    ];
    let mut builder = BatchBuilder::new(vec![0xff; 8192]);
    for record in &records {
        let failed = builder.push_with(&record.outline(), |data| {
            data.fill(1);
            Err("not to be had")
        });
        assert_eq!(failed, Err("not to be had"));
        let pushed = builder.push_with(&record.outline(), |data| {
            data.copy_from_slice(record.data);
            Ok::<(), ()>(())
        });
        assert_eq!(pushed, Ok(true));
    }
    let large = RecordOutline {
        data_len: 8192,
        ..RecordOutline::default()
    };
    assert_eq!(builder.push_with(&large, |_| Ok::<(), ()>(())), Ok(false));
    let (mut bytes, mut header) = builder.finish();
    header.stamp(STAMP);
    header.encode(&mut bytes);
    let (expected, expected_header) = build(&records, &[]);
    assert_eq!(header, expected_header);
    assert_eq!(bytes[..header.batch_len()], expected[..header.batch_len()]);
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 64..256), resum in any::<bool>()) {
        let mut bytes = bytes;
        if resum {
            bytes[0..4].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
            bytes[8] = BATCH_VERSION;
            let crc = crc32c(&bytes[8..64]);
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        }
        if let Ok(Some(header)) = BatchHeader::decode(&bytes)
            && let Ok(raw) = RawBody::new(&header, &bytes[64..])
        {
            let _ = raw.check(&BatchLimits::default());
        }
    }
}

use millstream_engine::format::HashKey;
use minicbor::Encoder;
use proptest::prelude::*;

use super::*;

type Written = Encoder<Vec<u8>>;

/// A body of what `write` puts into its only map.
fn body(write: impl FnOnce(&mut Written)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map().unwrap();
    write(&mut encoder);
    encoder.end().unwrap();
    encoder.into_writer()
}

fn record(encoder: &mut Written, key: &str, data: &[u8]) {
    encoder.map(2).unwrap();
    encoder.str("Data").unwrap().bytes(data).unwrap();
    encoder.str("PartitionKey").unwrap().str(key).unwrap();
}

fn records(encoder: &mut Written, count: u64) {
    encoder.str("Records").unwrap().array(count).unwrap();
    (0..count).for_each(|_| record(encoder, "k", b"AB"));
}

fn plain() -> Vec<u8> {
    body(|encoder| {
        records(encoder, 1);
        encoder.str("StreamName").unwrap().str("s").unwrap();
        encoder.str("StreamARN").unwrap().str("arn").unwrap();
    })
}

#[test]
fn bodies_as_clients_write_them() {
    let body = plain();
    let found = read(&body).unwrap();
    assert_eq!(
        (found.stream_name, found.stream_arn),
        (Some("s"), Some("arn"))
    );
    let entry = Entry {
        key: "k",
        explicit_hash: None,
        data: Data::Bytes(b"AB"),
    };
    assert_eq!(found.entries, [entry]);

    // Without lengths, as Jackson writes them, and with a hash key.
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(1).unwrap();
    encoder.str("Records").unwrap().begin_array().unwrap();
    encoder.begin_map().unwrap();
    encoder.str("PartitionKey").unwrap().str("k").unwrap();
    encoder.str("ExplicitHashKey").unwrap().str("7").unwrap();
    encoder.str("Data").unwrap().bytes(b"AB").unwrap();
    encoder.end().unwrap().end().unwrap();
    let body = encoder.into_writer();
    let entry = Entry {
        explicit_hash: Some(HashKey(7)),
        ..entry
    };
    assert_eq!(read(&body).unwrap().entries, [entry]);
}

#[test]
fn everything_else_is_left_to_others() {
    let with = |name: &str, write: &dyn Fn(&mut Written)| {
        body(|encoder| {
            records(encoder, 1);
            encoder.str(name).unwrap();
            write(encoder);
        })
    };
    let one = |write: &dyn Fn(&mut Written)| {
        body(|encoder| {
            encoder.str("Records").unwrap().array(1).unwrap();
            encoder.begin_map().unwrap();
            write(encoder);
            encoder.end().unwrap();
        })
    };
    let key = |encoder: &mut Written, key: &str| {
        encoder.str("PartitionKey").unwrap().str(key).unwrap();
    };
    let data = |encoder: &mut Written| {
        encoder.str("Data").unwrap().bytes(b"AB").unwrap();
    };
    let cases = [
        Vec::new(),
        vec![0xa0],
        vec![0xf6],
        vec![0x80],
        body(|encoder| records(encoder, 0)),
        body(|encoder| records(encoder, 501)),
        [plain(), vec![0]].concat(),
        plain()[..plain().len() - 1].to_vec(),
        with("StreamName", &|encoder| _ = encoder.null().unwrap()),
        with("Records", &|encoder| {
            encoder.array(1).unwrap();
            record(encoder, "k", b"AB");
        }),
        with("DryRun", &|encoder| _ = encoder.bool(true).unwrap()),
        one(&|encoder| key(encoder, "k")),
        one(&|encoder| data(encoder)),
        one(&|encoder| {
            data(encoder);
            data(encoder);
            key(encoder, "k");
        }),
        one(&|encoder| {
            data(encoder);
            key(encoder, "");
        }),
        one(&|encoder| {
            data(encoder);
            key(encoder, &"k".repeat(257));
        }),
        one(&|encoder| {
            key(encoder, "k");
            encoder.str("Data").unwrap().str("QUI=").unwrap();
        }),
        one(&|encoder| {
            key(encoder, "k");
            encoder.str("Data").unwrap().begin_bytes().unwrap();
            encoder.bytes(b"AB").unwrap().end().unwrap();
        }),
        one(&|encoder| {
            key(encoder, "k");
            data(encoder);
            encoder.str("ExplicitHashKey").unwrap().str("01").unwrap();
        }),
    ];
    for case in cases {
        assert_eq!(read(&case), None, "{}", minicbor::display(&case));
    }
    assert!(read(&body(|encoder| records(encoder, 500))).is_some());
}

proptest! {
    /// Cut short or changed anywhere, a body is refused or read.
    #[test]
    fn any_bytes_are_answered(cut in 0usize..80, at in 0usize..80, with in any::<u8>()) {
        let mut body = plain();
        let at = at % body.len();
        body[at] = with;
        body.truncate(body.len().saturating_sub(cut / 2));
        let _ = read(&body);
    }
}

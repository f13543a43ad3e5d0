//! What is encoded decodes to the same; what is not a message is refused with what is wrong; no
//! input makes the codec panic or take much memory.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod messages;

use messages::{requests, responses};
use millstream_wire::{
    BatchEntry, BatchResult, BatchesAnswer, CodecError, DEFAULT_FRAME_LIMIT, ErrorAnswer,
    ErrorCode, FRAME_HEADER_LEN, FrameError, FrameHead, FrameHeader, MAX_META_BYTES,
    MAX_PUT_BATCHES, MAX_PUT_RECORDS, MAX_SHARDS_PER_PAGE, Opcode, Outcome, PutAnswer, PutGroup,
    Request, Response, Retry, ShardMap,
};
use proptest::{collection::vec, prelude::*};

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(7, 0, &mut bytes).unwrap();
    bytes
}

fn answered(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    response.encode(7, 0, &mut bytes).unwrap();
    bytes
}

#[test]
fn every_message_comes_back() {
    for (name, request) in requests() {
        let bytes = encoded(&request);
        let back = Request::decode(bytes[8], &bytes[FRAME_HEADER_LEN..]);
        assert_eq!(back, Ok(request), "{name}");
    }
    for (name, response) in responses() {
        let bytes = answered(&response);
        let back = Response::decode(bytes[8], &bytes[FRAME_HEADER_LEN..]);
        assert_eq!(back, Ok(response), "{name}");
    }
}

#[test]
fn a_meta_that_is_cut_or_longer_is_refused() {
    for (name, request) in requests() {
        let bytes = encoded(&request);
        let (opcode, meta) = (bytes[8], &bytes[FRAME_HEADER_LEN..]);
        for end in 0..meta.len() {
            assert!(
                Request::decode(opcode, &meta[..end]).is_err(),
                "{name} {end}"
            );
        }
        let longer = [meta, &[0]].concat();
        let error = Request::decode(opcode, &longer).unwrap_err();
        assert_eq!(error, CodecError::Trailing { bytes: 1 }, "{name}");
    }
    for (name, response) in responses() {
        let bytes = answered(&response);
        let (opcode, meta) = (bytes[8], &bytes[FRAME_HEADER_LEN..]);
        for end in 0..meta.len() {
            assert!(
                Response::decode(opcode, &meta[..end]).is_err(),
                "{name} {end}"
            );
        }
        assert!(
            Response::decode(opcode, &[meta, &[0]].concat()).is_err(),
            "{name}"
        );
    }
}

#[test]
fn every_bit_of_header_and_meta_is_covered() {
    let bytes = encoded(&requests()[3].1);
    // The length is not under the checksum: a wrong one is caught by its limits, or shows as a
    // payload of the wrong length.
    for at in 4..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let seen = match FrameHead::parse(&damaged, DEFAULT_FRAME_LIMIT) {
                Ok(Some(_)) => false,
                // The meta is said to be longer than the frame is, or to be cut.
                Ok(None) => false,
                Err(_) => true,
            };
            assert!(seen, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn what_breaks_the_framing_is_named() {
    let good = encoded(&Request::Ping);
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        FrameHead::parse(&bytes, 1000).unwrap_err()
    };
    let set = |bytes: &mut Vec<u8>, at: usize, value: u32| {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    let error = parse(&|b| set(b, 0, 1001));
    assert_eq!(
        (error.code(), error),
        (
            ErrorCode::FrameTooLarge,
            FrameError::TooLarge {
                length: 1001,
                limit: 1000
            },
        )
    );
    assert_eq!(ErrorAnswer::from(error).detail, 1000);
    let error = parse(&|b| set(b, 0, 19));
    assert_eq!(
        (error.code(), error),
        (ErrorCode::BadFrame, FrameError::TooShort { length: 19 },)
    );
    let error = parse(&|b| set(b, 12, 1));
    assert!(
        matches!(
            error,
            FrameError::Meta {
                meta: 1,
                length: 20
            }
        ),
        "{error}"
    );
    let error = parse(&|b| b[10] = 1);
    assert!(matches!(error, FrameError::Flags { .. }), "{error}");
    let error = parse(&|b| b[16] ^= 1);
    assert_eq!(error.code(), ErrorCode::BadChecksum);
}

#[test]
fn a_meta_over_its_limit_is_refused_before_it_comes() {
    let mut header = [0; FRAME_HEADER_LEN];
    header[0..4].copy_from_slice(&DEFAULT_FRAME_LIMIT.to_le_bytes());
    header[12..16].copy_from_slice(&(MAX_META_BYTES + 1).to_le_bytes());
    let error = FrameHeader::decode(&header, DEFAULT_FRAME_LIMIT).unwrap_err();
    assert!(matches!(error, FrameError::Meta { .. }), "{error}");
}

#[test]
fn a_head_is_parsed_as_soon_as_it_is_there() {
    let mut bytes = Vec::new();
    let request = &requests()[3].1;
    request.encode(7, 5000, &mut bytes).unwrap();
    for have in 0..bytes.len() {
        let part = &bytes[..have];
        assert_eq!(FrameHead::parse(part, DEFAULT_FRAME_LIMIT), Ok(None));
        let needed = FrameHead::needed(part);
        assert!(have < needed && needed <= bytes.len(), "{have} {needed}");
    }
    bytes.extend_from_slice(&[1; 10]);
    let head = FrameHead::parse(&bytes, DEFAULT_FRAME_LIMIT)
        .unwrap()
        .unwrap();
    assert_eq!(head.header.payload_len, 5000);
    assert_eq!(head.len() + 10, bytes.len());
    assert_eq!(head.header.frame_len(), bytes.len() + 4990);
}

#[test]
fn lists_and_strings_are_bounded() {
    // A count that the bytes cannot hold, and one over the limit.
    let mut meta = vec![1, 0, b's'];
    meta.extend_from_slice(&(MAX_PUT_BATCHES as u32).to_le_bytes());
    let error = Request::decode(Opcode::PutBatches as u8, &meta).unwrap_err();
    assert!(matches!(error, CodecError::Short { .. }), "{error}");
    meta.truncate(3);
    meta.extend_from_slice(&(MAX_PUT_BATCHES as u32 + 1).to_le_bytes());
    meta.resize(meta.len() + 12 * (MAX_PUT_BATCHES + 1), 0);
    let error = Request::decode(Opcode::PutBatches as u8, &meta).unwrap_err();
    assert!(matches!(error, CodecError::TooLong { .. }), "{error}");
    // A string that cannot be sent leaves nothing behind.
    let long = "x".repeat(70_000);
    let mut out = vec![1, 2, 3];
    let error = Request::DeleteStream { stream: &long }.encode(1, 0, &mut out);
    assert!(matches!(
        error,
        Err(CodecError::TooLong { len: 70_000, .. })
    ));
    assert_eq!(out, [1, 2, 3]);
    // A message is cut between characters.
    let message = "é".repeat(3000);
    let bytes = answered(&Response::Error(ErrorAnswer::new(
        ErrorCode::Internal,
        message,
    )));
    match Response::decode(bytes[8], &bytes[FRAME_HEADER_LEN..]) {
        Ok(Response::Error(error)) => assert_eq!(error.message, "é".repeat(512)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_largest_answers_fit_in_a_meta() {
    let long = "x".repeat(5000);
    let failed = BatchResult::Failed(ErrorAnswer::new(ErrorCode::Internal, long));
    let shard = messages::shard_map().shards[0];
    let answer = Response::Batches(BatchesAnswer {
        results: vec![failed; MAX_PUT_BATCHES],
        shard_map: Some(ShardMap {
            shards: vec![shard; MAX_SHARDS_PER_PAGE],
            ..messages::shard_map()
        }),
    });
    assert!(answered(&answer).len() > 500_000);
    // Each record of a put in a group of its own.
    let answer = Response::Put(PutAnswer {
        groups: vec![
            PutGroup {
                shard: 1,
                refused: None,
                first_sequence: 1
            };
            MAX_PUT_RECORDS as usize
        ],
        group_of: (0..MAX_PUT_RECORDS).collect(),
        errors: Vec::new(),
    });
    let bytes = answered(&answer);
    assert_eq!(
        Response::decode(bytes[8], &bytes[FRAME_HEADER_LEN..]),
        Ok(answer)
    );
}

#[test]
fn results_of_a_put_count_up_within_their_group() {
    let answer = PutAnswer {
        groups: vec![
            PutGroup {
                shard: 4,
                refused: None,
                first_sequence: 100,
            },
            PutGroup {
                shard: 2,
                refused: Some(ErrorCode::NoSpace),
                first_sequence: 0,
            },
        ],
        group_of: vec![0, 1, 0, 0],
        errors: Vec::new(),
    };
    let results: Vec<_> = answer.results().map(|r| (r.shard, r.result)).collect();
    assert_eq!(
        results,
        [
            (4, Ok(100)),
            (2, Err(ErrorCode::NoSpace)),
            (4, Ok(101)),
            (4, Ok(102))
        ]
    );
}

#[test]
fn verbs_and_codes_keep_their_numbers() {
    for (number, verb) in (1..).zip(Opcode::ALL) {
        assert_eq!(
            (verb as u8, Opcode::of_request(number)),
            (number, Some(verb))
        );
        assert_eq!(Opcode::of_answer(verb.answer()), Some(verb));
    }
    for opcode in [0, 16, 0x7f, 0x80, 0xff] {
        assert_eq!(Opcode::of_request(opcode), None);
    }
    for (number, code) in (1..).zip(ErrorCode::ALL) {
        assert_eq!(
            (code.number(), ErrorCode::of_number(number)),
            (number, Some(*code))
        );
    }
    let newer = ErrorCode::of_number(999).unwrap();
    assert_eq!(
        (newer.outcome(), newer.retry()),
        (Outcome::Unknown, Retry::Never)
    );
    assert_eq!(ErrorCode::of_number(0), None);
}

fn any_request() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let name = "[a-zA-Z0-9_.é-]{0,140}";
    let entries = vec((any::<u64>(), any::<u32>()), 0..50);
    (name, any::<[u32; 4]>(), any::<u64>(), 0..5u8, entries).prop_map(
        |(name, [a, b, c, d], value, kind, entries)| {
            let entries = entries
                .into_iter()
                .map(|(shard, len)| BatchEntry { shard, len });
            let stream = &*name;
            let request = match kind {
                0 => Request::PutBatches {
                    stream,
                    entries: entries.collect(),
                },
                1 => Request::Get {
                    stream,
                    shard: a,
                    position: millstream_wire::Position::At(value),
                    max_records: b,
                    max_bytes: c,
                    wait_ms: d,
                },
                2 => Request::ListStreams {
                    after: stream,
                    limit: a,
                },
                3 => Request::Credit { bytes: value },
                _ => Request::SetRetention { stream, hours: a },
            };
            let bytes = encoded(&request);
            assert_eq!(
                Request::decode(bytes[8], &bytes[FRAME_HEADER_LEN..]),
                Ok(request)
            );
            (bytes[8], bytes[FRAME_HEADER_LEN..].to_vec())
        },
    )
}

proptest! {
    #[test]
    fn requests_come_back_and_damaged_ones_do_no_harm(
        (opcode, meta) in any_request(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut damaged = meta.clone();
        if !damaged.is_empty() {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok(request) = Request::decode(opcode, &damaged) {
            prop_assert_eq!(encoded(&request)[FRAME_HEADER_LEN..].to_vec(), damaged);
        }
    }

    #[test]
    fn any_bytes_decode_without_panic(opcode: u8, bytes in vec(any::<u8>(), 0..300)) {
        let _ = FrameHead::parse(&bytes, DEFAULT_FRAME_LIMIT);
        prop_assert!(FrameHead::needed(&bytes) <= FRAME_HEADER_LEN + MAX_META_BYTES as usize);
        for opcode in [opcode, opcode % 16, 0x80 | (opcode % 16), 0xff] {
            if let Ok(request) = Request::decode(opcode, &bytes) {
                prop_assert_eq!(encoded(&request)[FRAME_HEADER_LEN..].to_vec(), bytes.clone());
            }
            if let Ok(response) = Response::decode(opcode, &bytes) {
                let again = answered(&response);
                let again = Response::decode(again[8], &again[FRAME_HEADER_LEN..]);
                prop_assert_eq!(again, Ok(response));
            }
        }
    }
}

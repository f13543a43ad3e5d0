//! Frames: every verb, and every answer that holds more than a number.

use millstream_format::{HashKey, HashRange};
use millstream_wire::{
    Authenticate, BatchEntry, BatchResult, BatchesAnswer, Challenge, Chunk, CreateStream,
    ErrorAnswer, ErrorCode, Hello, NONCE_BYTES, PROOF_BYTES, Position, PutAnswer, PutGroup,
    Request, Response, ShardDescription, ShardEntry, ShardMap, ShardState, StreamDescription,
    StreamDurability, StreamStatus, StreamSummary,
};

use super::Seed;
use crate::failure::Failure;

/// First byte of a `wire_frame` input: mend only the checksum, so that lengths stay as they are.
const MEND_CHECKSUM: u8 = 2;

pub(super) fn seeds() -> Result<Vec<Seed>, Failure> {
    let mut seeds = Vec::new();
    for (name, request) in requests() {
        let mut bytes = vec![MEND_CHECKSUM];
        request.encode(1, 0, &mut bytes).map_err(refused)?;
        seeds.push((name, bytes));
    }
    for (name, answer) in answers() {
        let mut bytes = vec![MEND_CHECKSUM];
        answer.encode(1, 0, &mut bytes).map_err(refused)?;
        seeds.push((name, bytes));
    }
    // One connection, as either side reads it.
    let (mut asked, mut answered) = (vec![MEND_CHECKSUM], vec![MEND_CHECKSUM]);
    for (_, request) in requests().into_iter().take(3) {
        request.encode(1, 0, &mut asked).map_err(refused)?;
    }
    for (_, answer) in answers().into_iter().take(3) {
        answer.encode(1, 0, &mut answered).map_err(refused)?;
    }
    seeds.push(("connection", asked));
    seeds.push(("connection-answers", answered));
    Ok(seeds)
}

fn refused(error: millstream_wire::CodecError) -> Failure {
    Failure::Wrong(format!("a seed cannot be encoded: {error}"))
}

fn requests() -> Vec<(&'static str, Request<'static>)> {
    let stream = "orders";
    let hello = Hello {
        min_version: 1,
        max_version: 1,
        frame_limit: 1 << 20,
        client: "a client",
    };
    let create = CreateStream {
        name: stream,
        shards: 4,
        retention_hours: 24,
        compression: 3,
        durability: StreamDurability::Durable,
    };
    let entry = |shard| BatchEntry { shard, len: 64 };
    vec![
        ("hello", Request::Hello(hello)),
        ("ping", Request::Ping),
        ("put", Request::Put { stream }),
        (
            "put-batches",
            Request::PutBatches {
                stream,
                entries: vec![entry(1), entry(2)],
            },
        ),
        (
            "get",
            Request::Get {
                stream,
                shard: 0,
                position: Position::AtTime(1_700_000_000_000),
                max_records: 10,
                max_bytes: 4096,
                wait_ms: 100,
            },
        ),
        (
            "follow",
            Request::Follow {
                stream,
                shard: 0,
                position: Position::After(7),
                credit: 65536,
            },
        ),
        ("credit", Request::Credit { bytes: 1 }),
        ("unfollow", Request::Unfollow),
        ("shard-map-of", Request::ShardMapOf { stream, first: 0 }),
        ("create-stream", Request::CreateStream(create)),
        (
            "list-streams",
            Request::ListStreams {
                after: "",
                limit: 9,
            },
        ),
        (
            "describe-stream",
            Request::DescribeStream { stream, first: 0 },
        ),
        ("delete-stream", Request::DeleteStream { stream }),
        ("set-retention", Request::SetRetention { stream, hours: 48 }),
        (
            "authenticate",
            Request::Authenticate(Authenticate {
                access_key: "a client",
                nonce: [3; NONCE_BYTES],
                proof: [4; PROOF_BYTES],
            }),
        ),
    ]
}

fn answers() -> Vec<(&'static str, Response)> {
    let error = || ErrorAnswer::new(ErrorCode::NoSuchShard, "shard 9 is not there");
    let range = HashRange {
        start: HashKey(0),
        end: HashKey(u128::MAX),
    };
    let shard = ShardEntry {
        id: 5,
        index: 0,
        range,
    };
    let map = ShardMap {
        stream: 3,
        version: 1,
        max_record_bytes: 1 << 20,
        total: 1,
        shards: vec![shard],
    };
    let group = |refused| PutGroup {
        shard: 0,
        refused,
        first_sequence: 0,
    };
    let put = PutAnswer {
        groups: vec![group(None), group(Some(ErrorCode::NoSuchShard))],
        group_of: vec![0, 0, 1, 0],
        errors: vec![error()],
    };
    let batches = BatchesAnswer {
        results: vec![
            BatchResult::Written {
                first_sequence: 9,
                count: 2,
                duplicate: true,
            },
            BatchResult::Failed(error()),
        ],
        shard_map: Some(map.clone()),
    };
    let summary = StreamSummary {
        name: "orders".to_owned(),
        shards: 1,
        retention_hours: 24,
        created_ms: 1_700_000_000_000,
        status: StreamStatus::Active,
    };
    let stream = StreamDescription {
        name: "orders".to_owned(),
        id: 3,
        created_ms: 1_700_000_000_000,
        retention_hours: 24,
        status: StreamStatus::Active,
        compression: 0,
        durability: StreamDurability::Written,
        total: 1,
        shards: vec![ShardDescription {
            shard,
            oldest: 0,
            end: 9,
            bytes: 1 << 20,
            state: ShardState::ReadOnly,
            message: "damaged".to_owned(),
        }],
    };
    vec![
        (
            "hello-ok",
            Response::HelloOk {
                version: 1,
                frame_limit: 1 << 20,
                window: 16,
                server: "a server".to_owned(),
            },
        ),
        (
            "challenge",
            Response::Challenge(Challenge {
                version: 2,
                nonce: [5; NONCE_BYTES],
            }),
        ),
        ("answer-put", Response::Put(put)),
        ("answer-batches", Response::Batches(batches)),
        ("answer-got", Response::Got(Chunk::default())),
        ("answer-shard-map", Response::ShardMap(map)),
        (
            "answer-streams",
            Response::Streams {
                streams: vec![summary],
                more: true,
            },
        ),
        ("answer-stream", Response::Stream(stream)),
        ("answer-error", Response::Error(error())),
    ]
}

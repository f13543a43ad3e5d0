//! One message of every kind, with its name in `golden/frames.txt`.

use millstream_format::{HashKey, HashRange};
use millstream_wire::{
    Authenticate, BatchEntry, BatchResult, BatchesAnswer, Challenge, Chunk, CreateStream,
    ErrorAnswer, ErrorCode, Hello, NONCE_BYTES, PROOF_BYTES, Position, PutAnswer, PutGroup,
    Request, Response, ShardDescription, ShardEntry, ShardMap, ShardState, StreamDescription,
    StreamDurability, StreamStatus, StreamSummary,
};

pub(crate) fn requests() -> Vec<(&'static str, Request<'static>)> {
    let stream = "clicks";
    let get = |position| Request::Get {
        stream,
        shard: 3,
        position,
        max_records: 1000,
        max_bytes: 1 << 20,
        wait_ms: 250,
    };
    vec![
        (
            "hello",
            Request::Hello(Hello {
                min_version: 1,
                max_version: 1,
                frame_limit: 17 << 20,
                client: "example/1",
            }),
        ),
        ("ping", Request::Ping),
        ("put", Request::Put { stream }),
        (
            "put-batches",
            Request::PutBatches {
                stream,
                entries: vec![
                    BatchEntry { shard: 7, len: 112 },
                    BatchEntry {
                        shard: 0x1_0000_0008,
                        len: 4096,
                    },
                ],
            },
        ),
        ("get-oldest", get(Position::Oldest)),
        ("get-after-latest", get(Position::AfterLatest)),
        ("get-at", get(Position::At(9))),
        ("get-after", get(Position::After(u64::MAX))),
        ("get-at-time", get(Position::AtTime(1_790_000_000_000))),
        (
            "follow",
            Request::Follow {
                stream,
                shard: 0,
                position: Position::At(5),
                credit: 8 << 20,
            },
        ),
        ("credit", Request::Credit { bytes: 65_536 }),
        ("unfollow", Request::Unfollow),
        ("shard-map-of", Request::ShardMapOf { stream, first: 0 }),
        (
            "create-stream",
            Request::CreateStream(CreateStream {
                name: stream,
                shards: 4,
                retention_hours: 24,
                compression: 3,
                durability: StreamDurability::Written,
            }),
        ),
        (
            "list-streams",
            Request::ListStreams {
                after: "a",
                limit: 100,
            },
        ),
        (
            "describe-stream",
            Request::DescribeStream { stream, first: 2 },
        ),
        ("delete-stream", Request::DeleteStream { stream }),
        ("set-retention", Request::SetRetention { stream, hours: 48 }),
        (
            "authenticate",
            Request::Authenticate(Authenticate {
                access_key: "client",
                nonce: [7; NONCE_BYTES],
                proof: [9; PROOF_BYTES],
            }),
        ),
    ]
}

fn shard(id: u64, index: u32) -> ShardEntry {
    let range = HashRange::even(2)[index as usize];
    ShardEntry { id, index, range }
}

pub(crate) fn shard_map() -> ShardMap {
    ShardMap {
        stream: 1,
        version: 2,
        max_record_bytes: 10 << 20,
        total: 2,
        shards: vec![shard(7, 0), shard(8, 1)],
    }
}

pub(crate) fn responses() -> Vec<(&'static str, Response)> {
    let chunk = Chunk {
        first: 5,
        next: 105,
        end: 200,
        oldest: 1,
        behind_ms: 12,
        closed: false,
    };
    let overloaded = ErrorAnswer::new(ErrorCode::Overloaded, "no room for more");
    vec![
        (
            "hello-ok",
            Response::HelloOk {
                version: 1,
                frame_limit: 17 << 20,
                window: 256,
                server: "millstream/0.1.0".to_owned(),
            },
        ),
        (
            "challenge",
            Response::Challenge(Challenge {
                version: 2,
                nonce: [5; NONCE_BYTES],
            }),
        ),
        ("pong", Response::Pong),
        (
            "put-one-shard",
            Response::Put(PutAnswer {
                groups: vec![PutGroup {
                    shard: 1,
                    refused: None,
                    first_sequence: 40,
                }],
                group_of: vec![0, 0, 0],
                errors: vec![],
            }),
        ),
        (
            "put-some-refused",
            Response::Put(PutAnswer {
                groups: vec![
                    PutGroup {
                        shard: 1,
                        refused: None,
                        first_sequence: 40,
                    },
                    PutGroup {
                        shard: 0,
                        refused: Some(ErrorCode::Overloaded),
                        first_sequence: 0,
                    },
                ],
                group_of: vec![0, 1, 0],
                errors: vec![overloaded.clone()],
            }),
        ),
        (
            "batches",
            Response::Batches(BatchesAnswer {
                results: vec![
                    BatchResult::Written {
                        first_sequence: 40,
                        count: 2,
                        duplicate: true,
                    },
                    BatchResult::Failed(
                        ErrorAnswer::new(ErrorCode::OutOfOrder, "send 6 first").with_detail(6),
                    ),
                ],
                shard_map: None,
            }),
        ),
        (
            "batches-new-map",
            Response::Batches(BatchesAnswer {
                results: vec![BatchResult::Failed(ErrorAnswer::new(
                    ErrorCode::ShardMapChanged,
                    "",
                ))],
                shard_map: Some(shard_map()),
            }),
        ),
        ("got", Response::Got(chunk)),
        (
            "followed",
            Response::Followed(Chunk {
                closed: true,
                ..chunk
            }),
        ),
        ("follow-end", Response::FollowEnd { next: 105 }),
        ("shard-map", Response::ShardMap(shard_map())),
        ("created", Response::Created { id: 1 }),
        (
            "streams",
            Response::Streams {
                streams: vec![StreamSummary {
                    name: "clicks".to_owned(),
                    shards: 2,
                    retention_hours: 24,
                    created_ms: 1_790_000_000_000,
                    status: StreamStatus::Active,
                }],
                more: true,
            },
        ),
        (
            "stream",
            Response::Stream(StreamDescription {
                name: "clicks".to_owned(),
                id: 1,
                created_ms: 1_790_000_000_000,
                retention_hours: 24,
                status: StreamStatus::Deleting,
                compression: 0,
                durability: StreamDurability::Durable,
                total: 1,
                shards: vec![ShardDescription {
                    shard: ShardEntry {
                        id: 7,
                        index: 0,
                        range: HashRange {
                            start: HashKey(0),
                            end: HashKey(u128::MAX),
                        },
                    },
                    oldest: 1,
                    end: 200,
                    bytes: 65_536,
                    state: ShardState::NoSpace,
                    message: "disk full".to_owned(),
                }],
            }),
        ),
        ("deleted", Response::Deleted),
        ("retention-set", Response::RetentionSet),
        ("error", Response::Error(overloaded)),
    ]
}

//! What a client asks, as the meta of a frame.

use crate::{
    Authenticate, CodecError, MAGIC, MAX_PUT_BATCHES, Opcode, Position, StreamDurability, frame,
    meta::{MetaReader, MetaWriter},
};

/// The handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Lowest version that the client speaks.
    pub min_version: u16,
    /// Highest version that the client speaks.
    pub max_version: u16,
    /// Longest frame that the client accepts and sends.
    pub frame_limit: u32,
    /// Name and version of the client, for the server's log.
    pub client: &'a str,
}

/// A stream to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateStream<'a> {
    /// Its name.
    pub name: &'a str,
    /// Number of shards.
    pub shards: u32,
    /// Hours that records are kept.
    pub retention_hours: u32,
    /// 0 for none, else the zstd level.
    pub compression: u8,
    /// What an acknowledgement promises.
    pub durability: StreamDurability,
}

/// One batch of the payload of a PutBatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchEntry {
    /// The shard that it was made for, by id.
    pub shard: u64,
    /// Bytes of header and body.
    pub len: u32,
}

/// A request. Strings are lent from the meta that it was decoded from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// See [`Hello`].
    Hello(Hello<'a>),
    /// Answered by [`Response::Pong`](crate::Response::Pong).
    Ping,
    /// The payload is one batch-shaped blob (as `BatchBuilder` makes it, without producers) whose
    /// records the server routes.
    Put {
        /// The stream's name.
        stream: &'a str,
    },
    /// The payload is ready batches one after another.
    PutBatches {
        /// The stream's name.
        stream: &'a str,
        /// The batches in the order of the payload; their lengths sum up to it.
        entries: Vec<BatchEntry>,
    },
    /// Read once.
    Get {
        /// The stream's name.
        stream: &'a str,
        /// The shard's index.
        shard: u32,
        /// Where to begin.
        position: Position,
        /// Most records to be delivered; 0 for no limit but the bytes.
        max_records: u32,
        /// Most bytes of payload, except that one batch is always sent whole.
        max_bytes: u32,
        /// How long to wait for the first record, in milliseconds.
        wait_ms: u32,
    },
    /// Read on and on; the frame's correlation id names the follow.
    Follow {
        /// The stream's name.
        stream: &'a str,
        /// The shard's index.
        shard: u32,
        /// Where to begin.
        position: Position,
        /// Bytes of payload that may be sent at first.
        credit: u64,
    },
    /// More credit for the follow of the frame's correlation id. Has no answer.
    Credit {
        /// Bytes of payload that may be sent on top.
        bytes: u64,
    },
    /// Ends the follow of the frame's correlation id.
    Unfollow,
    /// One page of a stream's shard map.
    ShardMapOf {
        /// The stream's name.
        stream: &'a str,
        /// Index of the first shard wanted.
        first: u32,
    },
    /// See [`CreateStream`].
    CreateStream(CreateStream<'a>),
    /// One page of the streams, sorted by name.
    ListStreams {
        /// Only names after this one; empty for the first page.
        after: &'a str,
        /// Most streams wanted.
        limit: u32,
    },
    /// One page of a stream's description.
    DescribeStream {
        /// The stream's name.
        stream: &'a str,
        /// Index of the first shard wanted.
        first: u32,
    },
    /// Deletes a stream and its records.
    DeleteStream {
        /// The stream's name.
        stream: &'a str,
    },
    /// Changes how long records are kept.
    SetRetention {
        /// The stream's name.
        stream: &'a str,
        /// Hours that records are kept.
        hours: u32,
    },
    /// The answer to a [`Challenge`](crate::Challenge), itself answered like the Hello before it.
    Authenticate(Authenticate<'a>),
}

impl<'a> Request<'a> {
    /// The verb.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        match self {
            Request::Hello(_) => Opcode::Hello,
            Request::Ping => Opcode::Ping,
            Request::Put { .. } => Opcode::Put,
            Request::PutBatches { .. } => Opcode::PutBatches,
            Request::Get { .. } => Opcode::Get,
            Request::Follow { .. } => Opcode::Follow,
            Request::Credit { .. } => Opcode::Credit,
            Request::Unfollow => Opcode::Unfollow,
            Request::ShardMapOf { .. } => Opcode::ShardMapOf,
            Request::CreateStream(_) => Opcode::CreateStream,
            Request::ListStreams { .. } => Opcode::ListStreams,
            Request::DescribeStream { .. } => Opcode::DescribeStream,
            Request::DeleteStream { .. } => Opcode::DeleteStream,
            Request::SetRetention { .. } => Opcode::SetRetention,
            Request::Authenticate(_) => Opcode::Authenticate,
        }
    }

    /// Appends header and meta of the request's frame to `out`; `payload_len` bytes of payload are
    /// to be sent after them. On error `out` is as it was.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when a string, the meta or the frame is.
    pub fn encode(
        &self,
        correlation: u64,
        payload_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let opcode = self.opcode() as u8;
        frame::encode_frame(out, opcode, correlation, payload_len, |meta| {
            self.encode_meta(meta)
        })
    }

    fn encode_meta(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        match self {
            Request::Hello(hello) => {
                out.bytes(&MAGIC);
                out.u16(hello.min_version);
                out.u16(hello.max_version);
                out.u32(hello.frame_limit);
                out.string("client name", hello.client)?;
            }
            Request::Ping | Request::Unfollow => {}
            Request::Put { stream } | Request::DeleteStream { stream } => {
                out.string(STREAM, stream)?;
            }
            Request::PutBatches { stream, entries } => {
                out.string(STREAM, stream)?;
                out.count("batches", entries.len())?;
                for entry in entries {
                    out.u64(entry.shard);
                    out.u32(entry.len);
                }
            }
            Request::Get {
                stream,
                shard,
                position,
                max_records,
                max_bytes,
                wait_ms,
            } => {
                out.string(STREAM, stream)?;
                out.u32(*shard);
                position.encode(out);
                out.u32(*max_records);
                out.u32(*max_bytes);
                out.u32(*wait_ms);
            }
            Request::Follow {
                stream,
                shard,
                position,
                credit,
            } => {
                out.string(STREAM, stream)?;
                out.u32(*shard);
                position.encode(out);
                out.u64(*credit);
            }
            Request::Credit { bytes } => out.u64(*bytes),
            Request::ShardMapOf { stream, first } | Request::DescribeStream { stream, first } => {
                out.string(STREAM, stream)?;
                out.u32(*first);
            }
            Request::CreateStream(create) => {
                out.string(STREAM, create.name)?;
                out.u32(create.shards);
                out.u32(create.retention_hours);
                out.u8(create.compression);
                create.durability.encode(out);
            }
            Request::ListStreams { after, limit } => {
                out.string(STREAM, after)?;
                out.u32(*limit);
            }
            Request::SetRetention { stream, hours } => {
                out.string(STREAM, stream)?;
                out.u32(*hours);
            }
            Request::Authenticate(answer) => {
                out.string(ACCESS_KEY, answer.access_key)?;
                out.bytes(&answer.nonce);
                out.bytes(&answer.proof);
            }
        }
        Ok(())
    }

    /// Reads the meta of a frame with this opcode.
    ///
    /// # Errors
    /// [`CodecError::UnknownVerb`] for an opcode that is no request's; else the field at fault.
    pub fn decode(opcode: u8, meta: &'a [u8]) -> Result<Request<'a>, CodecError> {
        let Some(verb) = Opcode::of_request(opcode) else {
            return Err(CodecError::UnknownVerb { opcode });
        };
        let mut meta = MetaReader::new(meta);
        let request = Request::decode_verb(verb, &mut meta)?;
        meta.finish()?;
        Ok(request)
    }

    fn decode_verb(verb: Opcode, meta: &mut MetaReader<'a>) -> Result<Request<'a>, CodecError> {
        Ok(match verb {
            Opcode::Hello => {
                if meta.bytes("magic", MAGIC.len()) != Ok(&MAGIC) {
                    return Err(CodecError::Magic);
                }
                Request::Hello(Hello {
                    min_version: meta.u16("lowest version")?,
                    max_version: meta.u16("highest version")?,
                    frame_limit: meta.u32("frame limit")?,
                    client: meta.string("client name")?,
                })
            }
            Opcode::Ping => Request::Ping,
            Opcode::Put => Request::Put {
                stream: meta.string(STREAM)?,
            },
            Opcode::PutBatches => Request::PutBatches {
                stream: meta.string(STREAM)?,
                entries: decode_entries(meta)?,
            },
            Opcode::Get => Request::Get {
                stream: meta.string(STREAM)?,
                shard: meta.u32("shard index")?,
                position: Position::decode(meta)?,
                max_records: meta.u32("most records")?,
                max_bytes: meta.u32("most bytes")?,
                wait_ms: meta.u32("wait")?,
            },
            Opcode::Follow => Request::Follow {
                stream: meta.string(STREAM)?,
                shard: meta.u32("shard index")?,
                position: Position::decode(meta)?,
                credit: meta.u64("credit")?,
            },
            Opcode::Credit => Request::Credit {
                bytes: meta.u64("credit")?,
            },
            Opcode::Unfollow => Request::Unfollow,
            Opcode::ShardMapOf => Request::ShardMapOf {
                stream: meta.string(STREAM)?,
                first: meta.u32("first shard")?,
            },
            Opcode::CreateStream => Request::CreateStream(CreateStream {
                name: meta.string(STREAM)?,
                shards: meta.u32("shards")?,
                retention_hours: meta.u32("retention")?,
                compression: meta.u8("compression")?,
                durability: StreamDurability::decode(meta)?,
            }),
            Opcode::ListStreams => Request::ListStreams {
                after: meta.string(STREAM)?,
                limit: meta.u32("most streams")?,
            },
            Opcode::DescribeStream => Request::DescribeStream {
                stream: meta.string(STREAM)?,
                first: meta.u32("first shard")?,
            },
            Opcode::DeleteStream => Request::DeleteStream {
                stream: meta.string(STREAM)?,
            },
            Opcode::SetRetention => Request::SetRetention {
                stream: meta.string(STREAM)?,
                hours: meta.u32("retention")?,
            },
            Opcode::Authenticate => Request::Authenticate(Authenticate {
                access_key: meta.string(ACCESS_KEY)?,
                nonce: meta.array("client's nonce")?,
                proof: meta.array("proof")?,
            }),
        })
    }
}

const STREAM: &str = "stream name";
const ACCESS_KEY: &str = "access key";

fn decode_entries(meta: &mut MetaReader<'_>) -> Result<Vec<BatchEntry>, CodecError> {
    let count = meta.count("batches", 12, MAX_PUT_BATCHES)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(BatchEntry {
            shard: meta.u64("shard id")?,
            len: meta.u32("batch length")?,
        });
    }
    Ok(entries)
}

//! What a server answers, as the meta of a frame.

use crate::{
    Challenge, CodecError, ErrorAnswer, ErrorCode, MAX_MESSAGE_BYTES, MAX_META_BYTES,
    MAX_PUT_BATCHES, MAX_PUT_RECORDS, MAX_SHARDS_PER_PAGE, MAX_STREAMS_PER_PAGE, Opcode,
    ShardEntry, ShardMap, StreamDescription, StreamSummary, frame,
    meta::{MetaReader, MetaWriter},
    opcode,
};

/// Records of a Put that met the same fate: they went to one shard, with sequence numbers from
/// `first_sequence` on in the order of the request, or were refused alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutGroup {
    /// Index of the shard.
    pub shard: u32,
    /// `None` when they were written.
    pub refused: Option<ErrorCode>,
    /// Sequence number of the group's first record; 0 where refused.
    pub first_sequence: u64,
}

/// What became of one record of a Put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutResult {
    /// Index of the shard.
    pub shard: u32,
    /// Its sequence number, or why it was not written.
    pub result: Result<u64, ErrorCode>,
}

/// Results of a Put, record by record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutAnswer {
    /// The fates.
    pub groups: Vec<PutGroup>,
    /// For each record of the request its index in `groups`.
    pub group_of: Vec<u32>,
    /// A message for each code that occurs in `groups`.
    pub errors: Vec<ErrorAnswer>,
}

impl PutAnswer {
    /// What became of each record, in the order of the request.
    pub fn results(&self) -> impl Iterator<Item = PutResult> {
        let mut next: Vec<u64> = self.groups.iter().map(|g| g.first_sequence).collect();
        self.group_of.iter().filter_map(move |at| {
            let group = self.groups.get(*at as usize)?;
            let sequence = next.get_mut(*at as usize)?;
            let result = match group.refused {
                Some(code) => Err(code),
                None => {
                    *sequence = sequence.wrapping_add(1);
                    Ok(sequence.wrapping_sub(1))
                }
            };
            Some(PutResult {
                shard: group.shard,
                result,
            })
        })
    }

    fn encode(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        out.count("groups", self.groups.len())?;
        for group in &self.groups {
            out.u32(group.shard);
            out.u16(group.refused.map_or(0, ErrorCode::number));
            out.u64(group.first_sequence);
        }
        out.count("records", self.group_of.len())?;
        // The narrowest index that can name every group: none at all where there is one.
        for at in &self.group_of {
            if *at as usize >= self.groups.len() {
                return Err(CodecError::Value {
                    what: "group of a record",
                    value: (*at).into(),
                });
            }
            match self.groups.len() {
                ..=1 => {}
                2..=0x100 => out.u8(*at as u8),
                _ => out.u16(*at as u16),
            }
        }
        out.count("errors", self.errors.len())?;
        for error in &self.errors {
            error.encode(out, MAX_MESSAGE_BYTES);
        }
        Ok(())
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<PutAnswer, CodecError> {
        let most = MAX_PUT_RECORDS as usize;
        let count = meta.count("groups", 14, most)?;
        let mut answer = PutAnswer {
            groups: Vec::with_capacity(count),
            ..PutAnswer::default()
        };
        for _ in 0..count {
            answer.groups.push(PutGroup {
                shard: meta.u32("shard index")?,
                refused: ErrorCode::of_number(meta.u16("status")?),
                first_sequence: meta.u64("first sequence")?,
            });
        }
        let records = meta.count("records", usize::from(count > 1), most)?;
        if count == 0 && records != 0 {
            let value = records as u64;
            return Err(CodecError::Value {
                what: "records without a group",
                value,
            });
        }
        answer.group_of.reserve_exact(records);
        for _ in 0..records {
            let at = match count {
                ..=1 => 0,
                2..=0x100 => meta.u8("group of a record")?.into(),
                _ => meta.u16("group of a record")?.into(),
            };
            if at as usize >= count {
                return Err(CodecError::Value {
                    what: "group of a record",
                    value: at.into(),
                });
            }
            answer.group_of.push(at);
        }
        let errors = meta.count("errors", 12, most)?;
        for _ in 0..errors {
            answer.errors.push(ErrorAnswer::decode(meta)?);
        }
        Ok(answer)
    }
}

/// Longest message of one batch's result, so that all of them fit in a meta, with a map.
const MAX_RESULT_MESSAGE_BYTES: usize = 256;
const _: () = assert!(
    MAX_PUT_BATCHES * (12 + MAX_RESULT_MESSAGE_BYTES) + MAX_SHARDS_PER_PAGE * ShardEntry::LEN + 64
        < MAX_META_BYTES as usize
);

/// What became of one batch of a PutBatches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchResult {
    /// It was written.
    Written {
        /// Sequence number of its first record.
        first_sequence: u64,
        /// Records.
        count: u32,
        /// It had been written before, by an earlier send of the same put number.
        duplicate: bool,
    },
    /// It was not, or nobody knows (see [`ErrorCode::outcome`]).
    Failed(ErrorAnswer),
}

/// Results of a PutBatches, batch by batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchesAnswer {
    /// In the order of the request.
    pub results: Vec<BatchResult>,
    /// The new map where a batch was for a shard that it no longer has; left out where it does
    /// not fit on one page.
    pub shard_map: Option<ShardMap>,
}

impl BatchesAnswer {
    fn encode(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        out.count("results", self.results.len())?;
        for result in &self.results {
            match result {
                BatchResult::Written {
                    first_sequence,
                    count,
                    duplicate,
                } => {
                    out.u16(0);
                    out.u64(*first_sequence);
                    out.u32(*count);
                    out.bool(*duplicate);
                }
                BatchResult::Failed(error) => error.encode(out, MAX_RESULT_MESSAGE_BYTES),
            }
        }
        out.bool(self.shard_map.is_some());
        match &self.shard_map {
            Some(map) => map.encode(out),
            None => Ok(()),
        }
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<BatchesAnswer, CodecError> {
        let count = meta.count("results", 12, MAX_PUT_BATCHES)?;
        let mut results = Vec::with_capacity(count);
        for _ in 0..count {
            results.push(match ErrorCode::of_number(meta.u16("status")?) {
                None => BatchResult::Written {
                    first_sequence: meta.u64("first sequence")?,
                    count: meta.u32("records")?,
                    duplicate: meta.bool("duplicate")?,
                },
                Some(code) => BatchResult::Failed(ErrorAnswer::decode_after(code, meta)?),
            });
        }
        let shard_map = match meta.bool("shard map")? {
            true => Some(ShardMap::decode(meta)?),
            false => None,
        };
        Ok(BatchesAnswer { results, shard_map })
    }
}

/// What comes with batches that were read. Of the records in the payload those with
/// `first ≤ sequence < next` are to be delivered: a batch may begin earlier and end later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Sequence number of the first record to be delivered, or of the next one where the payload
    /// is empty.
    pub first: u64,
    /// Where to go on.
    pub next: u64,
    /// Sequence number after the newest durable record of the shard.
    pub end: u64,
    /// Sequence number of the oldest record that is kept.
    pub oldest: u64,
    /// Milliseconds between now and the last record of the payload; 0 at the end.
    pub behind_ms: u64,
    /// The shard is closed and `next` is its end: nothing will follow.
    pub closed: bool,
}

impl Chunk {
    fn encode(&self, out: &mut MetaWriter<'_>) {
        out.u64(self.first);
        out.u64(self.next);
        out.u64(self.end);
        out.u64(self.oldest);
        out.u64(self.behind_ms);
        out.bool(self.closed);
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<Chunk, CodecError> {
        Ok(Chunk {
            first: meta.u64("first record")?,
            next: meta.u64("next position")?,
            end: meta.u64("end")?,
            oldest: meta.u64("oldest record")?,
            behind_ms: meta.u64("time behind")?,
            closed: meta.bool("closed")?,
        })
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// The handshake is done.
    HelloOk {
        /// The version to be spoken.
        version: u16,
        /// Longest frame of the connection, in both directions.
        frame_limit: u32,
        /// Requests that may be unanswered at a time.
        window: u32,
        /// Name and version of the server.
        server: String,
    },
    /// To a Hello, where the client has to show who it is before the handshake is done.
    Challenge(Challenge),
    /// To a Ping.
    Pong,
    /// To a Put.
    Put(PutAnswer),
    /// To a PutBatches.
    Batches(BatchesAnswer),
    /// To a Get; batches are the payload.
    Got(Chunk),
    /// To a Follow, again and again; batches are the payload.
    Followed(Chunk),
    /// To an Unfollow, under the follow's correlation id: no Followed comes after it.
    FollowEnd {
        /// Where to go on.
        next: u64,
    },
    /// To a ShardMapOf.
    ShardMap(ShardMap),
    /// To a CreateStream.
    Created {
        /// The stream's number.
        id: u64,
    },
    /// To a ListStreams.
    Streams {
        /// Sorted by name.
        streams: Vec<StreamSummary>,
        /// There are more after the last one.
        more: bool,
    },
    /// To a DescribeStream.
    Stream(StreamDescription),
    /// To a DeleteStream.
    Deleted,
    /// To a SetRetention.
    RetentionSet,
    /// To anything; it ends a follow.
    Error(ErrorAnswer),
}

impl Response {
    /// The opcode of its frame.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        match self {
            Response::HelloOk { .. } => Opcode::Hello.answer(),
            Response::Challenge(_) => Opcode::Authenticate.answer(),
            Response::Pong => Opcode::Ping.answer(),
            Response::Put(_) => Opcode::Put.answer(),
            Response::Batches(_) => Opcode::PutBatches.answer(),
            Response::Got(_) => Opcode::Get.answer(),
            Response::Followed(_) => Opcode::Follow.answer(),
            Response::FollowEnd { .. } => Opcode::Unfollow.answer(),
            Response::ShardMap(_) => Opcode::ShardMapOf.answer(),
            Response::Created { .. } => Opcode::CreateStream.answer(),
            Response::Streams { .. } => Opcode::ListStreams.answer(),
            Response::Stream(_) => Opcode::DescribeStream.answer(),
            Response::Deleted => Opcode::DeleteStream.answer(),
            Response::RetentionSet => Opcode::SetRetention.answer(),
            Response::Error(_) => opcode::ERROR,
        }
    }

    /// Appends header and meta of the answer's frame to `out`; `payload_len` bytes of payload are
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
        frame::encode_frame(out, self.opcode(), correlation, payload_len, |meta| {
            self.encode_meta(meta)
        })
    }

    fn encode_meta(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        match self {
            Response::HelloOk {
                version,
                frame_limit,
                window,
                server,
            } => {
                out.u16(*version);
                out.u32(*frame_limit);
                out.u32(*window);
                out.string("server name", server)?;
            }
            Response::Challenge(challenge) => {
                out.u16(challenge.version);
                out.bytes(&challenge.nonce);
            }
            Response::Pong | Response::Deleted | Response::RetentionSet => {}
            Response::Put(answer) => answer.encode(out)?,
            Response::Batches(answer) => answer.encode(out)?,
            Response::Got(chunk) | Response::Followed(chunk) => chunk.encode(out),
            Response::FollowEnd { next } => out.u64(*next),
            Response::ShardMap(map) => map.encode(out)?,
            Response::Created { id } => out.u64(*id),
            Response::Streams { streams, more } => {
                out.count("streams", streams.len())?;
                for stream in streams {
                    stream.encode(out)?;
                }
                out.bool(*more);
            }
            Response::Stream(stream) => stream.encode(out)?,
            Response::Error(error) => error.encode(out, MAX_MESSAGE_BYTES),
        }
        Ok(())
    }

    /// Reads the meta of a frame with this opcode.
    ///
    /// # Errors
    /// [`CodecError::UnknownVerb`] for an opcode that is no answer's; else the field at fault.
    pub fn decode(opcode: u8, meta: &[u8]) -> Result<Response, CodecError> {
        let mut meta = MetaReader::new(meta);
        let response = if opcode == opcode::ERROR {
            Response::Error(ErrorAnswer::decode(&mut meta)?)
        } else {
            let Some(verb) = Opcode::of_answer(opcode) else {
                return Err(CodecError::UnknownVerb { opcode });
            };
            Response::decode_verb(verb, &mut meta)?
        };
        meta.finish()?;
        Ok(response)
    }

    fn decode_verb(verb: Opcode, meta: &mut MetaReader<'_>) -> Result<Response, CodecError> {
        Ok(match verb {
            Opcode::Hello => Response::HelloOk {
                version: meta.u16("version")?,
                frame_limit: meta.u32("frame limit")?,
                window: meta.u32("window")?,
                server: meta.string("server name")?.to_owned(),
            },
            Opcode::Authenticate => Response::Challenge(Challenge {
                version: meta.u16("version")?,
                nonce: meta.array("server's nonce")?,
            }),
            Opcode::Ping => Response::Pong,
            Opcode::Put => Response::Put(PutAnswer::decode(meta)?),
            Opcode::PutBatches => Response::Batches(BatchesAnswer::decode(meta)?),
            Opcode::Get => Response::Got(Chunk::decode(meta)?),
            Opcode::Follow => Response::Followed(Chunk::decode(meta)?),
            Opcode::Unfollow => Response::FollowEnd {
                next: meta.u64("next position")?,
            },
            Opcode::ShardMapOf => Response::ShardMap(ShardMap::decode(meta)?),
            Opcode::CreateStream => Response::Created {
                id: meta.u64("stream id")?,
            },
            Opcode::ListStreams => {
                let count = meta.count("streams", StreamSummary::MIN_LEN, MAX_STREAMS_PER_PAGE)?;
                let mut streams = Vec::with_capacity(count);
                for _ in 0..count {
                    streams.push(StreamSummary::decode(meta)?);
                }
                let more = meta.bool("more")?;
                Response::Streams { streams, more }
            }
            Opcode::DescribeStream => Response::Stream(StreamDescription::decode(meta)?),
            Opcode::DeleteStream => Response::Deleted,
            Opcode::SetRetention => Response::RetentionSet,
            Opcode::Credit => {
                return Err(CodecError::UnknownVerb {
                    opcode: Opcode::Credit.answer(),
                });
            }
        })
    }
}

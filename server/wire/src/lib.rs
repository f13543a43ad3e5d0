//! The codec of Millstream's binary protocol, with no input or output. `docs/PROTOCOL.md` is the
//! contract.
//!
//! A frame is a header of 24 bytes, the meta (the fields of a verb) and a payload (batches in the
//! layout of `millstream-format`). The codec never touches a payload: whoever sends writes header
//! and meta from one buffer and the payload from where it is; whoever receives reads the payload
//! to where it is wanted.
//!
//! - [`frame`]: the frame header, and the head of a frame out of a receive buffer.
//! - [`opcode`]: the verbs.
//! - [`request`] and [`response`]: their fields.
//! - [`challenge`]: how a client shows that it has a secret.
//! - [`credentials`]: access keys and secrets, as files tell them.
//! - [`error`]: the codes that a server answers with, and what they mean for a retry.
//! - [`version`]: versions and the limits that the handshake settles.

#![forbid(unsafe_code)]

pub mod challenge;
pub mod credentials;
pub mod error;
pub mod frame;
mod meta;
pub mod opcode;
pub mod position;
pub mod request;
pub mod response;
pub mod stream;
pub mod version;

pub use challenge::{Authenticate, Challenge, NONCE_BYTES, PROOF_BYTES};
pub use credentials::Credentials;
pub use error::{CodecError, ErrorAnswer, ErrorCode, Outcome, Retry};
pub use frame::{FRAME_HEADER_LEN, FrameError, FrameHead, FrameHeader};
pub use opcode::Opcode;
pub use position::Position;
pub use request::{BatchEntry, CreateStream, Hello, Request};
pub use response::{BatchResult, BatchesAnswer, Chunk, PutAnswer, PutGroup, PutResult, Response};
pub use stream::{
    AS_CONFIGURED, ShardDescription, ShardEntry, ShardMap, ShardState, StreamDescription,
    StreamDurability, StreamStatus, StreamSummary,
};
pub use version::*;

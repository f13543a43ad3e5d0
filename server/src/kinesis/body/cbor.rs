//! CBOR, by a reader and a writer of our own over minicbor's tokens.

mod reader;
mod writer;

use std::fmt;

use serde::Serialize;

use super::{json, value::Structure};
use reader::Reader;
use writer::Writer;

/// The tag of a time, which AWS counts in milliseconds.
const TIME: u64 = 1;

/// Reads a body that is one structure and nothing after it.
///
/// # Errors
/// What is wrong, in AWS's words where they are known.
pub(super) fn read<'a, T: Structure<'a>>(body: &'a [u8]) -> Result<T, String> {
    let mut reader = Reader::new(body);
    let structure = T::read(&mut reader).and_then(|structure| {
        reader.end()?;
        Ok(structure)
    });
    structure.map_err(|CborError(what)| json::type_words(&what).unwrap_or_else(|| json::cut(&what)))
}

/// Writes a body.
///
/// # Errors
/// What cannot be written.
pub(super) fn write<T: Serialize + ?Sized>(answer: &T, body: &mut Vec<u8>) -> Result<(), String> {
    answer
        .serialize(&mut Writer::new(body))
        .map_err(|CborError(what)| what)
}

/// What is wrong with a body.
#[derive(Debug)]
struct CborError(String);

impl fmt::Display for CborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CborError {}

impl serde::de::Error for CborError {
    fn custom<T: fmt::Display>(what: T) -> CborError {
        CborError(what.to_string())
    }
}

impl serde::ser::Error for CborError {
    fn custom<T: fmt::Display>(what: T) -> CborError {
        CborError(what.to_string())
    }
}

impl From<minicbor::decode::Error> for CborError {
    fn from(error: minicbor::decode::Error) -> CborError {
        CborError(format!("the body is not CBOR: {error}"))
    }
}

//! JSON, by serde_json.

use std::io;

use base64_simd::{AsOut, STANDARD};
use serde::Serialize;
use serde_json::{Deserializer, Error, Serializer, error::Category, ser::Formatter};

use super::value::Structure;

/// Reads a body that is one structure and nothing after it. Nesting is bounded by serde_json.
///
/// # Errors
/// What is wrong, in AWS's words where they are known.
pub(super) fn read<'a, T: Structure<'a>>(body: &'a [u8]) -> Result<T, String> {
    let mut from = Deserializer::from_slice(body);
    let structure = T::read(&mut from).map_err(|error| words(&error))?;
    from.end().map_err(|error| words(&error))?;
    Ok(structure)
}

/// Most bytes of what is said: an error may quote what it is about.
const MOST_WORDS: usize = 512;

fn words(error: &Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => {
            let what = text.strip_suffix(&place).unwrap_or(&text);
            type_words(what).unwrap_or_else(|| cut(what))
        }
        _ => cut(&format!("the body is not JSON: {text}")),
    }
}

/// The text, cut off where it becomes too long.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_WORDS)].to_owned()
}

/// What AWS says when a value is of another type: serde's error names the type that is there and the
/// one that was expected.
pub(super) fn type_words(error: &str) -> Option<String> {
    let there = error.strip_prefix("invalid type: ")?;
    let (there, expected) = there.rsplit_once(", expected ")?;
    let kind = if there.starts_with("sequence") {
        return Some("Start of list found where not expected".to_owned());
    } else if there.starts_with("map") {
        return Some("Start of structure or map found where not expected.".to_owned());
    } else if matches!(expected, "structure" | "list" | "map") {
        return Some(format!("Expected {expected} or null"));
    } else if there.starts_with("string") {
        "STRING_VALUE"
    } else if there == "boolean `true`" {
        "TRUE_VALUE"
    } else if there == "boolean `false`" {
        "FALSE_VALUE"
    } else if there.starts_with("integer") || there.starts_with("floating point") {
        "NUMBER_VALUE"
    } else if there.starts_with("byte array") {
        "BLOB_VALUE"
    } else {
        "NULL_VALUE"
    };
    Some(format!("{kind} can not be converted to {expected}"))
}

/// Writes a body.
///
/// # Errors
/// What cannot be written as JSON: keys of maps that are not text.
pub(super) fn write<T: Serialize + ?Sized>(answer: &T, body: &mut Vec<u8>) -> Result<(), String> {
    let mut serializer = Serializer::with_formatter(body, BlobsInBase64);
    answer
        .serialize(&mut serializer)
        .map_err(|error| error.to_string())
}

/// Compact JSON in which bytes are base64, written without a copy that would have to be searched for
/// characters to escape.
struct BlobsInBase64;

/// Bytes that are encoded at a time, a multiple of 3 so that only the last are padded.
const CHUNK: usize = 3 << 10;

impl Formatter for BlobsInBase64 {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        let mut text = [0; CHUNK / 3 * 4];
        writer.write_all(b"\"")?;
        for chunk in value.chunks(CHUNK) {
            writer.write_all(STANDARD.encode(chunk, text[..].as_out()))?;
        }
        writer.write_all(b"\"")
    }
}

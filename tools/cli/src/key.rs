//! Where a record's partition key comes from.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    str::FromStr,
};

use thiserror::Error;

/// Most characters in a partition key.
pub(crate) const MAX_KEY_CHARS: usize = 256;

/// Bytes of a random key: 16 hexadecimal digits.
const RANDOM_KEY_BYTES: usize = 16;

/// Why a record cannot have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum KeyError {
    /// The field is not there, or empty.
    #[error(
        "field {field} is empty, and a partition key must not be; choose another with --key-field, or leave such lines out"
    )]
    Empty {
        /// Which, from 1.
        field: NonZeroUsize,
    },
    /// A field that is not text.
    #[error(
        "field {field} is not UTF-8, and a partition key must be; choose another with --key-field, or leave such lines out"
    )]
    NotUtf8 {
        /// Which, from 1.
        field: NonZeroUsize,
    },
    /// A field that is too long.
    #[error(
        "field {field} has more than {MAX_KEY_CHARS} characters, the most that a partition key may have; choose another with --key-field, or leave such lines out"
    )]
    TooLong {
        /// Which, from 1.
        field: NonZeroUsize,
    },
}

/// How a line is cut into fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// A run of white space (space, tab, vertical tab, form feed, carriage return); what a line
    /// begins with is skipped.
    WhiteSpace,
    /// Each occurrence of a character.
    Char(Vec<u8>),
}

impl FromStr for Delimiter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Delimiter, Self::Err> {
        let text = match text {
            "\\t" => "\t",
            "\\0" => "\0",
            "\\\\" => "\\",
            other => other,
        };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some('\n'), None) => Err("a newline ends the record; choose another character"),
            (Some(_), None) => Ok(Delimiter::Char(text.as_bytes().to_vec())),
            _ => Err("one character is needed, such as , or ; (\\t is a tab)"),
        }
    }
}

impl Delimiter {
    /// Field `number` of `line`, `None` when the line has fewer.
    #[inline]
    pub(crate) fn field<'a>(&self, line: &'a [u8], number: NonZeroUsize) -> Option<&'a [u8]> {
        match self {
            Delimiter::WhiteSpace => white_space_field(line, number.get()),
            Delimiter::Char(needle) => char_field(line, number.get(), needle),
        }
    }
}

#[inline]
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

#[inline]
fn white_space_field(line: &[u8], number: usize) -> Option<&[u8]> {
    let mut rest = line;
    let mut left = number;
    loop {
        let start = rest.iter().position(|byte| !is_space(*byte))?;
        rest = &rest[start..];
        let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
        left -= 1;
        if left == 0 {
            return Some(&rest[..end]);
        }
        rest = &rest[end..];
    }
}

#[inline]
fn char_field<'a>(line: &'a [u8], number: usize, needle: &[u8]) -> Option<&'a [u8]> {
    let find = |rest: &[u8]| match needle {
        [byte] => memchr::memchr(*byte, rest),
        _ => memchr::memmem::find(rest, needle),
    };
    let mut rest = line;
    for _ in 1..number {
        rest = &rest[find(rest)? + needle.len()..];
    }
    Some(&rest[..find(rest).unwrap_or(rest.len())])
}

/// The rule by which each record gets its key.
#[derive(Debug)]
pub(crate) enum KeyRule {
    /// The same for all.
    Fixed(String),
    /// A field of the line.
    Field {
        /// Which, from 1.
        number: NonZeroUsize,
        /// What is between fields.
        delimiter: Delimiter,
    },
    /// A random one each, so that records spread over the shards.
    Random(RandomKeys),
}

impl KeyRule {
    /// The key of the record `line`.
    ///
    /// # Errors
    /// When the field is no partition key.
    #[inline]
    pub(crate) fn key<'a>(&'a mut self, line: &'a [u8]) -> Result<&'a str, KeyError> {
        match self {
            KeyRule::Fixed(key) => Ok(key),
            KeyRule::Field { number, delimiter } => {
                let field = *number;
                let bytes = delimiter.field(line, field).unwrap_or_default();
                if bytes.is_empty() {
                    return Err(KeyError::Empty { field });
                }
                let key = std::str::from_utf8(bytes).map_err(|_| KeyError::NotUtf8 { field })?;
                if !fits(key) {
                    return Err(KeyError::TooLong { field });
                }
                Ok(key)
            }
            KeyRule::Random(keys) => Ok(keys.next_key()),
        }
    }
}

/// Whether a partition key is within its limit.
#[inline]
pub(crate) fn fits(key: &str) -> bool {
    key.len() <= MAX_KEY_CHARS || key.chars().count() <= MAX_KEY_CHARS
}

/// Random keys from a cheap generator (SplitMix64): they spread records, and protect nothing.
#[derive(Debug)]
pub(crate) struct RandomKeys {
    state: u64,
    key: [u8; RANDOM_KEY_BYTES],
}

impl RandomKeys {
    /// A generator that begins somewhere else in each process.
    pub(crate) fn new() -> RandomKeys {
        RandomKeys::seeded(RandomState::new().hash_one(std::process::id()))
    }

    fn seeded(state: u64) -> RandomKeys {
        RandomKeys {
            state,
            key: [b'0'; RANDOM_KEY_BYTES],
        }
    }

    #[inline]
    fn next_key(&mut self) -> &str {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        for digit in &mut self.key {
            *digit = b"0123456789abcdef"[(z & 15) as usize];
            z >>= 4;
        }
        std::str::from_utf8(&self.key).unwrap_or("0")
    }
}

#[cfg(test)]
mod tests;

//! Tokens with which a client asks for the next page: opaque texts that hold the whole place, so
//! that the server keeps nothing for them and they outlive a restart.
//!
//! A token is JSON and a keyed hash of it, as base64.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use serde::{Deserialize, Serialize};

use super::{
    fault::{Fault, FaultKind},
    secret::Secret,
};

/// How long a token may be used.
const LIFETIME_MS: u64 = 300_000;
const TAG_LEN: usize = 16;

/// Which shards of a stream are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Which {
    All,
    /// Those that took records at a moment, milliseconds since 1970.
    At(u64),
    /// The same, and all since.
    From(u64),
}

/// The place of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Shards {
        stream: String,
        id: u64,
        /// The number of the last shard that was listed.
        after: u32,
        which: Which,
    },
    Streams {
        after: String,
    },
    Consumers {
        stream: String,
        id: u64,
        after: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Content {
    issued_ms: u64,
    place: Place,
}

/// Makes tokens and opens them again, with the key of the server.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    key: hmac::Key,
}

impl Tokens {
    pub(crate) fn new(secret: &Secret) -> Tokens {
        Tokens {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    fn tag(&self, content: &[u8]) -> [u8; TAG_LEN] {
        let mut keyed = hmac::Context::with_key(&self.key);
        // So that the same key makes other tags elsewhere in the server.
        keyed.update(b"millstream page token\0");
        keyed.update(content);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&keyed.sign().as_ref()[..TAG_LEN]);
        tag
    }

    /// The token of a place.
    pub(crate) fn seal(&self, place: Place, now_ms: u64) -> String {
        let content = Content {
            issued_ms: now_ms,
            place,
        };
        // Plain numbers and texts: there is nothing that could not be written.
        let mut bytes = serde_json::to_vec(&content).unwrap_or_default();
        bytes.extend(self.tag(&bytes));
        base64_simd::STANDARD.encode_to_string(&bytes)
    }

    /// The place of a token.
    ///
    /// # Errors
    /// `InvalidArgumentException` when it is none of ours, `ExpiredNextTokenException` when it is
    /// too old.
    pub(crate) fn open(&self, token: &str, now_ms: u64) -> Result<Place, Fault> {
        let content = self.verify(token).ok_or_else(|| {
            Fault::new(
                FaultKind::InvalidArgumentException,
                "NextToken is invalid: it was not given by this server.",
            )
        })?;
        if now_ms.saturating_sub(content.issued_ms) > LIFETIME_MS {
            return Err(Fault::new(
                FaultKind::ExpiredNextTokenException,
                "NextToken has expired: it can be used for 300 seconds. List from the start again.",
            ));
        }
        Ok(content.place)
    }

    fn verify(&self, token: &str) -> Option<Content> {
        let bytes = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let (content, tag) = bytes.split_last_chunk::<TAG_LEN>()?;
        verify_slices_are_equal(&self.tag(content), tag).ok()?;
        serde_json::from_slice(content).ok()
    }
}

/// What is said of a token that was given by another operation.
pub(crate) fn of_another() -> Fault {
    Fault::new(
        FaultKind::InvalidArgumentException,
        "NextToken is invalid: another operation gave it.",
    )
}

#[cfg(test)]
mod tests;

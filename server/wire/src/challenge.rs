//! How a client shows that it has a secret, without sending it.
//!
//! The server sends numbers that it has never sent before, the client some of its own, and a hash of
//! both, keyed with the secret. Whoever reads the line learns nothing that would be good a second
//! time, and whoever has no secret cannot answer.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::credentials::Credentials;

/// Bytes of the random numbers of either side.
pub const NONCE_BYTES: usize = 32;
/// Bytes of a keyed hash.
pub const PROOF_BYTES: usize = 32;
/// What the hash begins with, so that it is good for nothing else.
const PURPOSE: &[u8; 20] = b"millstream challenge";

/// What the server asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The version that will be spoken.
    pub version: u16,
    /// Random, and new for each connection.
    pub nonce: [u8; NONCE_BYTES],
}

/// What a client answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// Who it says it is.
    pub access_key: &'a str,
    /// Random, and new for each connection.
    pub nonce: [u8; NONCE_BYTES],
    /// The keyed hash.
    pub proof: [u8; PROOF_BYTES],
}

impl Challenge {
    /// The answer of a client with these credentials, which has drawn `nonce` for it.
    #[must_use]
    pub fn answer<'a>(
        &self,
        credentials: &'a Credentials,
        nonce: [u8; NONCE_BYTES],
    ) -> Authenticate<'a> {
        let access_key = &credentials.access_key;
        let hash = self.hash(&credentials.secret_key, access_key, &nonce);
        let proof = hash.map(|hash| hash.finalize().into_bytes().into());
        Authenticate {
            access_key,
            nonce,
            proof: proof.unwrap_or_default(),
        }
    }

    /// Whether an answer was made with this secret, in a time that tells nothing of it.
    #[must_use]
    pub fn is_answered_by(&self, answer: &Authenticate<'_>, secret_key: &str) -> bool {
        let hash = self.hash(secret_key, answer.access_key, &answer.nonce);
        hash.is_some_and(|hash| hash.verify_slice(&answer.proof).is_ok())
    }

    fn hash(&self, secret_key: &str, access_key: &str, nonce: &[u8]) -> Option<Hmac<Sha256>> {
        // A key of any length will do.
        let mut hash = <Hmac<Sha256> as KeyInit>::new_from_slice(secret_key.as_bytes()).ok()?;
        hash.update(PURPOSE);
        hash.update(&self.version.to_le_bytes());
        hash.update(&self.nonce);
        hash.update(nonce);
        hash.update(&(access_key.len() as u64).to_le_bytes());
        hash.update(access_key.as_bytes());
        Some(hash)
    }
}

#[cfg(test)]
mod tests;

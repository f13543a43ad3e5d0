//! Signatures of version 4: whoever asks shows that it has the secret of its access key, without
//! sending it.
//!
//! [`claim`] reads what a request says of itself, in its `Authorization` header or its query;
//! [`canonical`] puts the request into the one form that is signed; here the two are compared.

mod canonical;
mod claim;
mod moment;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{constant_time, digest, hmac};
use http::request::Parts;
use millstream_wire::credentials::Credentials;

use super::{
    Caller,
    fault::{Fault, FaultKind},
};
use crate::credentials::Clients;
use canonical::{PayloadHash, canonical_request, hex};
pub(crate) use claim::{ALGORITHM, Claim};
pub(crate) use moment::Moment;

/// What every scope ends with.
const TERMINATOR: &str = "aws4_request";
/// Derived keys that are kept for each client: for yesterday's, today's and tomorrow's scopes of
/// three services.
const KEYS_PER_CLIENT: usize = 9;

/// Verifies signatures against the configured clients.
pub(crate) struct Verifier {
    clients: Arc<Clients>,
    region: String,
    /// Seconds by which a client's clock may differ.
    skew: i64,
    keys: Mutex<HashMap<KeyName, Arc<hmac::Key>>>,
}

/// What a derived key is for; the region is always the server's.
#[derive(PartialEq, Eq, Hash)]
struct KeyName {
    access_key: String,
    date: [u8; 8],
    service: &'static str,
}

impl Verifier {
    pub(crate) fn new(clients: Arc<Clients>, region: &str, skew: i64) -> Verifier {
        Verifier {
            clients,
            region: region.to_owned(),
            skew,
            keys: Mutex::default(),
        }
    }

    /// What can be checked without the body, so that a stranger does not make the server receive
    /// one.
    ///
    /// # Errors
    /// The names that AWS gives: `MissingAuthenticationTokenException`,
    /// `IncompleteSignatureException`, `UnrecognizedClientException` and
    /// `InvalidSignatureException`.
    pub(crate) fn admit(&self, head: &Parts, now: Moment) -> Result<Claim, Fault> {
        let claim = Claim::of(head)?;
        self.client(&claim)?;
        self.check_time(&claim, now)?;
        Ok(claim)
    }

    /// Checks the signature of a request that was admitted.
    ///
    /// # Errors
    /// `InvalidSignatureException`, with what was expected.
    pub(crate) fn verify(
        &self,
        claim: Claim,
        head: &Parts,
        body: &[u8],
        service: &'static str,
    ) -> Result<Caller, Fault> {
        self.check_scope(&claim, service)?;
        let payload = PayloadHash::of(head, &claim, body)?;
        let canonical = canonical_request(head, &claim, &payload)?;
        let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
        let text = format!(
            "{ALGORITHM}\n{}\n{}/{}/{}/{TERMINATOR}\n{}",
            claim.moment,
            claim.date,
            claim.region,
            claim.service,
            hex(digest.as_ref()),
        );
        let client = self.client(&claim)?;
        let key = self.key(client, &claim, service);
        let expected = hmac::sign(&key, text.as_bytes());
        let equal = constant_time::verify_slices_are_equal(expected.as_ref(), &claim.signature);
        if equal.is_err() {
            return Err(invalid(format!(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{text}'\n"
            )));
        }
        Ok(Caller {
            access_key: Some(claim.access_key),
        })
    }

    /// The client that a claim names, with its token if it has one.
    fn client(&self, claim: &Claim) -> Result<&Credentials, Fault> {
        let client = self.clients.get(&claim.access_key);
        let client = client.filter(|client| match (&client.session_token, &claim.token) {
            (None, None) => true,
            (Some(own), Some(told)) => {
                constant_time::verify_slices_are_equal(own.as_bytes(), told.as_bytes()).is_ok()
            }
            _ => false,
        });
        client.ok_or_else(|| {
            let message = "The security token included in the request is invalid.";
            Fault::new(FaultKind::UnrecognizedClientException, message)
        })
    }

    fn check_time(&self, claim: &Claim, now: Moment) -> Result<(), Fault> {
        let minutes = self.skew / 60;
        let signed = claim.moment;
        let latest = now.plus(self.skew);
        if signed > latest {
            return Err(invalid(format!(
                "Signature not yet current: {signed} is still later than {latest} ({now} + {minutes} min.)"
            )));
        }
        let (expires, from) = match claim.expires {
            None => (signed, now.plus(-self.skew)),
            Some(seconds) => (signed.plus(seconds), now),
        };
        if expires < from {
            let why = match claim.expires {
                None => format!("({now} - {minutes} min.)"),
                Some(seconds) => format!("(signed at {signed} for {seconds} s)"),
            };
            return Err(invalid(format!(
                "Signature expired: {expires} is now earlier than {from} {why}"
            )));
        }
        Ok(())
    }

    fn check_scope(&self, claim: &Claim, service: &str) -> Result<(), Fault> {
        let mut wrong = Vec::new();
        let day = claim.moment.day();
        if claim.terminator != TERMINATOR {
            let told = &claim.terminator;
            wrong.push(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{told}'."
            ));
        }
        if claim.date.as_bytes() != day {
            let (told, day, moment) = (&claim.date, String::from_utf8_lossy(&day), claim.moment);
            wrong.push(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{told}' != '{day}', from '{moment}'."
            ));
        }
        if claim.region != self.region {
            let told = &claim.region;
            wrong.push(format!(
                "Credential should be scoped to a valid region, not '{told}': this server is '{}'.",
                self.region
            ));
        }
        if claim.service != service {
            let told = &claim.service;
            wrong.push(format!(
                "Credential should be scoped to correct service: '{service}', not '{told}'."
            ));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(invalid(wrong.join(" ")))
        }
    }

    /// The key of a scope, which was checked.
    fn key(&self, client: &Credentials, claim: &Claim, service: &'static str) -> Arc<hmac::Key> {
        let name = KeyName {
            access_key: client.access_key.clone(),
            date: claim.moment.day(),
            service,
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&name) {
            return Arc::clone(key);
        }
        let mut secret = format!("AWS4{}", client.secret_key).into_bytes();
        for part in [&*claim.date, &claim.region, &claim.service, TERMINATOR] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            secret = hmac::sign(&key, part.as_bytes()).as_ref().to_vec();
        }
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        if keys.len() >= KEYS_PER_CLIENT * self.clients.len() {
            keys.clear();
        }
        keys.insert(name, Arc::clone(&key));
        key
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidSignatureException, message)
}

fn incomplete(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::IncompleteSignatureException, message)
}

/// What a client sent, as far as a message shows it.
fn shown(text: &str) -> String {
    const MOST: usize = 512;
    text.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests;

//! What a request says of who signed it, when, and what for.

use http::{
    header::{AUTHORIZATION, DATE},
    request::Parts,
};

use super::{
    Moment,
    canonical::{percent_decoded, query_pairs},
    incomplete, invalid, shown,
};
use crate::kinesis::{
    fault::{Fault, FaultKind},
    target::text,
};

/// The one way to sign that there is here.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longest time that a presigned request may hold, in seconds: a week.
const LONGEST_EXPIRY: i64 = 7 * 24 * 3600;
/// Most headers that a signature covers: each costs as much as the header that it names.
const MOST_HEADERS: usize = 128;
/// The header that names an operation: unsigned, a signature would hold for any other.
const TARGET_HEADER: &str = "x-amz-target";

/// What a request says of its signature. Nothing of it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    /// The scope: day, region, service and terminator.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) terminator: String,
    /// Names of the headers that are signed, in the order in which they are.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: Vec<u8>,
    pub(super) moment: Moment,
    /// Seconds for which a presigned request holds; `None` where the header signs.
    pub(super) expires: Option<i64>,
    pub(super) token: Option<String>,
    /// What a presigned request says of its body's hash.
    pub(super) payload: Option<String>,
}

/// The parts of a claim before they are looked into.
#[derive(Default)]
struct Told {
    credential: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
}

impl Claim {
    /// Reads it, from the header or the query.
    ///
    /// # Errors
    /// `MissingAuthenticationTokenException` where there is none;
    /// `IncompleteSignatureException` with all that is missing.
    pub(crate) fn of(head: &Parts) -> Result<Claim, Fault> {
        let authorization = head.headers.get(AUTHORIZATION);
        let presigned = head.uri.query().is_some_and(is_presigned);
        let claim = match (authorization, presigned) {
            (Some(_), true) => {
                return Err(invalid(
                    "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
                ));
            }
            (None, false) => {
                let message = "Missing Authentication Token";
                let kind = FaultKind::MissingAuthenticationTokenException;
                return Err(Fault::new(kind, message));
            }
            (Some(value), false) => {
                let text = value
                    .to_str()
                    .map_err(|_| incomplete("Authorization header must be ASCII text."))?;
                Claim::of_header(head, text)?
            }
            (None, true) => Claim::of_query(head)?,
        };
        claim.check_headers(head)?;
        Ok(claim)
    }

    fn of_header(head: &Parts, authorization: &str) -> Result<Claim, Fault> {
        let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !algorithm.starts_with("AWS4-") {
            let message = "Missing Authentication Token";
            let kind = FaultKind::MissingAuthenticationTokenException;
            return Err(Fault::new(kind, message));
        }
        if algorithm != ALGORITHM {
            let algorithm = shown(algorithm);
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'; it must be '{ALGORITHM}'."
            )));
        }
        let mut told = Told::default();
        for part in rest.split([',', ' ']) {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let value = Some(value.to_owned());
            match name {
                "Credential" => told.credential = value,
                "SignedHeaders" => told.signed_headers = value,
                "Signature" => told.signature = value,
                _ => {}
            }
        }
        let mut missing = String::new();
        for (name, value) in [
            ("Credential", &told.credential),
            ("Signature", &told.signature),
            ("SignedHeaders", &told.signed_headers),
        ] {
            if value.as_ref().is_none_or(String::is_empty) {
                missing += &format!("Authorization header requires '{name}' parameter. ");
            }
        }
        let date = text(head, "x-amz-date").or_else(|| text(head, DATE.as_str()));
        if date.is_none() {
            missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
        }
        let (Some(date), true) = (date, missing.is_empty()) else {
            let authorization = shown(authorization);
            return Err(incomplete(format!(
                "{missing}Authorization={authorization}"
            )));
        };
        let token = text(head, "x-amz-security-token").map(str::to_owned);
        Claim::read(told, date, None, token, None)
    }

    fn of_query(head: &Parts) -> Result<Claim, Fault> {
        let mut told = Told::default();
        let (mut algorithm, mut date, mut expires) = (None, None, None);
        let (mut token, mut payload) = (None, None);
        for (name, value) in query_pairs(head.uri.query().unwrap_or_default()) {
            let value = Some(value);
            match &*name {
                "X-Amz-Algorithm" => algorithm = value,
                "X-Amz-Credential" => told.credential = value,
                "X-Amz-SignedHeaders" => told.signed_headers = value,
                "X-Amz-Signature" => told.signature = value,
                "X-Amz-Date" => date = value,
                "X-Amz-Expires" => expires = value,
                "X-Amz-Security-Token" => token = value,
                "X-Amz-Content-Sha256" => payload = value,
                _ => {}
            }
        }
        let mut missing = String::new();
        for (name, value) in [
            ("X-Amz-Algorithm", &algorithm),
            ("X-Amz-Credential", &told.credential),
            ("X-Amz-Signature", &told.signature),
            ("X-Amz-SignedHeaders", &told.signed_headers),
            ("X-Amz-Date", &date),
        ] {
            if value.as_ref().is_none_or(String::is_empty) {
                missing += &format!("AWS query-string parameters must include '{name}'. ");
            }
        }
        let (Some(date), true) = (date, missing.is_empty()) else {
            return Err(incomplete(format!(
                "{missing}Re-examine the query-string parameters."
            )));
        };
        if algorithm.as_deref() != Some(ALGORITHM) {
            let algorithm = shown(&algorithm.unwrap_or_default());
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'; it must be '{ALGORITHM}'."
            )));
        }
        // A request without it holds as long as one that is signed in a header.
        let expires = match expires.as_deref() {
            None => None,
            Some(seconds) => match seconds.parse() {
                Ok(seconds @ 0..=LONGEST_EXPIRY) => Some(seconds),
                _ => {
                    return Err(incomplete(format!(
                        "X-Amz-Expires must be a number of seconds, at most {LONGEST_EXPIRY}. Got '{}'.",
                        shown(seconds)
                    )));
                }
            },
        };
        Claim::read(told, &date, expires, token, payload)
    }

    fn read(
        told: Told,
        date: &str,
        expires: Option<i64>,
        token: Option<String>,
        payload: Option<String>,
    ) -> Result<Claim, Fault> {
        let credential = told.credential.unwrap_or_default();
        // From the end: what is in front of the scope is the access key, whatever it is.
        let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
        let [terminator, service, region, day, access_key] = parts[..] else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                shown(&credential)
            )));
        };
        let Some(moment) = Moment::parse_any(date) else {
            return Err(incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                shown(date)
            )));
        };
        let signed_headers = told.signed_headers.unwrap_or_default();
        let signature = told.signature.unwrap_or_default();
        let Some(signature) = hex_decoded(&signature) else {
            return Err(invalid(format!(
                "The request signature we calculated does not match the signature you provided: 'Signature' is 64 hexadecimal digits, got '{}'.",
                shown(&signature)
            )));
        };
        Ok(Claim {
            access_key: access_key.to_owned(),
            date: shown(day),
            region: shown(region),
            service: shown(service),
            terminator: shown(terminator),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature,
            moment,
            expires,
            token,
            payload,
        })
    }

    /// What has to be signed is, and nothing twice.
    fn check_headers(&self, head: &Parts) -> Result<(), Fault> {
        let headers = &self.signed_headers;
        let twice = |(at, name): (usize, &String)| {
            headers[..at]
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
        };
        if headers.len() > MOST_HEADERS || headers.iter().enumerate().any(twice) {
            return Err(incomplete(format!(
                "'SignedHeaders' names at most {MOST_HEADERS} headers, and each of them once."
            )));
        }
        let signs = |name: &str| {
            let is = |signed: &String| signed.eq_ignore_ascii_case(name);
            self.signed_headers.iter().any(is)
        };
        if !signs("host") && !signs(":authority") {
            return Err(invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        if head.headers.contains_key(TARGET_HEADER) && !signs(TARGET_HEADER) {
            return Err(invalid(
                "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        Ok(())
    }
}

/// Whether a query says that it signs.
fn is_presigned(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        percent_decoded(name) == b"X-Amz-Algorithm"
    })
}

/// The bytes of 64 hexadecimal digits.
fn hex_decoded(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

//! The one form of a request that is signed, whatever was done to it on its way.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use http::{
    header::{HOST, HeaderName},
    request::Parts,
};

use super::{Claim, invalid, shown};
use crate::kinesis::{fault::Fault, target::text};

/// What says that the body is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The parameter of a presigned request that cannot sign itself.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// What stands for the body in a signature.
pub(super) struct PayloadHash(String);

impl PayloadHash {
    /// The hash of a body; a request that tells one must tell the right one.
    pub(super) fn of(head: &Parts, claim: &Claim, body: &[u8]) -> Result<PayloadHash, Fault> {
        let told = text(head, "x-amz-content-sha256").or(claim.payload.as_deref());
        if told == Some(UNSIGNED) {
            return Ok(PayloadHash(UNSIGNED.to_owned()));
        }
        let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        match told {
            Some(told) if !told.eq_ignore_ascii_case(&hash) => Err(invalid(format!(
                "The provided 'x-amz-content-sha256' header '{}' does not match what was computed: '{hash}'.",
                shown(told)
            ))),
            _ => Ok(PayloadHash(hash)),
        }
    }
}

/// Puts a request into the form that is signed.
pub(super) fn canonical_request(
    head: &Parts,
    claim: &Claim,
    payload: &PayloadHash,
) -> Result<String, Fault> {
    let mut out = String::with_capacity(512);
    out.push_str(head.method.as_str());
    out.push('\n');
    push_path(&mut out, head.uri.path());
    out.push('\n');
    push_query(&mut out, head.uri.query().unwrap_or_default());
    out.push('\n');
    for name in &claim.signed_headers {
        let lower = name.to_ascii_lowercase();
        out.push_str(&lower);
        out.push(':');
        if !push_values(&mut out, head, &lower) {
            return Err(invalid(format!(
                "the header '{}' is signed and was not sent.",
                shown(name)
            )));
        }
        out.push('\n');
    }
    out.push('\n');
    for (at, name) in claim.signed_headers.iter().enumerate() {
        if at > 0 {
            out.push(';');
        }
        out.push_str(&name.to_ascii_lowercase());
    }
    out.push('\n');
    out.push_str(&payload.0);
    Ok(out)
}

/// The path without detours, each byte that is not plain as `%XX`; what came as such is encoded
/// once more.
fn push_path(out: &mut String, path: &str) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    for segment in &segments {
        out.push('/');
        push_encoded(out, segment.as_bytes());
    }
    let is_folder = path.ends_with(['/']) || path.ends_with("/.") || path.ends_with("/..");
    if segments.is_empty() || is_folder {
        out.push('/');
    }
}

/// The parameters, sorted, without the signature.
fn push_query(out: &mut String, query: &str) {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name);
        if name == SIGNATURE_PARAMETER.as_bytes() {
            continue;
        }
        let encoded = |bytes: &[u8]| {
            let mut encoded = String::new();
            push_encoded(&mut encoded, bytes);
            encoded
        };
        pairs.push((encoded(&name), encoded(&percent_decoded(value))));
    }
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// The values of a header, trimmed, runs of spaces as one, with commas between; false where there
/// is no such header.
fn push_values(out: &mut String, head: &Parts, name: &str) -> bool {
    let authority = || head.uri.authority().map(|authority| authority.as_str());
    if name == ":authority" || (name == HOST.as_str() && !head.headers.contains_key(HOST)) {
        let Some(authority) = authority() else {
            return false;
        };
        out.push_str(authority);
        return true;
    }
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return false;
    };
    let mut found = false;
    for value in head.headers.get_all(name) {
        if found {
            out.push(',');
        }
        found = true;
        // What is not text cannot have been signed as text: it does not match, and that is told.
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        if let Some(first) = words.next() {
            out.push_str(first);
        }
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
    found
}

fn push_encoded(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The names and values of a query, as text.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let text = |part: &str| String::from_utf8_lossy(&percent_decoded(part)).into_owned();
    query.split('&').map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (text(name), text(value))
    })
}

/// A part of a query, with its escapes resolved; what is no escape stands for itself.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = match bytes.get(at..at + 3) {
            Some(&[b'%', high, low]) => digit(high).zip(digit(low)),
            _ => None,
        };
        match (byte, escaped) {
            (_, Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// Hexadecimal digits, small letters.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

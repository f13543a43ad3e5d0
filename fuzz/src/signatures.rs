//! Signatures of the Kinesis API. The first byte says what is made of the rest: a header in full, the
//! parameters of one behind an access key that the server knows, or a query; further lines are headers.

use millstream_server::fuzzing::{self, SIGNATURE_CLIENT};

use crate::input::Input;

/// What a client is told of a signature that does not hold.
const FAULTS: &[&str] = &[
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
];

/// Most bytes of a message beyond the request, which the canonical form repeats, three bytes for one.
const MOST_WORDS: usize = 4096;

/// Looks at one signature, which nobody made.
///
/// # Panics
/// When something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let kind = input.byte();
    let rest = input.bytes(usize::MAX);
    let mut lines = rest.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let (access_key, _, _) = SIGNATURE_CLIENT;
    let scope = format!("Credential={access_key}/20150830/us-east-1/kinesis/aws4_request");
    let (target, authorization) = match kind % 3 {
        0 => ("/".to_owned(), Some(first.to_vec())),
        1 => {
            let front = format!("AWS4-HMAC-SHA256 {scope}, ");
            ("/".to_owned(), Some([front.as_bytes(), first].concat()))
        }
        _ => (format!("/{}", String::from_utf8_lossy(first)), None),
    };
    let mut headers: Vec<(&str, &[u8])> = vec![("host", b"localhost")];
    if kind & 4 == 0 {
        headers.push(("x-amz-date", b"20150830T123600Z"));
    }
    if let Some(authorization) = &authorization {
        headers.push(("authorization", authorization));
    }
    for line in lines {
        let at = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        if let Ok(name) = std::str::from_utf8(&line[..at]) {
            headers.push((name, line.get(at + 1..).unwrap_or_default()));
        }
    }
    let Some(result) = fuzzing::kinesis_signature("POST", &target, &headers, b"{}") else {
        return;
    };
    let Err((name, message)) = result else {
        panic!("a signature that nobody made holds");
    };
    assert!(FAULTS.contains(&name), "{name}: {message}");
    assert!(
        message.len() < MOST_WORDS + 9 * rest.len(),
        "{name}: {} bytes",
        message.len()
    );
}

//! Signatures of the Kinesis API: `fuzz/src/signatures.rs` tells what the bytes mean.

use super::Seed;

const WHOLE: u8 = 0;
const PARAMETERS: u8 = 1;
const QUERY: u8 = 2;
const WITHOUT_DATE: u8 = 4;

pub(super) fn seeds() -> Vec<Seed> {
    let signature = "0123456789abcdef".repeat(4);
    let header = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDOTHER/20150830/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let parameters = format!(
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Kinesis_20131202.ListStreams\nx-amz-content-sha256: UNSIGNED-PAYLOAD"
    );
    let dated = format!(
        "SignedHeaders=date;host, Signature={signature}\ndate: Sun, 30 Aug 2015 12:36:00 GMT"
    );
    let query = format!(
        "a/./b/../?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fkinesis%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
    );
    [
        ("header", WHOLE, header),
        ("parameters", PARAMETERS, parameters),
        ("date", PARAMETERS | WITHOUT_DATE, dated),
        ("query", QUERY, query),
    ]
    .into_iter()
    .map(|(name, kind, text)| (name, [&[kind][..], text.as_bytes()].concat()))
    .collect()
}

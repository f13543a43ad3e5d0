mod broken;
mod cbor;
mod constraints;
mod json;
mod round_trip;

use super::*;
use crate::kinesis::model::table;

#[test]
fn content_types_name_encodings() {
    for (value, expected) in [
        ("application/x-amz-json-1.1", Some(Encoding::Json11)),
        ("application/json", Some(Encoding::Json11)),
        ("application/x-amz-json-1.0", Some(Encoding::Json10)),
        ("application/x-amz-cbor-1.1", Some(Encoding::Cbor11)),
        (
            "Application/X-Amz-Json-1.1 ; charset=utf-8",
            Some(Encoding::Json11),
        ),
        ("application/cbor", None),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(Encoding::from_content_type(value), expected, "{value}");
    }
}

#[test]
fn no_body_is_an_input_without_members() {
    use crate::kinesis::model::input::{ListStreamsInput, PutRecordsInput};
    for encoding in [Encoding::Json10, Encoding::Json11, Encoding::Cbor11] {
        let input: ListStreamsInput<'_> = decode(encoding, b"").unwrap();
        assert!(input.limit.is_none());
        let fault = decode::<PutRecordsInput<'_>>(encoding, b"").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::ValidationException);
    }
}

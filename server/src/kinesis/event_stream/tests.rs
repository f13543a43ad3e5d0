use aws_smithy_eventstream::frame::read_message_from;
use proptest::prelude::*;

use super::*;

/// Headers and payload, as AWS's own code reads them.
fn read(frame: &[u8]) -> (Vec<(String, String)>, Vec<u8>) {
    let mut rest = frame;
    let message = read_message_from(&mut rest).unwrap();
    assert!(rest.is_empty(), "the frame is one message");
    let headers = message.headers().iter().map(|header| {
        let value = header.value().as_string().unwrap().as_str().to_owned();
        (header.name().as_str().to_owned(), value)
    });
    (headers.collect(), message.payload().to_vec())
}

fn headers(kind: (&str, &str, &str), content_type: &str) -> Vec<(String, String)> {
    let (message, header, name) = kind;
    [
        (":message-type", message),
        (header, name),
        (":content-type", content_type),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[test]
fn events_and_exceptions_are_read_by_others() {
    let event = frame(
        FrameType::Event("initial-response"),
        "application/json",
        b"{}",
    );
    assert_eq!(
        read(&event),
        (
            headers(
                ("event", ":event-type", "initial-response"),
                "application/json"
            ),
            b"{}".to_vec()
        )
    );
    let fault = frame(FrameType::Exception("ResourceInUseException"), "a/b", b"");
    assert_eq!(
        read(&fault),
        (
            headers(
                ("exception", ":exception-type", "ResourceInUseException"),
                "a/b"
            ),
            Vec::new()
        )
    );
}

#[test]
fn frames_follow_each_other_in_one_buffer() {
    let mut out = Vec::new();
    for payload in [&b"one"[..], b"", b"three"] {
        let writer = FrameWriter::begin(&mut out, FrameType::Event("E"), "t");
        out.extend(payload);
        writer.finish(&mut out);
    }
    let mut rest = &out[..];
    for payload in [&b"one"[..], b"", b"three"] {
        let message = read_message_from(&mut rest).unwrap();
        assert_eq!(message.payload().as_ref(), payload);
    }
    assert!(rest.is_empty());
}

proptest! {
    #[test]
    fn any_payload_comes_back(payload in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let frame = frame(FrameType::Event("SubscribeToShardEvent"), "application/json", &payload);
        prop_assert_eq!(read(&frame).1, payload);
    }
}

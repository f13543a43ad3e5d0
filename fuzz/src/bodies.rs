//! Bodies of the Kinesis API. The first byte says which encoding and which operation it is read for:
//! `PutRecords`, whose records are then written and read again in both encodings, or, by the second
//! byte, any.

use millstream_server::fuzzing;

use crate::input::Input;

/// What a client is told of a body that cannot be read.
const FAULTS: &[&str] = &["SerializationException", "ValidationException"];

/// Most bytes of a message: ten violations, each with a kilobyte of the value.
const MOST_WORDS: usize = 20_000;

/// Reads one body.
///
/// # Panics
/// When something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let kind = input.byte();
    let cbor = kind & 1 == 1;
    let refused = if kind & 2 == 0 {
        let records = fuzzing::kinesis_records(cbor, input.bytes(usize::MAX));
        records.map(|records| again(&records)).err()
    } else {
        let operation = input.pick(fuzzing::kinesis_operations());
        fuzzing::kinesis_body(operation, cbor, input.bytes(usize::MAX)).err()
    };
    if let Some((name, message)) = refused {
        assert!(FAULTS.contains(&name), "{name}: {message}");
        assert!(
            !message.is_empty() && message.len() < MOST_WORDS,
            "{name}: {message}"
        );
    }
}

/// What was read is the same when it was written and read in either encoding.
fn again(records: &[fuzzing::Record]) {
    for cbor in [false, true] {
        let body = fuzzing::kinesis_answer(cbor, records);
        match fuzzing::kinesis_records(cbor, &body) {
            Ok(read) => assert_eq!(read, records),
            Err((name, message)) => panic!("{name}: {message}"),
        }
    }
}

//! Bodies of `PutRecords`, in JSON or CBOR: what the fast way of reading takes is what the general way takes,
//! record by record. What it leaves to the general way may be anything.

use millstream_server::fuzzing;

/// Reads one body.
///
/// # Panics
/// When something does not hold.
pub fn run(body: &[u8]) {
    for cbor in [false, true] {
        let Some(plain) = fuzzing::kinesis_plain_records(cbor, body) else {
            continue;
        };
        match fuzzing::kinesis_records(cbor, body) {
            Ok(records) => assert_eq!(plain, records),
            Err((name, message)) => panic!("{name}: {message}"),
        }
    }
}

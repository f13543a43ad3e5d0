//! Bodies of `PutRecords` in JSON: what the fast way of reading takes is what the general way takes,
//! record by record. What it leaves to the general way may be anything.

use millstream_server::fuzzing;

/// Reads one body.
///
/// # Panics
/// When something does not hold.
pub fn run(body: &[u8]) {
    let Some(plain) = fuzzing::kinesis_plain_records(body) else {
        return;
    };
    match fuzzing::kinesis_records(false, body) {
        Ok(records) => assert_eq!(plain, records),
        Err((name, message)) => panic!("{name}: {message}"),
    }
}

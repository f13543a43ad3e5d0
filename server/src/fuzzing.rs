//! Doors for the fuzz targets to what is private here. Nothing else uses them, and they may change
//! at any time.

use crate::kinesis::{
    body::{self, Blob, Encoding},
    model::{Operation, input::PutRecordsInput, output},
};

/// A record of a `PutRecords`: its key and its data.
pub type Record = (String, Vec<u8>);

/// How many operations the Kinesis API has.
#[must_use]
pub fn kinesis_operations() -> usize {
    Operation::ALL.len()
}

/// Reads a body as the input of an operation, which is a number below [`kinesis_operations`].
///
/// # Errors
/// Name and message of the error that a client would see.
pub fn kinesis_body(
    operation: usize,
    cbor: bool,
    body: &[u8],
) -> Result<(), (&'static str, String)> {
    let Some(operation) = Operation::ALL.get(operation) else {
        return Ok(());
    };
    let checked = operation.check(encoding(cbor), body);
    checked.map_err(|fault| (fault.name(), fault.message().to_owned()))
}

/// Reads a body as the input of `PutRecords`.
///
/// # Errors
/// Name and message of the error that a client would see.
pub fn kinesis_records(cbor: bool, body: &[u8]) -> Result<Vec<Record>, (&'static str, String)> {
    let read = body::decode::<PutRecordsInput<'_>>(encoding(cbor), body).and_then(|input| {
        let records = input.records.unwrap_or_default();
        let records = records.into_iter().map(|record| {
            let data = record.data.unwrap_or_else(|| Blob::from(Vec::new()));
            let key = record.partition_key.unwrap_or_default();
            Ok((key.into_owned(), data.to_vec()?))
        });
        records.collect()
    });
    read.map_err(|fault| (fault.name(), fault.message().to_owned()))
}

/// Writes records as an answer of `GetRecords` has them, which `PutRecords` reads, too.
#[must_use]
pub fn kinesis_answer(cbor: bool, records: &[Record]) -> Vec<u8> {
    let records = records.iter().map(|(key, data)| output::Record {
        data: Some(Blob::from(&data[..])),
        partition_key: Some(key.into()),
        ..output::Record::default()
    });
    let answer = output::GetRecordsOutput {
        records: Some(records.collect()),
        ..output::GetRecordsOutput::default()
    };
    body::encode(encoding(cbor), &answer).into()
}

fn encoding(cbor: bool) -> Encoding {
    if cbor {
        Encoding::Cbor11
    } else {
        Encoding::Json11
    }
}

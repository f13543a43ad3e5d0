//! Doors for the fuzz targets to what is private here. Nothing else uses them, and they may change
//! at any time.

use crate::kinesis::{
    body::{self, Blob, Encoding},
    iterator::{Iterators, ShardIterator},
    model::{Operation, input::PutRecordsInput, output},
    op::put_records,
    sequence::Number,
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

/// Reads a body as PutRecords first does; `None` where it leaves it to the general way, which is
/// [`kinesis_records`].
#[must_use]
pub fn kinesis_plain_records(body: &[u8]) -> Option<Vec<Record>> {
    let entries = put_records::plain(body)?.entries;
    let records = entries.iter().map(|entry| {
        let mut data = vec![0; entry.data.len()];
        entry.data.decode(&mut data).ok()?;
        Some((entry.key.to_owned(), data))
    });
    records.collect()
}

/// The text of a shard iterator that holds `content`, whatever that is, and is sealed as it
/// should be.
#[must_use]
pub fn kinesis_sealed(content: &[u8]) -> String {
    iterators().sealed(content.to_vec())
}

/// Opens a shard iterator, and seals again what it holds; `None` where it is refused.
#[must_use]
pub fn kinesis_iterator(text: &str, now_ms: u64) -> Option<String> {
    let again = |iterator: ShardIterator<'_>| iterators().seal(&iterator);
    iterators().open(text, now_ms, again).ok()
}

/// Reads a sequence number, and writes it again; `None` where it is refused.
#[must_use]
pub fn kinesis_number(text: &str) -> Option<String> {
    text.parse::<Number>().ok().map(|number| number.to_string())
}

fn iterators() -> Iterators {
    Iterators::new(&[7; 32])
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

//! Doors for the fuzz targets to what is private here. Nothing else uses them, and they may change
//! at any time.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::credentials::Clients;
use crate::kinesis::{
    body::{self, Blob, Encoding},
    fault::Fault,
    iterator::{Iterators, ShardIterator},
    model::{Operation, input::PutRecordsInput, output},
    op::put_records,
    sequence::Number,
    sigv4::{Moment, Verifier},
    writer::Form,
};

/// A record of a `PutRecords`: its key, if it has one, and its data.
pub type Record = (Option<String>, Vec<u8>);

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
            let key = record.partition_key.map(Cow::into_owned);
            Ok((key, data.to_vec()?))
        });
        records.collect()
    });
    read.map_err(|fault| (fault.name(), fault.message().to_owned()))
}

/// Reads a body as PutRecords first does; `None` where it leaves it to the general way, which is
/// [`kinesis_records`].
#[must_use]
pub fn kinesis_plain_records(cbor: bool, body: &[u8]) -> Option<Vec<Record>> {
    let entries = put_records::plain(Form::of(encoding(cbor)), body)?.entries;
    let records = entries.iter().map(|entry| {
        let mut data = vec![0; entry.data.len()];
        entry.data.decode(&mut data).ok()?;
        Some((Some(entry.key.to_owned()), data))
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
        partition_key: key.as_deref().map(Cow::Borrowed),
        ..output::Record::default()
    });
    let answer = output::GetRecordsOutput {
        records: Some(records.collect()),
        ..output::GetRecordsOutput::default()
    };
    body::encode(encoding(cbor), &answer).into()
}

/// The secret and the access key with which [`kinesis_signature`] is made, and the time of it.
pub const SIGNATURE_CLIENT: (&str, &str, u64) = ("AKIDEXAMPLE", "secret", 1_440_938_160);

/// Looks at the signature of a request, whose target begins with its path; `None` where it is no
/// request of HTTP.
pub fn kinesis_signature(
    method: &str,
    target: &str,
    headers: &[(&str, &[u8])],
    body: &[u8],
) -> Option<Result<(), (&'static str, String)>> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).ok()?.into_parts();
    let (access_key, secret_key, now) = SIGNATURE_CLIENT;
    let client = millstream_wire::Credentials {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        session_token: None,
    };
    let clients: Clients = [client].into_iter().collect();
    let verifier = Verifier::new(Arc::new(clients), "us-east-1", 300);
    let now = Moment::from(UNIX_EPOCH + Duration::from_secs(now));
    let verified = verifier
        .admit(&head, now)
        .and_then(|claim| verifier.verify(claim, &head, body, "kinesis"));
    let refused = |fault: Fault| (fault.name(), fault.message().to_owned());
    Some(verified.map(drop).map_err(refused))
}

fn encoding(cbor: bool) -> Encoding {
    if cbor {
        Encoding::Cbor11
    } else {
        Encoding::Json11
    }
}

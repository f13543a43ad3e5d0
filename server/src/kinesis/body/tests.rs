use super::*;
use crate::kinesis::model::input::*;

#[test]
fn a_body_is_read_where_it_lies() {
    let body = br#"{"StreamName":"orders","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}"#;
    let input: PutRecordsInput<'_> = decode(Encoding::Json11, body).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("orders"));
    let records = input.records.unwrap();
    assert_eq!(
        records[0].data.as_ref().unwrap().to_vec().unwrap(),
        b"hello"
    );
    assert!(matches!(
        records[0].partition_key,
        Some(std::borrow::Cow::Borrowed("k"))
    ));
}

use millstream_engine::format::HashKey;
use proptest::prelude::*;

use super::*;

fn entry<'a>(key: &'a str, data: &'a str) -> Entry<'a> {
    Entry {
        key,
        explicit_hash: None,
        data: Data::base64(data.as_bytes()).unwrap(),
    }
}

#[test]
fn bodies_as_clients_write_them() {
    let body = br#"{"Records": [{"Data": "QQ==", "PartitionKey": "a"}, {"PartitionKey":"\u00e4 b","Data":""}]}"#;
    assert_eq!(read(body), None, "an escape");
    let body = "{\"Records\": [{\"Data\": \"QQ==\", \"PartitionKey\": \"a\"},\n {\"PartitionKey\":\"\u{e4} b\",\"ExplicitHashKey\":\"7\",\"Data\":\"\"}],\"StreamName\":\"s\" , \"StreamARN\":\"arn\"} ";
    let found = read(body.as_bytes()).unwrap();
    assert_eq!(
        (found.stream_name, found.stream_arn),
        (Some("s"), Some("arn"))
    );
    let second = Entry {
        explicit_hash: Some(HashKey(7)),
        ..entry("\u{e4} b", "")
    };
    assert_eq!(found.entries, [entry("a", "QQ=="), second]);
}

#[test]
fn everything_else_is_left_to_others() {
    let record = r#"{"Data":"QQ==","PartitionKey":"a"}"#;
    let long = "k".repeat(257);
    let many = vec![record; 501].join(",");
    assert!(read(format!("{{\"Records\":[{record}]}}").as_bytes()).is_some());
    let bodies = [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{\"Records\":[]}".to_owned(),
        "{\"Records\":null}".to_owned(),
        format!("{{\"Records\":[{record}],}}"),
        format!("{{\"Records\":[{record},]}}"),
        format!("{{\"Records\":[{record}]"),
        format!("{{\"Records\":[{record}]}}x"),
        format!("{{\"Records\":[{record}],\"StreamName\":null}}"),
        format!("{{\"Records\":[{record}],\"StreamName\":\"s\",\"StreamName\":\"t\"}}"),
        format!("{{\"Records\":[{record}],\"Records\":[{record}]}}"),
        format!("{{\"Records\":[{record}],\"DryRun\":true}}"),
        format!("{{\"Records\":[{record}],\"StreamName\":\"a\nb\"}}"),
        format!("{{\"Records\":[{many}]}}"),
        "{\"Records\":[{\"Data\":\"QQ==\"}]}".to_owned(),
        "{\"Records\":[{\"PartitionKey\":\"a\"}]}".to_owned(),
        "{\"Records\":[{\"Data\":\"QQ=\",\"PartitionKey\":\"a\"}]}".to_owned(),
        "{\"Records\":[{\"Data\":5,\"PartitionKey\":\"a\"}]}".to_owned(),
        "{\"Records\":[{\"Data\":\"QQ==\",\"PartitionKey\":\"\"}]}".to_owned(),
        format!("{{\"Records\":[{{\"Data\":\"QQ==\",\"PartitionKey\":\"{long}\"}}]}}"),
        "{\"Records\":[{\"Data\":\"QQ==\",\"PartitionKey\":\"a\",\"ExplicitHashKey\":\"01\"}]}"
            .to_owned(),
        "{\"Records\":[{\"Data\":\"QQ==\",\"PartitionKey\":\"a\",\"Other\":1}]}".to_owned(),
        "{\"Records\":[{\"Data\":\"QQ==\",\"Data\":\"QQ==\",\"PartitionKey\":\"a\"}]}".to_owned(),
    ];
    for body in bodies {
        assert_eq!(
            read(body.as_bytes()),
            None,
            "{}",
            &body[..body.len().min(100)]
        );
    }
    assert_eq!(
        read(b"{\"Records\":[{\"Data\":\"QQ==\",\"PartitionKey\":\"\xff\"}]}"),
        None
    );
}

proptest! {
    /// Cut short or changed anywhere, a body is refused or read, and never more is taken of it
    /// than is there.
    #[test]
    fn any_bytes_are_answered(
        cut in 0usize..200, at in 0usize..200, with in any::<u8>(),
    ) {
        let mut body = br#"{"Records":[{"Data":"QUJD","PartitionKey":"a"},{"Data":"QUJD","PartitionKey":"b","ExplicitHashKey":"12"}],"StreamName":"name"}"#.to_vec();
        let at = at % body.len();
        body[at] = with;
        body.truncate(body.len().saturating_sub(cut / 2));
        let _ = read(&body);
    }
}

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn json_line(key: &str, data: &[u8]) -> String {
    let mut out = Vec::new();
    RecordFormatter::new(Format::Json, 3).write(&mut out, 17, 1_795_404_603_123, key, data);
    String::from_utf8(out).unwrap()
}

#[test]
fn raw_is_the_data_and_a_newline() {
    let mut out = Vec::new();
    let mut formatter = RecordFormatter::new(Format::Raw, 0);
    formatter.write(&mut out, 0, 0, "key", b"\xff\x00one");
    formatter.write(&mut out, 1, 0, "key", b"");
    assert_eq!(out, b"\xff\x00one\n\n");
}

#[test]
fn a_json_line_has_its_documented_form() {
    assert_eq!(
        json_line("alice", b"alice logged in"),
        "{\"shard\":\"shardId-000000000003\",\"sequence\":17,\
         \"timestamp\":\"2026-11-23T03:30:03.123Z\",\"partition_key\":\"alice\",\
         \"data\":\"alice logged in\"}\n"
    );
}

#[test]
fn data_that_is_not_text_is_base64_and_marked() {
    let value: Value = serde_json::from_str(&json_line("k", b"\xff\xfe\xfd\x01")).unwrap();
    assert_eq!(value["data_base64"], "//79AQ==");
    assert_eq!(value.get("data"), None);
}

#[test]
fn times_of_later_batches_are_not_mixed_up() {
    let mut out = Vec::new();
    let mut formatter = RecordFormatter::new(Format::Json, 0);
    for ms in [0, 5, 5, 1000, 0] {
        formatter.write(&mut out, u64::MAX, ms, "", b"");
    }
    let times: Vec<String> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["timestamp"].to_string())
        .collect();
    assert_eq!(times[0], "\"1970-01-01T00:00:00.000Z\"");
    assert_eq!(times[2], "\"1970-01-01T00:00:00.005Z\"");
    assert_eq!(times[3], "\"1970-01-01T00:00:01.000Z\"");
    assert_eq!(times[4], times[0]);
}

proptest! {
    #[test]
    fn any_text_comes_back_through_json(
        key in any::<String>(),
        data in proptest::collection::vec(any::<char>(), 0..40),
    ) {
        let data: String = data.into_iter().collect();
        let line = json_line(&key, data.as_bytes());
        prop_assert!(!line.trim_end_matches('\n').contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["partition_key"].as_str(), Some(key.as_str()));
        prop_assert_eq!(value["data"].as_str(), Some(data.as_str()));
    }

    #[test]
    fn any_bytes_come_back_through_base64(data in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut out = Vec::new();
        base64(&mut out, &data);
        prop_assert_eq!(STANDARD.decode(&out).unwrap(), data);
    }
}

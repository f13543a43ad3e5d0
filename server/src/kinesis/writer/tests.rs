use proptest::prelude::*;
use serde_json::json;

use super::*;

fn written(form: Form, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(form, b"before".to_vec());
    write(&mut writer);
    let out = writer.finish();
    assert!(out.starts_with(b"before"));
    out[6..].to_vec()
}

/// Something of everything.
fn sample(writer: &mut Writer) {
    let map = writer.map();
    writer.name("Records");
    let array = writer.array();
    for n in 0..2 {
        let record = writer.map();
        writer.name("Key");
        writer.text("a\"\\\n\u{1}\u{e4}");
        writer.name("Data");
        writer.blob(&[n, 255]);
        writer.name("Time");
        writer.time(1_700_000_000_007);
        writer.end_map(record, 3);
    }
    writer.end_array(array, 2);
    writer.name("None");
    let none = writer.array();
    writer.end_array(none, 0);
    writer.name("Number");
    writer.number(u64::MAX);
    writer.name("Digits");
    writer.plain(b"12");
    writer.end_map(map, 4);
}

#[test]
fn json_is_read_by_others() {
    let value: serde_json::Value = serde_json::from_slice(&written(Form::Json, sample)).unwrap();
    let record =
        |data: &str| json!({"Key": "a\"\\\n\u{1}\u{e4}", "Data": data, "Time": 1_700_000_000.007});
    let expected = json!({
        "Records": [record("AP8="), record("Af8=")],
        "None": [],
        "Number": u64::MAX,
        "Digits": "12",
    });
    assert_eq!(value, expected);
}

#[test]
fn cbor_is_read_by_others() {
    let shown = minicbor::display(&written(Form::Cbor, sample)).to_string();
    assert_eq!(
        shown,
        "{\"Records\": [{\"Key\": \"a\"\\\n\u{1}\u{e4}\", \"Data\": h'00 ff', \"Time\": 1(1700000000007)}, \
         {\"Key\": \"a\"\\\n\u{1}\u{e4}\", \"Data\": h'01 ff', \"Time\": 1(1700000000007)}], \
         \"None\": [], \"Number\": 18446744073709551615, \"Digits\": \"12\"}"
    );
}

#[test]
fn a_time_has_its_milliseconds() {
    for (ms, text) in [
        (0, "0.000"),
        (1, "0.001"),
        (999, "0.999"),
        (1_000, "1.000"),
        (1_750_000_123_045, "1750000123.045"),
    ] {
        assert_eq!(written(Form::Json, |w| w.time(ms)), text.as_bytes());
    }
}

proptest! {
    #[test]
    fn any_text_and_number_in_json(text in any::<String>(), number in any::<u64>()) {
        let bytes = written(Form::Json, |w| {
            let array = w.array();
            w.text(&text);
            w.number(number);
            w.end_array(array, 2);
        });
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), json!([text, number]));
    }

    #[test]
    fn any_text_blob_and_number_in_cbor(
        text in any::<String>(),
        blob in proptest::collection::vec(any::<u8>(), 0..70_000),
        bits in 0u32..64, number in any::<u64>(),
    ) {
        let number = number >> bits;
        let bytes = written(Form::Cbor, |w| {
            w.text(&text);
            w.blob(&blob);
            w.number(number);
        });
        let mut decoder = minicbor::Decoder::new(&bytes);
        prop_assert_eq!(decoder.str().unwrap(), &text);
        prop_assert_eq!(decoder.bytes().unwrap(), &blob[..]);
        prop_assert_eq!(decoder.u64().unwrap(), number);
        prop_assert_eq!(decoder.position(), bytes.len());
    }
}

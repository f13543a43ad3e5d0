use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_record_comes_back(key in ".{0,200}", data in proptest::collection::vec(any::<u8>(), 0..600), hash in proptest::option::of(any::<u128>())) {
        let record = Record { key: &key, explicit_hash: hash.map(HashKey), data: &data };
        let mut out = vec![0xaa; record.encoded_len() + 8];
        let used = record.encode(&mut out);
        prop_assert_eq!(used % RECORD_ALIGN, 0);
        let (view, len) = RecordView::decode(&out, 0).unwrap();
        prop_assert_eq!(len, used);
        prop_assert_eq!(view.as_record(), record);
        for cut in 0..used {
            prop_assert!(RecordView::decode(&out[..cut], 0).is_err());
        }
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = RecordView::decode(&bytes, 0);
    }
}

#[test]
fn padding_must_be_zero_and_keys_must_be_utf8() {
    let record = Record::new("k", b"1");
    let mut out = vec![0; record.encoded_len()];
    record.encode(&mut out);
    let last = out.len() - 1;
    out[last] = 1;
    assert!(RecordView::decode(&out, 0).is_err());
    out[last] = 0;
    assert!(RecordView::decode(&out, 0).is_ok());
    out[RECORD_HEADER_LEN] = 0xff;
    assert!(RecordView::decode(&out, 0).is_err());
}

#[test]
fn sizes_over_the_limits_are_refused_by_name() {
    let key = "k".repeat(MAX_KEY_BYTES + 1);
    let too_long = Record::new(&key, b"").check(3, MAX_RECORD_BYTES);
    assert_eq!(
        too_long.unwrap_err().to_string(),
        "record 3: partition key of 1025 bytes, the limit is 1024"
    );
    assert!(Record::new("k", &[0; 100]).check(0, 100).is_err());
    assert!(Record::new("k", &[0; 99]).check(0, 100).is_ok());
}

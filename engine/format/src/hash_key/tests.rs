use super::*;
use proptest::prelude::*;

#[test]
fn md5_is_read_as_a_big_endian_number() {
    // RFC 1321, A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72
    assert_eq!(
        HashKey::of_partition_key("abc").0,
        0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72
    );
}

#[test]
fn many_keys_have_the_hashes_of_the_rfc() {
    // RFC 1321, A.5; the last two are longer than a block takes.
    let suite = [
        ("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e),
        ("a", 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661),
        ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
        ("message digest", 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0),
        (
            "abcdefghijklmnopqrstuvwxyz",
            0xc3fc_d3d7_6192_e400_7dfb_496c_ca67_e13b,
        ),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            0xd174_ab98_d277_d9f5_a561_1c2c_9f41_9d9f,
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            0x57ed_f4a2_2be3_c955_ac49_da2e_2107_b67a,
        ),
    ];
    let mut out = Vec::new();
    HashKey::of_partition_keys(suite.map(|(key, _)| key), &mut out);
    assert_eq!(out, suite.map(|(_, hash)| HashKey(hash)));
}

#[test]
fn what_was_in_the_vector_is_gone() {
    let mut out = vec![HashKey(1); 100];
    HashKey::of_partition_keys(["a", "b"], &mut out);
    assert_eq!(out, ["a", "b"].map(HashKey::of_partition_key));
    HashKey::of_partition_keys([], &mut out);
    assert_eq!(out, []);
    out.push(HashKey(1));
    HashKey::of_records(&[Record::new("a", b"")], &mut out);
    assert_eq!(out, [HashKey::of_partition_key("a")]);
    HashKey::of_records(&[], &mut out);
    assert_eq!(out, []);
}

#[test]
fn an_explicit_hash_goes_before_the_key() {
    let keys: Vec<String> = (0..200).map(|n| "key ".repeat(n % 17)).collect();
    let mut out = Vec::new();
    // None, all, and some of the records have one; the last group may have it in every place.
    for every in [usize::MAX, 1, 2, 3, 64, 65] {
        let record = |n: usize| Record {
            explicit_hash: (n % every == every / 2).then_some(HashKey(n as u128)),
            ..Record::new(&keys[n], b"data")
        };
        let records: Vec<Record<'_>> = (0..keys.len()).map(record).collect();
        for count in 0..records.len() {
            HashKey::of_records(&records[..count], &mut out);
            let expected: Vec<HashKey> = records[..count].iter().map(Record::hash_key).collect();
            assert_eq!(out, expected, "{count} records, every {every}");
        }
    }
}

proptest! {
    #[test]
    fn many_records_have_the_hashes_of_each(
        parts in proptest::collection::vec((".{0,80}", proptest::option::weighted(0.1, any::<u128>())), 0..200),
    ) {
        let records: Vec<Record<'_>> = parts
            .iter()
            .map(|(key, hash)| Record { explicit_hash: hash.map(HashKey), ..Record::new(key, b"") })
            .collect();
        let mut out = Vec::new();
        HashKey::of_records(&records, &mut out);
        let expected: Vec<HashKey> = records.iter().map(Record::hash_key).collect();
        prop_assert_eq!(out, expected);
    }
}

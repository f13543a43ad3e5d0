use proptest::prelude::*;

use super::*;

fn decode(text: &str) -> Option<Vec<u8>> {
    let data = Data::base64(text.as_bytes())?;
    let mut out = vec![0; data.len()];
    data.decode(&mut out).ok()?;
    Some(out)
}

#[test]
fn base64_of_the_standard_alphabet_with_padding() {
    for (text, bytes) in [
        ("", &b""[..]),
        ("QQ==", b"A"),
        ("QUI=", b"AB"),
        ("QUJD", b"ABC"),
        ("+/+/", b"\xfb\xff\xbf"),
    ] {
        assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
    }
    for text in [
        "Q", "QQ", "QQ=", "====", "Q===", "QQ==QQ==", "-_-_", "QU D", "QQ\\/", "Q\u{e4}Q",
    ] {
        assert_eq!(decode(text), None, "{text}");
    }
}

#[test]
fn hash_keys_are_numbers_below_2_to_the_128() {
    let most = u128::MAX.to_string();
    assert_eq!(hash_of("0"), Some(HashKey(0)));
    assert_eq!(hash_of("10"), Some(HashKey(10)));
    assert_eq!(hash_of(&most), Some(HashKey(u128::MAX)));
    let beyond = "340282366920938463463374607431768211456";
    for text in ["", "00", "01", "+1", "-1", "1a", " 1", "1.0", beyond] {
        assert_eq!(hash_of(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = base64_simd::STANDARD.encode_to_string(&bytes);
        prop_assert_eq!(decode(&text), Some(bytes));
    }
}

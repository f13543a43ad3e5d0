use md5::{Digest, Md5};

use super::*;

/// The hash of each key by every backend of this machine, and what md-5 says.
fn check(keys: &[impl AsRef<[u8]>]) {
    let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
    let expected: Vec<HashKey> = keys
        .iter()
        .map(|key| HashKey(u128::from_be_bytes(Md5::digest(key).into())))
        .collect();
    for backend in Backend::all() {
        let mut out = Vec::new();
        backend.hash(keys.iter().map(|key| (*key, None)), &mut out);
        let wrong = out.iter().zip(&expected).position(|(a, b)| a != b);
        let lengths: Vec<usize> = keys.iter().map(|key| key.len()).collect();
        assert_eq!(wrong, None, "{backend:?}, keys of {lengths:?} bytes");
        assert_eq!(out.len(), expected.len(), "{backend:?}");
    }
}

/// A key in which no two bytes that lie close to each other are the same, nor any zero.
fn key(len: usize, salt: usize) -> Vec<u8> {
    let byte = |at: usize| ((at * 89 + salt * 31) % 255 + 1) as u8;
    (0..len).map(byte).collect()
}

#[test]
fn the_machine_hashes_one_by_one_at_least() {
    assert!(Backend::all().any(|backend| backend == Backend(Kind::OneByOne)));
    assert_eq!(Backend::all().next(), Some(Backend::fastest()));
}

#[test]
fn keys_of_every_length_are_hashed() {
    for len in 0..=300 {
        // All of one length, then one that is longer or shorter than the rest.
        for other in [len, 0, 5, 15, 16, 17, 48, 55] {
            let mut keys: Vec<Vec<u8>> = (0..10).map(|salt| key(len, salt)).collect();
            keys[3] = key(other, 99);
            check(&keys);
        }
    }
    let all: Vec<Vec<u8>> = (0..=300).map(|len| key(len, len)).collect();
    check(&all);
}

#[test]
fn every_count_of_keys_of_mixed_lengths_is_hashed() {
    for count in 0..=200 {
        for longest in [1, 4, 8, 16, 17, 40, 56, 90] {
            let keys: Vec<Vec<u8>> = (0..count)
                .map(|n| key(n * 37 % longest, n + count))
                .collect();
            check(&keys);
        }
    }
}

#[test]
fn a_key_is_hashed_alike_in_every_lane() {
    for lane in 0..2 * GROUP {
        for len in [1, 7, 16, 33, 55, 56] {
            let mut keys = vec![key(16, 1); 2 * GROUP];
            keys[lane] = key(len, 2);
            check(&keys);
        }
    }
}

#[test]
fn keys_of_other_scripts_are_hashed() {
    let letters = ["é", "ß", "流", "水", "🦀", "a", "\u{0}", "\u{10ffff}"];
    let keys: Vec<String> = (0..130)
        .map(|n| (0..n % 19).map(|at| letters[(n + at) % 8]).collect())
        .collect();
    check(&keys);
}

#[test]
fn a_known_hash_stays() {
    let entries: Vec<(Vec<u8>, Option<HashKey>)> = (0..150)
        .map(|n| (key(n % 70, n), (n % 7 == 3).then_some(HashKey(n as u128))))
        .collect();
    for backend in Backend::all() {
        let mut out = vec![HashKey(7)];
        backend.hash(entries.iter().map(|(key, hash)| (&**key, *hash)), &mut out);
        assert_eq!(out[0], HashKey(7), "it appends");
        for ((key, hash), got) in entries.iter().zip(&out[1..]) {
            assert_eq!(*got, hash.unwrap_or_else(|| HashKey::of_bytes(key)));
        }
        assert_eq!(out.len(), 151);
    }
}

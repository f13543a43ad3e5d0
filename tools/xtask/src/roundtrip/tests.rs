use super::*;

fn fingerprint(lines: &[(&str, u32)]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    for (line, shard) in lines {
        fingerprint.add(line.as_bytes(), Some(*shard));
    }
    fingerprint
}

fn put(lines: &[&str]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    for line in lines {
        fingerprint.add(line.as_bytes(), None);
    }
    fingerprint
}

#[test]
fn another_order_of_keys_is_the_same_but_not_within_a_key() {
    let expected = put(&["a 1", "b 1", "a 2", "b 2"]);
    let same = fingerprint(&[("b 1", 1), ("b 2", 1), ("a 1", 0), ("a 2", 0)]);
    assert_eq!(expected.compare(&same), Ok(()));
    let swapped = fingerprint(&[("b 2", 1), ("b 1", 1), ("a 1", 0), ("a 2", 0)]);
    let reason = expected.compare(&swapped).unwrap_err();
    assert!(
        reason.contains("key \"b\" came in another order"),
        "{reason}"
    );
}

#[test]
fn a_line_lost_doubled_or_changed_is_found() {
    let expected = put(&["a 1", "a 2", "b 1"]);
    for (found, missing, extra) in [
        (vec![("a 1", 0), ("b 1", 1)], 1, 0),
        (vec![("a 1", 0), ("a 2", 0), ("a 2", 0), ("b 1", 1)], 0, 1),
        (vec![("a 1", 0), ("a 3", 0), ("b 1", 1)], 1, 1),
    ] {
        let reason = expected.compare(&fingerprint(&found)).unwrap_err();
        let said = format!("{missing} are missing, {extra} are too many");
        assert!(reason.contains(&said), "{reason}");
    }
}

#[test]
fn a_key_in_two_shards_is_found() {
    let expected = put(&["a 1", "a 2"]);
    let reason = expected
        .compare(&fingerprint(&[("a 1", 0), ("a 2", 1)]))
        .unwrap_err();
    assert!(reason.contains("in two shards"), "{reason}");
}

#[test]
fn the_first_word_is_the_key() {
    let long = "x".repeat(257);
    let umlauts = "ü".repeat(256);
    for (line, key) in [
        ("a b", Some("a")),
        (" \t a\u{b}b", Some("a")),
        ("a", Some("a")),
        ("", None),
        (" \r", None),
        (&long, None),
        (&umlauts, Some(&umlauts[..])),
    ] {
        assert_eq!(
            line::key(line.as_bytes()),
            key.map(str::as_bytes),
            "{line:?}"
        );
    }
    assert_eq!(line::key(b"\xff a"), None);
}

#[test]
fn kills_are_spread_over_the_put() {
    let moments = moments(5, Duration::from_secs(100), 7);
    assert_eq!(moments.len(), 5);
    for (at, moment) in moments.iter().enumerate() {
        let slice = Duration::from_secs(18 * at as u64)..=Duration::from_secs(18 * (at as u64 + 1));
        assert!(slice.contains(moment), "{at}: {moment:?}");
    }
}

#[test]
fn sizes_have_units() {
    assert_eq!(parse_bytes("1GB"), Ok(1_000_000_000));
    assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
    assert_eq!(parse_bytes("17"), Ok(17));
    assert!(parse_bytes("GB").is_err());
    assert!(parse_bytes("1 parsec").is_err());
}

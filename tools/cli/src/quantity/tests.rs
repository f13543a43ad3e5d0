use super::*;

#[test]
fn sizes_take_the_unit_that_suits() {
    assert_eq!(bytes(0), "0 B");
    assert_eq!(bytes(999), "999 B");
    assert_eq!(bytes(1000), "1.0 kB");
    assert_eq!(bytes(999_949), "999.9 kB");
    assert_eq!(bytes(999_950), "1.0 MB");
    assert_eq!(bytes(64 << 20), "67.1 MB");
    assert_eq!(bytes(u64::MAX), "18.4 EB");
}

#[test]
fn one_is_singular() {
    assert_eq!(counted(0, "record"), "0 records");
    assert_eq!(counted(1, "record"), "1 record");
}

#[test]
fn a_rate_over_no_time_is_not_infinite() {
    assert_eq!(per_second(5, Duration::ZERO), 0.0);
    assert_eq!(per_second(5, Duration::from_millis(500)), 10.0);
}

#[test]
fn times_have_milliseconds_and_an_offset() {
    assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(1_795_404_603_123), "2026-11-23T03:30:03.123Z");
    assert_eq!(time(u64::MAX), u64::MAX.to_string());
}

#[test]
fn lengths_of_time_are_read() {
    assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
    assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
    for text in ["", "30", "-1s", "1 parsec"] {
        assert!(parse_duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn sizes_are_read() {
    assert_eq!(parse_bytes("268435456"), Ok(256 << 20));
    assert_eq!(parse_bytes("256MiB"), Ok(256 << 20));
    assert_eq!(parse_bytes("1 GB"), Ok(1_000_000_000));
    for text in ["", "MiB", "1.5GiB", "-1", "1TiB", "99999999999999GiB"] {
        assert!(parse_bytes(text).is_err(), "{text:?}");
    }
}

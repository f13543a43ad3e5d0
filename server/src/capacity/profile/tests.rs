use super::*;

#[test]
fn the_named_ones() {
    let none = CapacityProfile::named("none").unwrap();
    assert_eq!(none, CapacityProfile::default());
    assert!(!none.limits_shards());
    let aws = CapacityProfile::named("aws").unwrap();
    assert!(aws.limits_shards());
    let bytes = Rate {
        per_second: 1 << 20,
        burst: 10 << 20,
    };
    assert_eq!(aws.write.bytes(), Some(bytes));
    assert_eq!(aws.read.calls_per_second, Some(5));
    assert_eq!(
        (none.to_string(), aws.to_string()),
        ("none".into(), "aws".into())
    );
}

#[test]
fn a_file_limits_what_it_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limits.toml");
    let named = |content: &str| {
        fs::write(&path, content).unwrap();
        CapacityProfile::named(path.to_str().unwrap())
    };
    let profile = named(
        "[write]\nbytes_per_second = 1000\n[calls]\nListStreams = 2\n[control]\ncreating_streams = 1\n",
    )
    .unwrap();
    assert_eq!(profile.write.bytes(), Some(Rate::per_second(1000)));
    assert_eq!(profile.write.records_per_second, None);
    assert_eq!(profile.read, ReadLimits::default());
    assert_eq!(profile.calls["ListStreams"], 2);
    assert!(profile.limits_shards());
    assert!(!named("").unwrap().limits_shards());
    let unknown = named("[write]\nbites_per_second = 3\n")
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("bites_per_second"), "{unknown}");
    assert!(named("[write]\nbytes_per_second = -1\n").is_err());
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let error = CapacityProfile::named("/no/such/limits").unwrap_err();
    assert!(error.to_string().contains("/no/such/limits"), "{error}");
}

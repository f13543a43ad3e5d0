use super::*;

fn refused(text: &str) -> String {
    match Config::parse(text) {
        Ok(config) => config.check().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_file_is_the_default_and_the_default_is_valid() {
    let config = Config::parse("").unwrap();
    assert_eq!(config, Config::default());
    config.check().unwrap();
    assert_eq!(config.record_limit(), MAX_RECORD_BYTES);
}

#[test]
fn an_unknown_key_is_named() {
    for text in [
        "lisen = \"x\"",
        "[store]\nlisen = 1",
        "[streams]\nlisen = 1",
        "[limits]\nlisen = 1",
        "[kinesis]\nlisen = 1",
        "[tls]\nlisen = 1",
    ] {
        let error = refused(text);
        assert!(error.contains("lisen"), "{error}");
    }
    assert!(refused("[lisen]\nx = 1").contains("lisen"));
}

#[test]
fn quantities_are_read_as_people_write_them() {
    let config = Config::parse(
        r#"
        data = "/var/lib/millstream"
        shutdown_grace = "2 min"
        [store]
        device = "portable"
        memory_budget = "64MiB"
        linger = "500 us"
        segment_bytes = 1048576
        clock_settle = "0"
        [streams]
        compression = "zstd:7"
        durability = "written"
        [limits]
        put_wait = "0"
        "#,
    )
    .unwrap();
    config.check().unwrap();
    assert_eq!(config.shutdown_grace, Duration::from_secs(120));
    assert_eq!(config.store.device, DeviceChoice::Portable);
    assert_eq!(config.store.memory_budget, 64 << 20);
    assert_eq!(config.store.linger, Duration::from_micros(500));
    assert_eq!(config.store.segment_bytes, 1 << 20);
    assert_eq!(config.streams.compression, CompressionChoice::Zstd(7));
    assert_eq!(config.streams.durability, Durability::Written);
    assert_eq!(config.bytes_in_flight(), 32 << 20);
    assert_eq!(config.batch_limit(), 256 << 10);
}

#[test]
fn values_that_cannot_be_name_their_key() {
    for (key, text) in [
        ("memory_budget", "[store]\nmemory_budget = 1000"),
        ("segment_bytes", "[store]\nsegment_bytes = \"5 GiB\""),
        ("segment_bytes", "[store]\nsegment_bytes = 1048577"),
        ("compression", "[streams]\ncompression = \"zstd:20\""),
        ("compression", "[streams]\ncompression = \"lz4\""),
        ("durability", "[streams]\ndurability = \"maybe\""),
        ("device", "[store]\ndevice = \"tape\""),
        ("frame_bytes", "[limits]\nframe_bytes = \"1 GiB\""),
        ("connections", "[limits]\nconnections = 0"),
        ("bytes_in_flight", "[limits]\nbytes_in_flight = \"1 GiB\""),
        ("send_timeout", "[limits]\nsend_timeout = \"0\""),
        ("linger", "[store]\nlinger = \"3 fortnights\""),
        ("linger", "[store]\nlinger = \"99999999999999999 h\""),
        (
            "memory_budget",
            "[store]\nmemory_budget = \"99999999999999999 GiB\"",
        ),
        ("memory_budget", "[store]\nmemory_budget = -1"),
        ("kinesis.region", "[kinesis]\nregion = \"US East\""),
        ("kinesis.account_id", "[kinesis]\naccount_id = \"123\""),
        ("kinesis.limits", "[kinesis]\nlimits = \"\""),
        (
            "kinesis.cors_origins",
            "[kinesis]\ncors_origins = [\"example.com\"]",
        ),
        ("kinesis.clock_skew", "[kinesis]\nclock_skew = \"25 h\""),
        ("kinesis.body_bytes", "[kinesis]\nbody_bytes = \"1 MiB\""),
        (
            "kinesis.bytes_in_flight",
            "[kinesis]\nbytes_in_flight = \"32 MiB\"",
        ),
        ("kinesis.idle_timeout", "[kinesis]\nidle_timeout = \"0\""),
        ("tls.key", "[tls]\ncert = \"c.pem\""),
        ("tls.cert", "[tls]\nkey = \"k.pem\""),
        (
            "tls.self_signed",
            "[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\nself_signed = true",
        ),
        ("tls.names", "[tls]\nnames = [\"a.example.com\"]"),
        (
            "tls.names",
            "[tls]\nself_signed = true\nnames = [\"no name\"]",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(key), "{text}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load("/nowhere/millstream.toml").unwrap_err();
    assert!(error.to_string().contains("/nowhere/millstream.toml"));
}

#[test]
fn every_key_is_documented() {
    let manual = include_str!("../../../docs/OPERATING.md");
    for (section, keys) in keys() {
        for key in keys {
            // A key of the top level may be a section.
            let named = [format!("`{key}`"), format!("`[{key}]`")];
            assert!(
                named.iter().any(|name| manual.contains(name)),
                "docs/OPERATING.md says nothing of {section}{key}"
            );
        }
    }
}

/// The keys that the parser knows, as its error lists them.
fn keys() -> Vec<(&'static str, Vec<String>)> {
    ["", "store.", "streams.", "limits.", "kinesis.", "tls."]
        .map(|section| {
            let error = refused(&format!("{section}no_such_key = 1"));
            let list = error.split_once("expected one of").unwrap().1;
            let keys = list.lines().next().unwrap().split(',');
            let keys: Vec<String> = keys
                .map(|k| k.trim().trim_matches('`').to_owned())
                .collect();
            assert!(keys.len() > 2, "{error}");
            (section, keys)
        })
        .to_vec()
}

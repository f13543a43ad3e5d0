//! A configuration file: it is taken or refused, and what is taken can be worked with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_server::Config;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Config::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
        Ok(config) if config.check().is_ok() => {
            // Sums of what was configured must not overflow.
            assert!(config.record_limit() <= config.batch_limit());
            assert!(config.batch_limit() <= config.frame_limit());
            assert!(config.bytes_in_flight() > 0);
        }
        Ok(_) => {}
    }
});

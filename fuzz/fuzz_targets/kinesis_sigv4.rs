//! Signatures of the Kinesis API: see `millstream_fuzz::signatures`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::signatures;

fuzz_target!(|input: &[u8]| signatures::run(input));

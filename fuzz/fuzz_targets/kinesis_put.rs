//! Bodies of PutRecords in JSON or CBOR, read in two ways: see `millstream_fuzz::puts`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::puts;

fuzz_target!(|input: &[u8]| puts::run(input));

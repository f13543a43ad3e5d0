//! Bodies of the Kinesis API, in JSON and CBOR: see `millstream_fuzz::bodies`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::bodies;

fuzz_target!(|input: &[u8]| bodies::run(input));

//! Shard iterators and sequence numbers: see `millstream_fuzz::places`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::places;

fuzz_target!(|input: &[u8]| places::run(input));

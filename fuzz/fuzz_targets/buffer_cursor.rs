//! The file of a buffer's cursor, damaged or forged: see
//! `millstream_fuzz::buffer`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::buffer;

fuzz_target!(|input: &[u8]| buffer::run(input));

//! An index file that is damaged or forged, beside a good log: see
//! `millstream_fuzz::index`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::index;

fuzz_target!(|input: &[u8]| index::run(input));

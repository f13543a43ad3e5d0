//! A store whose files were damaged, torn or forged while it was closed: see
//! `millstream_fuzz::recovery`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::recovery;

fuzz_target!(|input: &[u8]| recovery::run(input));

//! A store that is used and crashes, beside a model of it: see
//! `millstream_fuzz::model`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::model;

fuzz_target!(|input: &[u8]| model::run(input));

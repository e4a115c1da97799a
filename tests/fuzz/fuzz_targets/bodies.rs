//! See `portcullis_tests::oracle::bodies`.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| portcullis_tests::oracle::bodies(data));

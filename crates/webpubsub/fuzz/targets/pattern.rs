//! Any bytes: see [`holdfast_hub::fuzz::pattern`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_hub::fuzz::pattern(data));

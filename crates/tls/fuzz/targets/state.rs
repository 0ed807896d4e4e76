//! Any bytes: see [`holdfast_tls::fuzz::state`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_tls::fuzz::state(data));

//! Any bytes: see [`holdfast_tls::fuzz::leaf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_tls::fuzz::leaf(data));

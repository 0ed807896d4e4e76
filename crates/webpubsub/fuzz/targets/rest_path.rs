//! Any bytes: see [`holdfast_webpubsub::fuzz::rest_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::rest_path(data));

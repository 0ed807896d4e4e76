//! Any bytes: see [`holdfast_webpubsub::fuzz::key_set`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::key_set(data));

//! Any bytes: see [`holdfast_webpubsub::fuzz::filter`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::filter(data));

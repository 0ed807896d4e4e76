//! Any bytes: see [`holdfast_webpubsub::fuzz::upstream_answer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::upstream_answer(data));

//! Any bytes: see [`holdfast_webpubsub::fuzz::provider_token`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::provider_token(data));

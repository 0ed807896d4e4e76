//! Any bytes: see [`holdfast_webpubsub::fuzz::json_message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_webpubsub::fuzz::json_message(data));

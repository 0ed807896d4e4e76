//! Any bytes: see [`holdfast_nats::fuzz::protocol`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_nats::fuzz::protocol(data));

//! Any bytes: see [`holdfast_proto::fuzz::forwarded`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_proto::fuzz::forwarded(data));

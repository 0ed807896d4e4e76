//! Any bytes: see [`holdfast_proto::fuzz::deflate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_proto::fuzz::deflate(data));

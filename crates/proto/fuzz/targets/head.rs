//! Any bytes: see [`holdfast_proto::fuzz::head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_proto::fuzz::head(data));

//! Any bytes: see [`holdfast_cluster::fuzz::envelope`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_cluster::fuzz::envelope(data));

//! What a server costs: its memory, its CPU time, the kernel's memory, its own metrics.

pub(crate) mod machine;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod real_time;
pub(crate) mod slabs;

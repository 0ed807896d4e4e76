//! Time as rates count it.

use std::time::Duration;

/// Nanoseconds in 64 bits: enough for 584 years.
pub(crate) fn nanos(period: Duration) -> u64 {
    u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
}

//! How much a filter may be.

/// Most bytes of a filter. A request's URL has it three times as long in the worst case, percent-encoded, and its token
/// has that URL once more, in base64: together 56 KiB of the 64 KiB that a head may have.
pub const FILTER_BYTES_MAX: usize = 8 * 1024;

/// Most clauses: comparisons, `in`, and functions that are true or false. A list behind `in` is part of one.
pub const CLAUSES_MAX: u32 = 100;

/// How deep parentheses, functions, lists and `not` may stand in each other.
pub const DEPTH_MAX: u32 = 32;

/// Most calls of `concat`, the one function whose text is longer than each of those it is given.
pub const CONCATS_MAX: u32 = 32;

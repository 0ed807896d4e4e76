//! How long what is in an envelope may be.

/// Bytes before the hub.
pub(super) const FIXED_LEN: usize = 48;

/// Most bytes of a hub's name.
pub const HUB_LEN_MAX: usize = 128;
/// Most bytes of a user's or a group's name: 1,024 characters of up to four bytes.
pub const NAME_LEN_MAX: usize = 4 * 1024;
/// Most bytes of a filter.
pub const FILTER_LEN_MAX: usize = 8 * 1024;
/// Most connections that are left out. More than 1,600 do not fit into the head of a request.
pub const EXCLUDED_MAX: usize = 2048;
/// Bytes of a connection's name.
pub(super) const CONNECTION_LEN: usize = 16;
/// Most bytes of the reason of a close, or of the place in a list. A request's head has 64 KiB.
pub const REASON_LEN_MAX: usize = u16::MAX as usize;
/// Most bytes of a release's name.
pub const RELEASE_LEN_MAX: usize = 64;
/// Most groups that one operation names.
pub const GROUPS_MAX: usize = 1000;
/// Most hubs of a node: as many as a field takes.
pub const HUBS_MAX: usize = u16::MAX as usize / 4;
/// Bytes of a field's tag and length.
pub(super) const FIELD_HEAD_LEN: usize = 3;

/// Most bytes of a publication's envelope beside its payload. So much more than the longest message the bus must take.
pub const OVERHEAD_MAX: usize = 64 * 1024;

const _: () = assert!(
    FIXED_LEN + HUB_LEN_MAX + 2 * NAME_LEN_MAX + FILTER_LEN_MAX + EXCLUDED_MAX * CONNECTION_LEN
        < OVERHEAD_MAX
);

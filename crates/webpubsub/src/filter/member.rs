//! What is known of a connection that a filter is asked about.

/// Of what a filter is asked about: one connection. What costs something to find out is found out when it is asked for.
pub trait Member {
    /// Its user's id, if it has a user.
    fn user(&self) -> Option<&str>;

    /// Its id.
    fn connection(&self) -> &str;

    /// Whether it is in the group with this name, which may be any text.
    fn is_in(&self, group: &str) -> bool;

    /// How many groups it is in.
    fn groups(&self) -> usize;
}

//! Filters.

use super::input::text_and_rest;
use crate::filter::{FILTER_BYTES_MAX, Filter, Member};

/// A connection: user, id and groups with zero bytes between them.
struct Who<'d> {
    user: Option<&'d str>,
    connection: &'d str,
    groups: Vec<&'d str>,
}

impl Member for Who<'_> {
    fn user(&self) -> Option<&str> {
        self.user
    }

    fn connection(&self) -> &str {
        self.connection
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.contains(&group)
    }

    fn groups(&self) -> usize {
        self.groups.len()
    }
}

/// Any bytes as a filter and, behind a byte of 0xFF, a connection.
///
/// # Panics
///
/// When a promise is broken.
pub fn filter(data: &[u8]) {
    let Some((text, rest)) = text_and_rest(data) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.position() <= text.chars().count() + 1, "{error}");
            assert!(error.to_string().len() < 250, "{error}");
            return;
        }
    };
    assert!(text.len() <= FILTER_BYTES_MAX);
    let rest = std::str::from_utf8(rest).unwrap_or_default();
    let mut names = rest.split('\0');
    let user = names.next().filter(|user| !user.is_empty());
    let who = Who { user, connection: names.next().unwrap_or("c"), groups: names.take(8).collect() };
    let is_meant = filter.matches(&who);
    let again = |text: &str| Filter::parse(text).map(|filter| filter.matches(&who));
    // Neither parentheses nor a double negation change anything, where there is room for them.
    for same in [format!("({text})"), format!("not (not ({text}))"), format!("({text}) and true")] {
        match again(&same) {
            Ok(is_again) => assert_eq!(is_again, is_meant, "{same}"),
            Err(error) => assert!(error.to_string().contains(" at most "), "{same}: {error}"),
        }
    }
    if !filter.uses_user() {
        assert_eq!(filter.matches(&Who { user: Some("other"), groups: who.groups.clone(), ..who }), is_meant);
    }
    if !filter.uses_groups() {
        assert_eq!(filter.matches(&Who { groups: vec!["other"], ..who }), is_meant);
    }
}

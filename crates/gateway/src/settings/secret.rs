//! Text that nobody is to see.

use std::fmt;
use std::hint::black_box;

/// What stands for a text that is not shown.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// A key, a token, a password. It appears in no log, no error and no `Debug`, and its memory is overwritten when it
/// goes.
///
/// `==` is for comparing settings. It takes longer the more agrees: judge no peer by it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` secret from here on. What the caller has of it elsewhere is the caller's.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever signs or compares with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Else the compiler may see that nobody reads them, and leave them as they were.
        black_box(&bytes);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_SHOWN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_to_nobody_who_does_not_ask_for_it() {
        let secret = Secret::new("marker");
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)).matches("marker").count(), 0);
        assert_eq!(secret.expose(), "marker");
        assert_eq!(secret, secret.clone());
    }
}

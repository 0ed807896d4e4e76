//! Who is offered permessage-deflate, and what is compressed.

use holdfast_proto::Request;
use holdfast_proto::deflate::{Agreement, negotiate};

use crate::settings::Settings;

/// Who is offered compression, and what is compressed.
#[derive(Clone, Debug)]
pub(crate) struct DeflatePolicy {
    on: bool,
    /// Empty for every path.
    paths: Vec<String>,
    /// Shorter messages go as they are.
    pub(crate) bytes_min: usize,
    pub(crate) level: u32,
}

impl DeflatePolicy {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            on: settings.deflate,
            paths: settings.deflate_paths.clone(),
            bytes_min: settings.deflate_bytes_min,
            level: settings.deflate_level.into(),
        }
    }

    /// What is agreed on with a peer that asks for this.
    pub(crate) fn negotiate(&self, request: &Request<'_>) -> Option<Agreement> {
        let on = self.on && (self.paths.is_empty() || self.paths.iter().any(|it| covers(it, request.path())));
        if on { negotiate(request.extensions()) } else { None }
    }
}

/// Whether a pattern is this path, or the beginning of it with a `*` behind.
pub(crate) fn covers(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_path_or_the_beginning_of_many() {
        for (pattern, path, expected) in [
            ("/chat", "/chat", true),
            ("/chat", "/chat/", false),
            ("/chat", "/chatter", false),
            ("/chat/*", "/chat/1", true),
            ("/chat/*", "/chat", false),
            ("/chat*", "/chatter", true),
            ("/*", "/", true),
        ] {
            assert_eq!(covers(pattern, path), expected, "{pattern} and {path}");
        }
    }
}

//! The body of a fuzz target. The shell around it is in `crates/webpubsub/fuzz/`, where patterns come from.

use crate::permission::{PATTERN_CHARS_MAX, PATTERN_STARS_MAX, Pattern};

/// Any bytes as a pattern and, behind a byte of 0xFF, a name.
///
/// # Panics
///
/// When a promise is broken: a pattern fits what it says, and what means nothing in it changes nothing.
pub fn pattern(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0xFF).unwrap_or(data.len());
    let rest = data.get(end + 1..).unwrap_or_default();
    let (Ok(text), Ok(name)) = (std::str::from_utf8(&data[..end]), std::str::from_utf8(rest)) else { return };
    // With a backslash before each, wildcards are themselves.
    let quoted = name.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
    if let Ok(itself) = Pattern::new(&quoted) {
        assert!(itself.fits(name), "{quoted} does not fit {name}");
    }
    let Ok(pattern) = Pattern::new(text) else { return };
    assert!(pattern.as_str() == text && text.chars().count() <= PATTERN_CHARS_MAX);
    assert!(text.replace("\\*", "").matches('*').count() <= PATTERN_STARS_MAX);
    let is_fit = pattern.fits(name);
    if !text.contains(['*', '?', '\\']) {
        assert_eq!(is_fit, text == name, "{text}");
    }
    if let Ok(wider) = Pattern::new(&format!("{text}**")) {
        // A * before it would be taken for its first.
        assert!(!is_fit || text.ends_with('*') || wider.fits(name), "{text}** does not fit {name}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises_of_patterns(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            super::pattern(&data);
        }

        #[test]
        fn any_patterns_keep_the_promises(text in r"([ab.?]|\*|\*\*|\\\*|\\){0,8}", name in r"[ab.*\\]{0,9}") {
            super::pattern(&[text.as_bytes(), &[0xFF], name.as_bytes()].concat());
        }
    }
}

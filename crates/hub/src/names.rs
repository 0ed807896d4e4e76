//! What hubs, groups, events and users may be called.

/// Most characters of a hub's name.
pub const HUB_CHARS_MAX: usize = 128;
/// Most characters of a group's name. As many as four times of this in bytes.
pub const GROUP_CHARS_MAX: usize = 1024;
/// Most characters of an event's name.
pub const EVENT_CHARS_MAX: usize = 128;
/// Most bytes of a user's id.
pub const USER_BYTES_MAX: usize = 1024;

/// A name that is none, with the reason in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(&'static str);

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadName {}

/// Checks a hub's name: a letter, then up to 127 letters, digits and characters of ``_`,.[]``, all ASCII.
///
/// # Errors
/// Says what is wrong.
pub fn hub(name: &str) -> Result<(), BadName> {
    check(name.starts_with(|first: char| first.is_ascii_alphabetic()), "a hub's name begins with a letter")?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_`,.[]".contains(&byte);
    check(name.bytes().all(is_allowed), "a hub's name has letters, digits and _ ` , . [ ] only")?;
    check(name.len() <= HUB_CHARS_MAX, "a hub's name has at most 128 characters")
}

/// Checks a group's name: 1 to 1,024 characters, not white space alone. Case tells groups apart.
///
/// # Errors
/// Says what is wrong.
pub fn group(name: &str) -> Result<(), BadName> {
    check(!name.is_empty(), "a group's name is not empty")?;
    check(has_at_most(name, GROUP_CHARS_MAX), "a group's name has at most 1,024 characters")?;
    check(name.chars().any(|char| !char.is_whitespace()), "a group's name is not white space alone")
}

/// Checks an event's name: a letter, then up to 127 letters, digits and characters of `_.-`, all ASCII.
///
/// # Errors
/// Says what is wrong.
pub fn event(name: &str) -> Result<(), BadName> {
    check(
        name.starts_with(|first: char| first.is_ascii_alphabetic()),
        "an event's name begins with a letter",
    )?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    check(name.bytes().all(is_allowed), "an event's name has letters, digits and _ . - only")?;
    check(name.len() <= EVENT_CHARS_MAX, "an event's name has at most 128 characters")
}

/// Checks a user's id: 1 to 1,024 bytes, no control characters (they would end up in headers and logs). Compared
/// exactly, byte by byte.
///
/// # Errors
/// Says what is wrong.
pub fn user(id: &str) -> Result<(), BadName> {
    check(!id.is_empty(), "a user's id is not empty")?;
    check(id.len() <= USER_BYTES_MAX, "a user's id has at most 1,024 bytes")?;
    check(!id.chars().any(char::is_control), "a user's id has no control characters")
}

fn check(is_so: bool, rule: &'static str) -> Result<(), BadName> {
    if is_so { Ok(()) } else { Err(BadName(rule)) }
}

/// Whether a text has no more characters than this. Looks no further than it has to.
fn has_at_most(text: &str, chars: usize) -> bool {
    text.chars().nth(chars).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_named_as_the_protocol_says() {
        for good in ["a", "Z9", "chat_1`,.[x]", &"h".repeat(128)] {
            assert_eq!(hub(good), Ok(()), "{good}");
        }
        for bad in ["", "1a", "_a", "é", "a-b", "aé", "a b", &"h".repeat(129)] {
            assert!(hub(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn groups_are_named_by_any_text_that_shows() {
        for good in ["a", " a ", "a b/ü?#", &"ü".repeat(1024)] {
            assert_eq!(group(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "\t\u{3000}\n", &"ü".repeat(1025)] {
            assert!(group(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn events_are_named_in_any_case() {
        for good in ["a", "Message", "a_.-9", &"e".repeat(128)] {
            assert_eq!(event(good), Ok(()), "{good}");
        }
        for bad in ["", "9", "-a", "a b", "é", "a/b", &"e".repeat(129)] {
            assert!(event(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_are_named_by_any_text_that_fits_a_header() {
        for good in ["a", " ", "ann@example.com", "日本", &"u".repeat(1024)] {
            assert_eq!(user(good), Ok(()), "{good}");
        }
        for bad in ["", "a\nb", "\0", "\u{85}", &"u".repeat(1025)] {
            assert!(user(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_in_one_sentence() {
        assert_eq!(hub("9").expect_err("a digit").to_string(), "a hub's name begins with a letter");
        assert_eq!(group(" ").expect_err("a blank").to_string(), "a group's name is not white space alone");
    }
}

//! Which names hubs, groups and events may have.

/// Most characters of a group's name.
pub const GROUP_CHARS_MAX: usize = 1024;

/// Most characters of a user's id.
pub const USER_CHARS_MAX: usize = 1024;

/// Most bytes of a hub's or an event's name.
pub const NAME_LEN_MAX: usize = 128;

/// Whether a hub may be called so: a letter, then letters, digits and `` _`,.[] ``, at most [`NAME_LEN_MAX`] in all.
/// Letter case does not tell hubs apart.
#[must_use]
pub fn is_hub(name: &str) -> bool {
    begins_with_letter(name, |byte| byte.is_ascii_alphanumeric() || b"_`,.[]".contains(&byte))
}

/// Whether a group may be called so: 1 to [`GROUP_CHARS_MAX`] characters, not only white space. Letter case counts.
#[must_use]
pub fn is_group(name: &str) -> bool {
    has_at_most(name, GROUP_CHARS_MAX) && !name.chars().all(char::is_whitespace)
}

/// Whether a user may be called so: 1 to [`USER_CHARS_MAX`] characters, whichever they are. Letter case counts.
#[must_use]
pub fn is_user(id: &str) -> bool {
    !id.is_empty() && has_at_most(id, USER_CHARS_MAX)
}

/// Whether a text has no more characters than this. None has more than four bytes, so a long text is not counted to its
/// end.
fn has_at_most(text: &str, chars: usize) -> bool {
    text.len() <= chars || text.len() <= 4 * chars && text.chars().count() <= chars
}

/// Whether a client's event may be called so: a letter, then letters, digits and `_.-`, at most [`NAME_LEN_MAX`] in
/// all.
#[must_use]
pub fn is_event(name: &str) -> bool {
    begins_with_letter(name, |byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn begins_with_letter(name: &str, may_follow: impl Fn(u8) -> bool) -> bool {
    let [first, rest @ ..] = name.as_bytes() else { return false };
    first.is_ascii_alphabetic() && rest.len() < NAME_LEN_MAX && rest.iter().all(|byte| may_follow(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_begins_with_a_letter_and_has_no_more_than_128_of_few_characters() {
        let longest = format!("a{}", "b".repeat(127));
        for name in ["chat", "C", "a1_`,.[]", &longest] {
            assert!(is_hub(name), "{name}");
        }
        for name in ["", "1", "_a", "a b", "a/b", "a-b", "a%", "ü", "a\n", &format!("{longest}c")] {
            assert!(!is_hub(name), "{name}");
        }
    }

    #[test]
    fn a_group_has_1_to_1024_characters_and_one_of_them_is_no_space() {
        let (wide, too_wide) = ("\u{1f600}".repeat(1024), "ü".repeat(1025));
        for name in ["a", " a ", "a b/ü?#", &"a".repeat(1024), &wide] {
            assert!(is_group(name), "{name}");
        }
        for name in ["", " ", "\t\n\u{2003}", &"a".repeat(1025), &too_wide, &"ü".repeat(4097)] {
            assert!(!is_group(name), "{name}");
        }
    }

    #[test]
    fn a_user_has_1_to_1024_characters() {
        for id in ["a", " ", "a b/ü?#", &"a".repeat(1024), &"\u{1f600}".repeat(1024)] {
            assert!(is_user(id), "{id}");
        }
        for id in ["", &"a".repeat(1025), &"ü".repeat(1025), &"ü".repeat(4097)] {
            assert!(!is_user(id), "{id}");
        }
    }

    #[test]
    fn an_event_begins_with_a_letter() {
        for name in ["message", "A", "a1_.-"] {
            assert!(is_event(name), "{name}");
        }
        for name in ["", "1a", ".a", "a b", "a/b", "a\r\nx: y", "é", &"a".repeat(129)] {
            assert!(!is_event(name), "{name}");
        }
    }
}

//! Patterns of group names.

use std::iter::Peekable;
use std::str::Chars;

/// Most characters of a pattern.
pub const PATTERN_CHARS_MAX: usize = 1024;
/// Most `*` of a pattern; `**` has two.
pub const PATTERN_STARS_MAX: usize = 5;

/// A pattern of group names. `?` is one character but a dot; `*` any number of characters but dots; `**` any number of
/// any; `\` takes the meaning from a `\`, `*` or `?` behind it. Case matters.
///
/// Kept as it is written and read anew for each comparison, which costs less than another form would in memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPattern {
    /// It is empty.
    Empty,
    /// It has more than [`PATTERN_CHARS_MAX`] characters.
    TooLong,
    /// It has more than [`PATTERN_STARS_MAX`] `*`.
    TooManyStars,
    /// A `\` stands before something else than `\`, `*` or `?`.
    BadEscape,
}

impl std::fmt::Display for BadPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "a pattern is not empty",
            Self::TooLong => "a pattern has at most 1,024 characters",
            Self::TooManyStars => "a pattern has at most five *",
            Self::BadEscape => "a \\ in a pattern stands before \\, * or ?",
        })
    }
}

impl std::error::Error for BadPattern {}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This character.
    Is(char),
    /// One character but a dot.
    One,
    /// Any number of characters but dots.
    Some,
    /// Any number of any characters.
    Any,
    /// A `\` before something that it must not stand before.
    Bad,
}

/// The parts of a pattern as it is written.
struct Parts<'p>(Peekable<Chars<'p>>);

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        Some(match self.0.next()? {
            '\\' => self.0.next_if(|char| matches!(char, '\\' | '*' | '?')).map_or(Part::Bad, Part::Is),
            '*' if self.0.next_if_eq(&'*').is_some() => Part::Any,
            '*' => Part::Some,
            '?' => Part::One,
            char => Part::Is(char),
        })
    }
}

fn parts(text: &str) -> Parts<'_> {
    Parts(text.chars().peekable())
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says why the text is none.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.chars().nth(PATTERN_CHARS_MAX).is_some() {
            return Err(BadPattern::TooLong);
        }
        let stars = parts(text).map(|part| match part {
            Part::Some => 1,
            Part::Any => 2,
            _ => 0,
        });
        if stars.sum::<usize>() > PATTERN_STARS_MAX {
            return Err(BadPattern::TooManyStars);
        }
        if parts(text).any(|part| part == Part::Bad) {
            return Err(BadPattern::BadEscape);
        }
        Ok(Self(text.into()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name fits. Takes a step for each character up to the first wildcard, and from there at most one for
    /// each pair of a part and a character that are left: nothing is ever tried twice.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = parts(&self.0).peekable();
        let mut chars = name.chars();
        while let Some(Part::Is(wanted)) = parts.peek() {
            if chars.next() != Some(*wanted) {
                return false;
            }
            parts.next();
        }
        if parts.peek().is_none() {
            return chars.as_str().is_empty();
        }
        fits(parts, &chars.collect::<Vec<_>>())
    }
}

/// Whether these parts fit the whole of these characters.
fn fits(parts: impl Iterator<Item = Part>, chars: &[char]) -> bool {
    // Whether the parts so far fit the first so many characters.
    let mut reached = vec![false; chars.len() + 1];
    reached[0] = true;
    for part in parts {
        match part {
            Part::Is(wanted) => step(&mut reached, chars, |char| char == wanted),
            Part::One => step(&mut reached, chars, |char| char != '.'),
            Part::Some => spread(&mut reached, chars, |char| char != '.'),
            Part::Any => spread(&mut reached, chars, |_| true),
            Part::Bad => return false,
        }
    }
    reached[chars.len()]
}

/// Goes on by exactly one character.
fn step(reached: &mut [bool], chars: &[char], is_taken: impl Fn(char) -> bool) {
    for at in (0..chars.len()).rev() {
        reached[at + 1] = reached[at] && is_taken(chars[at]);
    }
    reached[0] = false;
}

/// Goes on by any number of characters.
fn spread(reached: &mut [bool], chars: &[char], is_taken: impl Fn(char) -> bool) {
    for at in 0..chars.len() {
        reached[at + 1] |= reached[at] && is_taken(chars[at]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).expect("a pattern").fits(name)
    }

    #[test]
    fn dots_part_names_for_all_but_two_stars() {
        assert!(fits("chat-*", "chat-") && fits("chat-*", "chat-room"));
        assert!(!fits("chat-*", "chat-a.b") && !fits("chat-*", "xchat-a"));
        assert!(fits("a.*", "a.x") && !fits("a.*", "a.x.y") && fits("a.**", "a.x.y") && !fits("a.**", "b.x"));
        assert!(fits("r.?1", "r.a1") && !fits("r.?1", "r.1") && !fits("r.?1", "r..1") && fits("?", "ü"));
        assert!(fits("**", "") && fits("*", "") && !fits("*", ".") && fits("***", ".a."));
        assert!(
            fits("name", "name") && !fits("name", "Name") && !fits("name", "name2") && !fits("name2", "name")
        );
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        assert!(fits(r"a\*b", "a*b") && !fits(r"a\*b", "axb") && fits(r"a\\", r"a\") && fits(r"\?", "?"));
        for bad in [r"a\", r"\a", r"\\\"] {
            assert_eq!(Pattern::new(bad), Err(BadPattern::BadEscape), "{bad}");
        }
    }

    #[test]
    fn what_is_too_much_is_no_pattern() {
        assert_eq!(Pattern::new(""), Err(BadPattern::Empty));
        assert_eq!(Pattern::new("******"), Err(BadPattern::TooManyStars));
        assert!(Pattern::new(r"**.**.*\*\*").is_ok());
        assert!(Pattern::new(&"ü".repeat(1024)).is_ok());
        assert_eq!(Pattern::new(&"ü".repeat(1025)), Err(BadPattern::TooLong));
    }

    /// Trying every way would take longer than the universe has: there are 1,024 over 5 of them.
    #[test]
    fn the_worst_pattern_is_compared_with_the_worst_name_at_once() {
        let name = "a".repeat(1023) + "b";
        assert!(!fits("*a*a*a*a*a", &name) && fits("*a*a*a*a*b", &name));
        let long = format!("**{0}**{0}*c", "a".repeat(500));
        assert!(!fits(&long, &name));
    }

    /// By definition, trying every way.
    fn naive(parts: &[Part], chars: &[char]) -> bool {
        let Some((part, rest)) = parts.split_first() else { return chars.is_empty() };
        let next = chars.split_first();
        match part {
            Part::Is(wanted) => next.is_some_and(|(char, left)| char == wanted && naive(rest, left)),
            Part::One => next.is_some_and(|(char, left)| *char != '.' && naive(rest, left)),
            Part::Some => {
                naive(rest, chars) || next.is_some_and(|(char, left)| *char != '.' && naive(parts, left))
            }
            Part::Any => naive(rest, chars) || next.is_some_and(|(_, left)| naive(parts, left)),
            Part::Bad => false,
        }
    }

    /// Of texts of wildcards, most of which are patterns, those that are.
    fn pattern() -> impl Strategy<Value = String> {
        let texts = r"([ab.?]|\*|\*\*|\\\*){1,8}";
        texts.prop_filter("a pattern", |text| Pattern::new(text).is_ok())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn it_fits_what_it_says(text in pattern(), name in r"[ab.*]{0,9}") {
            let (parts, chars): (Vec<_>, Vec<_>) = (parts(&text).collect(), name.chars().collect());
            prop_assert_eq!(fits(&text, &name), naive(&parts, &chars), "{} {}", text, name);
        }
    }
}

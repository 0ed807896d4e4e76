//! What functions do with texts. Nothing is copied where nothing changes.

use std::borrow::Cow;

use super::planted::{Defect, is_planted};

/// How many UTF-16 code units a text has.
pub(super) fn length(text: &str) -> i64 {
    let units = if is_planted(Defect::CountsBytes) {
        text.len()
    } else if is_planted(Defect::CountsCharacters) {
        text.chars().count()
    } else {
        text.chars().map(char::len_utf16).sum()
    };
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// Where the first `part` begins, in UTF-16 code units; -1 if there is none.
pub(super) fn index_of(text: &str, part: &str) -> i64 {
    let first = i64::from(is_planted(Defect::CountsFromOne));
    text.find(part).map_or(-1, |at| length(&text[..at]) + first)
}

/// A part of a text, in UTF-16 code units. None where that is not within the text, or begins or ends in the middle of a
/// character.
pub(super) fn substring(text: Cow<'_, str>, start: i64, length: Option<i64>) -> Option<Cow<'_, str>> {
    let start = byte_at(&text, start)?;
    let end = match length {
        None => text.len(),
        Some(length) => start + byte_at(&text[start..], length)?,
    };
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            text.drain(..start);
            Cow::Owned(text)
        }
    })
}

/// Where so many UTF-16 code units end.
fn byte_at(text: &str, units: i64) -> Option<usize> {
    let mut left = usize::try_from(units).ok()?;
    for (at, char) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        let units = if is_planted(Defect::CountsCharacters) { 1 } else { char.len_utf16() };
        left = left.checked_sub(units)?;
    }
    (left == 0 || is_planted(Defect::CutsShort)).then_some(text.len())
}

/// Without white space at both ends.
pub(super) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) if is_planted(Defect::TrimsTheStartOnly) => Cow::Borrowed(text.trim_start()),
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end().len());
            text.drain(..text.len() - text.trim_start().len());
            Cow::Owned(text)
        }
    }
}

/// In small letters.
pub(super) fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    change(text, |char| single(char, char.to_lowercase()))
}

/// In capital letters.
pub(super) fn upper(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_planted(Defect::GrowsByCase) {
        return Cow::Owned(text.to_uppercase());
    }
    change(text, |char| single(char, char.to_uppercase()))
}

fn change(text: Cow<'_, str>, to: impl Fn(char) -> char) -> Cow<'_, str> {
    match text.chars().all(|char| to(char) == char) {
        true => text,
        false => Cow::Owned(text.chars().map(to).collect()),
    }
}

/// What a character changes to, if that is one character, and ASCII only where the character is. So a text neither
/// grows nor shrinks, and no user with a Kelvin sign or a dotless i passes for one without.
fn single(char: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(other), None) if other.is_ascii() == char.is_ascii() => other,
        _ => char,
    }
}

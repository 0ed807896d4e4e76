//! Why a text is no filter.

use std::fmt;

use super::bounds::{CLAUSES_MAX, CONCATS_MAX, DEPTH_MAX, FILTER_BYTES_MAX};
use super::function::Function;

/// Most characters of a filter's text in a sentence about it.
const EXCERPT_CHARS_MAX: usize = 24;

/// A text that is no filter: where, and what to change. Shows no more of the text than one short word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    position: usize,
    why: Why,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    TooLong,
    TooManyClauses,
    TooDeep,
    TooManyConcats,
    Character(char),
    OpenText,
    Integer,
    NoValue,
    NoEnd,
    NoClose,
    NotAfter(Closing),
    Name(Box<str>),
    Function(Box<str>),
    Arguments(Function),
    Argument(Function, Type),
    Whole(Type),
    Not(Type),
    Junction(Type),
    Types(Type, Type),
    Order,
    Groups,
    InGroups(Type),
    In,
    InTruth,
    Chain,
}

/// Behind what something else has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Argument,
    Item,
}

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Text,
    Integer,
    Truth,
    Groups,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Truth => "true or false",
            Self::Groups => "the list of groups",
        }
    }
}

/// A word of a filter as an error shows it.
pub(super) fn excerpt(word: &str) -> Box<str> {
    word.chars().take(EXCERPT_CHARS_MAX).collect::<String>().into()
}

impl FilterError {
    /// An error at a byte of a text.
    pub(super) fn new(text: &str, at: usize, why: Why) -> Self {
        let before = text.get(..at).unwrap_or(text);
        Self { position: before.chars().count() + 1, why }
    }

    /// At which character, counted from 1; behind the last one where something is missing there.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::TooLong | Why::TooManyClauses | Why::TooDeep | Why::TooManyConcats => self.why.fmt(f),
            _ => write!(f, "at character {}: {}", self.position, self.why),
        }
    }
}

impl std::error::Error for FilterError {}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a filter has at most {FILTER_BYTES_MAX} bytes"),
            Self::TooManyClauses => {
                write!(
                    f,
                    "a filter has at most {CLAUSES_MAX} clauses: write userId in ('a','b') for many users"
                )
            }
            Self::TooDeep => write!(f, "parentheses, functions and not stand at most {DEPTH_MAX} deep"),
            Self::TooManyConcats => write!(f, "a filter has concat at most {CONCATS_MAX} times"),
            Self::Character(char) => character(*char, f),
            Self::OpenText => f.write_str("this text has no ' at its end; within a text, a ' is written ''"),
            Self::Integer => f.write_str("an integer has a sign and digits only, and fits 64 bits"),
            Self::NoValue => {
                f.write_str("here a name, a text in quotes, an integer or a function is missing")
            }
            Self::NoEnd => f.write_str("the filter has ended before this: join comparisons by and, or"),
            Self::NoClose => f.write_str("here a ) is missing, or an and, or"),
            Self::NotAfter(Closing::Argument) => {
                f.write_str("behind an argument of a function stands a comma or a )")
            }
            Self::NotAfter(Closing::Item) => f.write_str("behind a value of a list stands a comma or a )"),
            Self::Name(name) => {
                write!(
                    f,
                    "there is no {name}, only userId, connectionId and groups; texts stand in single quotes"
                )
            }
            Self::Function(name) => write!(f, "there is no function {name}; there are {}", Function::LIST),
            Self::Arguments(function) => write!(f, "write {}", function.signature()),
            Self::Argument(function, found) => {
                write!(f, "this is {}: write {}", found.name(), function.signature())
            }
            Self::Whole(found) => {
                write!(f, "a filter is true or false, and this is {}: compare it", found.name())
            }
            Self::Not(found) => write!(
                f,
                "not belongs to what is right behind it, which is {}: write not (...) around the comparison",
                found.name()
            ),
            Self::Junction(found) => write!(
                f,
                "and, or stand between what is true or false, and this is {}: compare it",
                found.name()
            ),
            Self::Types(left, right) => write!(
                f,
                "{} is compared with {}: write both as texts or both as integers",
                left.name(),
                right.name()
            ),
            Self::Order => f.write_str("what is true or false is compared by eq and ne only"),
            Self::Groups => f.write_str("groups stands in 'name' in groups and in length(groups) only"),
            Self::InGroups(found) => {
                write!(f, "groups have names, and this is {}: write a text", found.name())
            }
            Self::In => f.write_str("behind in stands groups or a list: ('a','b')"),
            Self::InTruth => f.write_str("in looks among texts or integers: compare this by eq"),
            Self::Chain => {
                f.write_str("two comparisons in a row: join them by and, or, or put one into parentheses")
            }
        }
    }
}

fn character(char: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hint = match char {
        '"' | '`' | '\u{2018}'..='\u{201f}' => "texts stand in single quotes: 'a'",
        '=' => "write eq for equal",
        '!' => "write not, or ne for unequal",
        '<' => "write lt for less, le for less or equal",
        '>' => "write gt for greater, ge for greater or equal",
        '&' => "write and",
        '|' => "write or",
        '+' | '-' => "behind a sign stands a digit",
        '.' => "numbers are integers",
        _ => return write!(f, "the character {} has no meaning here", char.escape_debug()),
    };
    f.write_str(hint)
}

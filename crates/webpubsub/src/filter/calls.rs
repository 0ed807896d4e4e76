//! Calls of functions are read.

use super::bounds::{CLAUSES_MAX, CONCATS_MAX};
use super::error::{Type, Why};
use super::function::Function;
use super::nodes::{Number, NumberId, Search, Text, TextId, Truth};
use super::parse::{Parser, Value, ValueKind};
use super::token::Found;

impl Parser<'_> {
    /// A call of a function whose name begins at a byte.
    pub(super) fn build(&mut self, function: Function, at: usize, arguments: &[Value]) -> Found<ValueKind> {
        use Function::{
            Concat, Contains, EndsWith, IndexOf, Length, Lower, StartsWith, Substring, Trim, Upper,
        };
        let text = |parser: &mut Self, value: &Value| parser.text_argument(function, value);
        Ok(match (function, arguments) {
            (Lower | Upper | Trim, [one]) => {
                let one = text(self, one)?;
                self.made(match function {
                    Lower => Text::Lower(one),
                    Upper => Text::Upper(one),
                    _ => Text::Trim(one),
                })
            }
            (Concat, [left, right]) => {
                self.concats += 1;
                if self.concats > CONCATS_MAX {
                    return Err((at, Why::TooManyConcats));
                }
                let concat = Text::Concat(text(self, left)?, text(self, right)?);
                self.made(concat)
            }
            (Substring, [one, start, length @ ..]) if length.len() < 2 => {
                let one = text(self, one)?;
                let start = self.number_argument(function, start)?;
                let length =
                    length.first().map(|length| self.number_argument(function, length)).transpose()?;
                self.made(Text::Substring(one, start, length))
            }
            (StartsWith | EndsWith | Contains, [one, part]) => {
                self.count_clause(at)?;
                let search = match function {
                    StartsWith => Search::Start,
                    EndsWith => Search::End,
                    _ => Search::Anywhere,
                };
                let search = Truth::Search(search, text(self, one)?, text(self, part)?);
                ValueKind::Truth(self.nodes.add_truth(search))
            }
            (IndexOf, [one, part]) => {
                let index = Number::IndexOf(text(self, one)?, text(self, part)?);
                ValueKind::Number(self.nodes.add_number(index))
            }
            (Length, [Value { kind: ValueKind::Groups, .. }]) => {
                ValueKind::Number(self.nodes.add_number(Number::Groups))
            }
            (Length, [one]) => {
                let length = Number::Length(text(self, one)?);
                ValueKind::Number(self.nodes.add_number(length))
            }
            _ => return Err((at, Why::Arguments(function))),
        })
    }

    fn made(&mut self, text: Text) -> ValueKind {
        ValueKind::Text(self.nodes.add_text(text))
    }

    fn text_argument(&mut self, function: Function, value: &Value) -> Found<TextId> {
        self.as_text(value).ok_or((value.at, Why::Argument(function, value.kind.of())))
    }

    fn number_argument(&mut self, function: Function, value: &Value) -> Found<NumberId> {
        self.as_number(value).ok_or((value.at, Why::Argument(function, value.kind.of())))
    }

    /// A clause more, which begins at a byte.
    pub(super) fn count_clause(&mut self, at: usize) -> Found<()> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX { Err((at, Why::TooManyClauses)) } else { Ok(()) }
    }
}

impl ValueKind {
    /// Its type.
    pub(super) fn of(self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Text(_) => Type::Text,
            Self::Number(_) => Type::Integer,
            Self::Truth(_) => Type::Truth,
            Self::Groups => Type::Groups,
        }
    }
}

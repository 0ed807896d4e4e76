//! Whether a connection is meant.
//!
//! Each node is looked at once, at most. What a look at one calls itself for is nested no deeper than the filter's text
//! was.

use std::borrow::Cow;

use super::member::Member;
use super::nodes::{Nodes, Number, NumberId, Search, Span, Text, TextId, Truth, TruthId};
use super::planted::{Defect, is_planted, step};
use super::text::{index_of, length, lower, substring, trim, upper};

/// A look at one connection.
pub(super) struct Look<'a, M: ?Sized> {
    pub(super) nodes: &'a Nodes,
    pub(super) member: &'a M,
}

impl<'a, M: Member + ?Sized> Look<'a, M> {
    pub(super) fn truth(&self, id: TruthId) -> bool {
        step();
        match self.nodes.truth(id) {
            Truth::Constant(truth) => truth,
            Truth::Not(operand) => self.truth(operand) == is_planted(Defect::NotIsNothing),
            Truth::Any(list) if !is_planted(Defect::OrIsAnd) => {
                self.nodes.truths(list).iter().any(|part| self.truth(*part))
            }
            Truth::All(list) | Truth::Any(list) => {
                self.nodes.truths(list).iter().all(|part| self.truth(*part))
            }
            Truth::Texts(left, comparison, right) => {
                let (left, right) = (self.text(left), self.text(right));
                if is_planted(Defect::IgnoresCase) {
                    return comparison.holds(left.map(lower), right.map(lower));
                }
                comparison.holds(left, right)
            }
            Truth::Numbers(left, comparison, right) => {
                comparison.holds(self.number(left), self.number(right))
            }
            Truth::Same(left, right) => self.truth(left) == self.truth(right),
            Truth::Differ(left, right) => self.truth(left) != self.truth(right),
            Truth::AmongTexts(left, list) => {
                let left = self.text(left);
                self.nodes.texts(list).iter().any(|item| self.text(*item) == left)
            }
            Truth::AmongLiterals(left, list) => {
                self.text(left).is_some_and(|left| self.is_literal(&left, list))
            }
            Truth::AmongNumbers(left, list) => {
                let left = self.number(left);
                self.nodes.numbers(list).iter().any(|item| self.number(*item) == left)
            }
            Truth::InGroup(name) => self.text(name).is_some_and(|name| self.member.is_in(&name)),
            Truth::Search(search, text, part) => self.search(search, text, part),
        }
    }

    /// Whether a list of literals, which are in order, has this text.
    fn is_literal(&self, text: &str, list: Span) -> bool {
        let list = self.nodes.texts(list);
        list.binary_search_by(|item| self.nodes.literal_of(*item).cmp(text)).is_ok()
    }

    fn search(&self, search: Search, text: TextId, part: TextId) -> bool {
        let (Some(text), Some(part)) = (self.text(text), self.text(part)) else {
            return is_planted(Defect::NullStartsWithAnything);
        };
        match search {
            Search::End if !is_planted(Defect::EndIsBeginning) => text.ends_with(&*part),
            Search::Start | Search::End => text.starts_with(&*part),
            Search::Anywhere => text.contains(&*part),
        }
    }

    fn text(&self, id: TextId) -> Option<Cow<'a, str>> {
        step();
        match self.nodes.text(id) {
            Text::Null => None,
            Text::Literal(span) => Some(Cow::Borrowed(self.nodes.literal(span))),
            Text::User if is_planted(Defect::NobodyIsEmpty) => {
                Some(Cow::Borrowed(self.member.user().unwrap_or_default()))
            }
            Text::User if !is_planted(Defect::MixesNames) => self.member.user().map(Cow::Borrowed),
            Text::User | Text::Connection => Some(Cow::Borrowed(self.member.connection())),
            Text::Lower(text) => self.text(text).map(lower),
            Text::Upper(text) => self.text(text).map(upper),
            Text::Trim(text) => self.text(text).map(trim),
            Text::Concat(left, right) => match (self.text(left), self.text(right)) {
                (Some(left), Some(right)) => Some(left + right),
                (None, _) | (_, None) if is_planted(Defect::ConcatOfNullIsNull) => None,
                (None, one) | (one, None) => one,
            },
            Text::Substring(text, start, None) => substring(self.text(text)?, self.number(start)?, None),
            Text::Substring(text, start, Some(length)) => {
                substring(self.text(text)?, self.number(start)?, Some(self.number(length)?))
            }
        }
    }

    fn number(&self, id: NumberId) -> Option<i64> {
        step();
        match self.nodes.number(id) {
            Number::Null => None,
            Number::Literal(number) => Some(number),
            Number::Length(text) => self.text(text).map(|text| length(&text)),
            Number::IndexOf(text, part) => Some(match (self.text(text), self.text(part)) {
                (Some(text), Some(part)) => index_of(&text, &part),
                _ => -1,
            }),
            Number::Groups => {
                let groups = i64::try_from(self.member.groups()).unwrap_or(i64::MAX);
                Some(groups + i64::from(is_planted(Defect::OneGroupMore)))
            }
        }
    }
}

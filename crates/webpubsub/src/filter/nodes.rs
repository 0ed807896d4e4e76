//! What a filter keeps: its nodes, sorted by what they come to, so that looking at one never finds the wrong type.
//! Nodes name others by number, and those came before them.

use std::cmp::Ordering;
use std::ops::Range;

use super::bounds::FILTER_BYTES_MAX;
use super::planted::{Defect, is_planted};

/// The number of a [`Truth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TruthId(u16);

/// The number of a [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextId(u16);

/// The number of a [`Number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberId(u16);

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

/// What is true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Constant(bool),
    Not(TruthId),
    /// All of a list.
    All(Span),
    /// One of a list.
    Any(Span),
    Texts(TextId, Comparison, TextId),
    Numbers(NumberId, Comparison, NumberId),
    Same(TruthId, TruthId),
    Differ(TruthId, TruthId),
    /// Equal to one of a list.
    AmongTexts(TextId, Span),
    /// Equal to one of a list of literals, which are in order.
    AmongLiterals(TextId, Span),
    AmongNumbers(NumberId, Span),
    InGroup(TextId),
    Search(Search, TextId, TextId),
}

/// What is a text, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Null,
    /// Where it is in the text of all literals.
    Literal(Span),
    User,
    Connection,
    Lower(TextId),
    Upper(TextId),
    Trim(TextId),
    Concat(TextId, TextId),
    Substring(TextId, NumberId, Option<NumberId>),
}

/// What is an integer, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Null,
    Literal(i64),
    Length(TextId),
    IndexOf(TextId, TextId),
    Groups,
}

/// Where one text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    Start,
    End,
    Anywhere,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    /// Whether it holds; none is null.
    pub(super) fn holds<T: Ord>(self, left: Option<T>, right: Option<T>) -> bool {
        let null = is_planted(Defect::NullIsLess).then(|| left.cmp(&right));
        let order = match (left, right) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            (None, None) if !is_planted(Defect::NullIsUnequal) => return self == Self::Equal,
            _ => null,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual if is_planted(Defect::EqualIsNotGreaterOrEqual) => {
                order == Some(Ordering::Greater)
            }
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
        }
    }

    /// Whether it asks which one is greater.
    pub(super) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::Unequal)
    }
}

/// All nodes of a filter.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    truths: Vec<Truth>,
    texts: Vec<Text>,
    numbers: Vec<Number>,
    truth_lists: Vec<TruthId>,
    text_lists: Vec<TextId>,
    number_lists: Vec<NumberId>,
    /// All literals, one behind the other.
    literals: String,
}

// Each node and each byte of a literal has at least one byte of the filter of its own.
const _: () = assert!(FILTER_BYTES_MAX < u16::MAX as usize);
const _: () = assert!(size_of::<Truth>() <= 8 && size_of::<Text>() <= 10 && size_of::<Number>() <= 16);

fn index(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

fn push<T>(all: &mut Vec<T>, one: T) -> u16 {
    all.push(one);
    index(all.len() - 1)
}

fn extend<T: Copy>(all: &mut Vec<T>, list: &[T]) -> Span {
    let start = index(all.len());
    all.extend_from_slice(list);
    Span { start, end: index(all.len()) }
}

impl Nodes {
    pub(super) fn add_truth(&mut self, truth: Truth) -> TruthId {
        TruthId(push(&mut self.truths, truth))
    }

    pub(super) fn add_text(&mut self, text: Text) -> TextId {
        TextId(push(&mut self.texts, text))
    }

    pub(super) fn add_number(&mut self, number: Number) -> NumberId {
        NumberId(push(&mut self.numbers, number))
    }

    /// Adds a literal, as it is written between its quotes.
    pub(super) fn add_literal(&mut self, quoted: &str) -> TextId {
        let start = index(self.literals.len());
        if is_planted(Defect::KeepsBothQuotes) {
            self.literals.push_str(quoted);
        } else {
            let mut parts = quoted.split("''");
            self.literals.push_str(parts.next().unwrap_or_default());
            for part in parts {
                self.literals.push('\'');
                self.literals.push_str(part);
            }
        }
        let span = Span { start, end: index(self.literals.len()) };
        self.add_text(Text::Literal(span))
    }

    pub(super) fn list_truths(&mut self, list: &[TruthId]) -> Span {
        let joined = if is_planted(Defect::JoinsTwo) { list.len().min(2) } else { list.len() };
        extend(&mut self.truth_lists, &list[..joined])
    }

    /// A list of numbers of texts, and whether all of them are literals: then they are in order, each once.
    pub(super) fn list_texts(&mut self, mut list: Vec<TextId>) -> (Span, bool) {
        if is_planted(Defect::ForgetsTheLast) {
            list.pop();
        }
        let are_literals = list.iter().all(|id| matches!(self.text(*id), Text::Literal(_)));
        if are_literals && !is_planted(Defect::SearchesUnsorted) {
            list.sort_unstable_by_key(|id| self.literal_of(*id));
            list.dedup_by_key(|id| self.literal_of(*id));
        }
        (extend(&mut self.text_lists, &list), are_literals)
    }

    pub(super) fn list_numbers(&mut self, list: &[NumberId]) -> Span {
        extend(&mut self.number_lists, list)
    }

    /// Gives back what was taken in advance.
    pub(super) fn shrink(&mut self) {
        self.truths.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.numbers.shrink_to_fit();
        self.truth_lists.shrink_to_fit();
        self.text_lists.shrink_to_fit();
        self.number_lists.shrink_to_fit();
        self.literals.shrink_to_fit();
    }

    pub(super) fn count(&self) -> u32 {
        let count = self.truths.len() + self.texts.len() + self.numbers.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) fn truth(&self, id: TruthId) -> Truth {
        self.truths[usize::from(id.0)]
    }

    pub(super) fn text(&self, id: TextId) -> Text {
        self.texts[usize::from(id.0)]
    }

    pub(super) fn number(&self, id: NumberId) -> Number {
        self.numbers[usize::from(id.0)]
    }

    pub(super) fn truths(&self, span: Span) -> &[TruthId] {
        &self.truth_lists[span.range()]
    }

    pub(super) fn texts(&self, span: Span) -> &[TextId] {
        &self.text_lists[span.range()]
    }

    pub(super) fn numbers(&self, span: Span) -> &[NumberId] {
        &self.number_lists[span.range()]
    }

    pub(super) fn literal(&self, span: Span) -> &str {
        &self.literals[span.range()]
    }

    /// The literal with this number; of others an empty text.
    pub(super) fn literal_of(&self, id: TextId) -> &str {
        match self.text(id) {
            Text::Literal(span) => self.literal(span),
            _ => "",
        }
    }
}

//! From a text to a filter: a function for each kind of expression, which call each other no deeper than
//! [`DEPTH_MAX`](super::DEPTH_MAX) allows. Types are checked on the way.

use super::bounds::{DEPTH_MAX, FILTER_BYTES_MAX};
use super::error::{Closing, FilterError, Type, Why, excerpt};
use super::function::Function;
use super::nodes::{Comparison, Nodes, Number, NumberId, Text, TextId, Truth, TruthId};
use super::planted::{Defect, is_planted, step};
use super::token::{Found, Token, Tokens};
use super::uses::Uses;

/// An expression, and at which byte it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    pub(super) at: usize,
}

/// An expression by its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum ValueKind {
    Null,
    Text(TextId),
    Number(NumberId),
    Truth(TruthId),
    Groups,
}

/// What joins expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junction {
    Or,
    And,
}

/// What stands between two values.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Compare(Comparison),
    In,
}

/// Reads a text.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    tokens: Tokens<'t>,
    token: Token<'t>,
    /// Where that begins.
    at: usize,
    depth: u32,
    pub(super) clauses: u32,
    pub(super) concats: u32,
    uses: Uses,
    pub(super) nodes: Nodes,
}

impl<'t> Parser<'t> {
    /// The nodes of a filter, the one that says whether it means somebody, and what it asks about.
    pub(super) fn parse(text: &'t str) -> Result<(Nodes, TruthId, Uses), FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::new(text, FILTER_BYTES_MAX, Why::TooLong));
        }
        let mut parser = Self {
            tokens: Tokens::new(text),
            token: Token::End,
            at: 0,
            depth: 0,
            clauses: 0,
            concats: 0,
            uses: Uses::default(),
            nodes: Nodes::default(),
        };
        let root = parser.whole().map_err(|(at, why)| FilterError::new(text, at, why))?;
        parser.nodes.shrink();
        Ok((parser.nodes, root, parser.uses))
    }

    fn whole(&mut self) -> Found<TruthId> {
        self.advance()?;
        let value = self.expression()?;
        match (self.token, value.kind) {
            (Token::End, ValueKind::Truth(root)) => Ok(root),
            (Token::End, ValueKind::Groups) => Err((value.at, Why::Groups)),
            (Token::End, other) => Err((value.at, Why::Whole(other.of()))),
            _ => Err((self.at, Why::NoEnd)),
        }
    }

    fn advance(&mut self) -> Found<()> {
        (self.token, self.at) = self.tokens.next()?;
        Ok(())
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Word(own) if own.eq_ignore_ascii_case(word))
    }

    /// Goes on behind what stands here, if it is this.
    fn takes(&mut self, token: Token<'_>) -> Found<bool> {
        let is_it = self.token == token;
        if is_it {
            self.advance()?;
        }
        Ok(is_it)
    }

    /// Reads what stands within something else.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Found<T>) -> Found<T> {
        step();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err((self.at, Why::TooDeep));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn expression(&mut self) -> Found<Value> {
        let loosest = if is_planted(Defect::OrBindsTighter) { Junction::And } else { Junction::Or };
        self.joined(loosest, |parser| {
            let tighter = if loosest == Junction::Or { Junction::And } else { Junction::Or };
            parser.joined(tighter, Self::comparison)
        })
    }

    /// Parts with `or`, or with `and`, between them; or one part without.
    fn joined(&mut self, junction: Junction, part: impl Fn(&mut Self) -> Found<Value>) -> Found<Value> {
        let word = if junction == Junction::Or { "or" } else { "and" };
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![Self::joinable(&first)?];
        while self.is_word(word) {
            self.advance()?;
            let next = part(self)?;
            parts.push(Self::joinable(&next)?);
        }
        let list = self.nodes.list_truths(&parts);
        let truth = if junction == Junction::Or { Truth::Any(list) } else { Truth::All(list) };
        Ok(self.truth(truth, first.at))
    }

    fn joinable(value: &Value) -> Found<TruthId> {
        match value.kind {
            ValueKind::Truth(id) => Ok(id),
            ValueKind::Groups => Err((value.at, Why::Groups)),
            other => Err((value.at, Why::Junction(other.of()))),
        }
    }

    fn comparison(&mut self) -> Found<Value> {
        let left = self.operand()?;
        let Some(operator) = self.operator() else { return Ok(left) };
        self.count_clause(self.at)?;
        self.advance()?;
        let truth = match operator {
            Operator::In => self.among(&left)?,
            Operator::Compare(comparison) => {
                let right = self.operand()?;
                self.compare(&left, comparison, &right)?
            }
        };
        if self.operator().is_some() {
            return Err((self.at, Why::Chain));
        }
        Ok(self.truth(truth, left.at))
    }

    fn operator(&self) -> Option<Operator> {
        let Token::Word(word) = self.token else { return None };
        let operators = [
            ("eq", Operator::Compare(Comparison::Equal)),
            ("ne", Operator::Compare(Comparison::Unequal)),
            ("gt", Operator::Compare(Comparison::Greater)),
            ("ge", Operator::Compare(Comparison::GreaterOrEqual)),
            ("lt", Operator::Compare(Comparison::Less)),
            ("le", Operator::Compare(Comparison::LessOrEqual)),
            ("in", Operator::In),
        ];
        let found = operators.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(word));
        found.map(|(_, operator)| operator)
    }

    fn compare(&mut self, left: &Value, comparison: Comparison, right: &Value) -> Found<Truth> {
        use ValueKind::{Groups, Truth as Is};
        if let (Groups, _) | (_, Groups) = (left.kind, right.kind) {
            let at = if matches!(left.kind, Groups) { left.at } else { right.at };
            return Err((at, Why::Groups));
        }
        if let (Is(left), Is(right)) = (left.kind, right.kind) {
            return match comparison {
                Comparison::Equal => Ok(Truth::Same(left, right)),
                Comparison::Unequal => Ok(Truth::Differ(left, right)),
                _ => Err((self.at, Why::Order)),
            };
        }
        if comparison.is_order() && matches!((left.kind, right.kind), (Is(_), _) | (_, Is(_))) {
            return Err((left.at, Why::Order));
        }
        if let (Some(left), Some(right)) = (self.as_text(left), self.as_text(right)) {
            return Ok(Truth::Texts(left, comparison, right));
        }
        if let (Some(left), Some(right)) = (self.as_number(left), self.as_number(right)) {
            return Ok(Truth::Numbers(left, comparison, right));
        }
        Err((left.at, Why::Types(left.kind.of(), right.kind.of())))
    }

    /// What stands behind `in`.
    fn among(&mut self, left: &Value) -> Found<Truth> {
        let at = self.at;
        if matches!(left.kind, ValueKind::Groups) {
            return Err((left.at, Why::Groups));
        }
        let items = match self.token {
            Token::Open => {
                self.advance()?;
                self.nested(|parser| parser.values(Closing::Item))?
            }
            Token::Word(_) if self.is_word("groups") => vec![self.operand()?],
            _ => return Err((at, Why::In)),
        };
        if items.is_empty() {
            return Err((at, Why::In));
        }
        if let [Value { kind: ValueKind::Groups, .. }] = items[..] {
            let name = self.as_text(left).ok_or((left.at, Why::InGroups(left.kind.of())))?;
            return Ok(Truth::InGroup(name));
        }
        self.among_items(left, &items)
    }

    fn among_items(&mut self, left: &Value, items: &[Value]) -> Found<Truth> {
        let all = || std::iter::once(left).chain(items);
        if let Some(value) = all().find(|value| matches!(value.kind, ValueKind::Groups)) {
            return Err((value.at, Why::Groups));
        }
        if let Some(value) = all().find(|value| matches!(value.kind, ValueKind::Truth(_))) {
            return Err((value.at, Why::InTruth));
        }
        let kind = all().map(|value| value.kind.of()).find(|kind| *kind != Type::Null);
        let other = |value: &Value| (value.at, Why::Types(kind.unwrap_or(Type::Null), value.kind.of()));
        if kind == Some(Type::Integer) {
            let left = self.as_number(left).ok_or_else(|| other(left))?;
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(self.as_number(item).ok_or_else(|| other(item))?);
            }
            return Ok(Truth::AmongNumbers(left, self.nodes.list_numbers(&list)));
        }
        let left = self.as_text(left).ok_or_else(|| other(left))?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(self.as_text(item).ok_or_else(|| other(item))?);
        }
        Ok(match self.nodes.list_texts(list) {
            (list, true) => Truth::AmongLiterals(left, list),
            (list, false) => Truth::AmongTexts(left, list),
        })
    }

    /// `not` and what is right behind it, or a value.
    fn operand(&mut self) -> Found<Value> {
        let at = self.at;
        if !self.is_word("not") {
            return self.value();
        }
        self.advance()?;
        let operand = self.nested(Self::operand)?;
        match operand.kind {
            ValueKind::Truth(id) => Ok(self.truth(Truth::Not(id), at)),
            other => Err((operand.at, Why::Not(other.of()))),
        }
    }

    fn value(&mut self) -> Found<Value> {
        let (token, at) = (self.token, self.at);
        let kind = match token {
            Token::Open => {
                self.advance()?;
                let value = self.nested(Self::expression)?;
                if !self.takes(Token::Close)? {
                    return Err((self.at, Why::NoClose));
                }
                value.kind
            }
            Token::Word(word) => self.word(word)?,
            Token::Text(quoted) => {
                self.advance()?;
                ValueKind::Text(self.nodes.add_literal(quoted))
            }
            Token::Integer(number) => {
                self.advance()?;
                ValueKind::Number(self.nodes.add_number(Number::Literal(number)))
            }
            Token::Close | Token::Comma | Token::End => return Err((at, Why::NoValue)),
        };
        Ok(Value { kind, at })
    }

    /// A word as a value: a name, a literal, or a function with its arguments.
    fn word(&mut self, word: &'t str) -> Found<ValueKind> {
        let at = self.at;
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if self.operator().is_some() || is("and") || is("or") {
            return Err((at, Why::NoValue));
        }
        self.advance()?;
        if self.takes(Token::Open)? {
            let function = Function::named(word).ok_or_else(|| (at, Why::Function(excerpt(word))))?;
            let arguments = self.nested(|parser| parser.values(Closing::Argument))?;
            return self.build(function, at, &arguments);
        }
        Ok(if is("userId") {
            self.uses.user = true;
            ValueKind::Text(self.nodes.add_text(Text::User))
        } else if is("connectionId") {
            self.uses.connection = true;
            ValueKind::Text(self.nodes.add_text(Text::Connection))
        } else if is("groups") {
            self.uses.groups = true;
            ValueKind::Groups
        } else if is("null") {
            ValueKind::Null
        } else if is("true") || is("false") {
            ValueKind::Truth(self.nodes.add_truth(Truth::Constant(is("true"))))
        } else {
            return Err((at, Why::Name(excerpt(word))));
        })
    }

    /// Values with commas between them, and the `)` behind them.
    fn values(&mut self, closing: Closing) -> Found<Vec<Value>> {
        let mut values = Vec::new();
        if self.takes(Token::Close)? {
            return Ok(values);
        }
        loop {
            values.push(self.expression()?);
            if self.takes(Token::Close)? {
                return Ok(values);
            }
            if !self.takes(Token::Comma)? {
                return Err((self.at, Why::NotAfter(closing)));
            }
        }
    }

    fn truth(&mut self, truth: Truth, at: usize) -> Value {
        Value { kind: ValueKind::Truth(self.nodes.add_truth(truth)), at }
    }

    /// The value as a text: one of that type, or null.
    pub(super) fn as_text(&mut self, value: &Value) -> Option<TextId> {
        match value.kind {
            ValueKind::Text(id) => Some(id),
            ValueKind::Null => Some(self.nodes.add_text(Text::Null)),
            _ => None,
        }
    }

    /// The value as an integer: one of that type, or null.
    pub(super) fn as_number(&mut self, value: &Value) -> Option<NumberId> {
        match value.kind {
            ValueKind::Number(id) => Some(id),
            ValueKind::Null => Some(self.nodes.add_number(Number::Null)),
            _ => None,
        }
    }
}

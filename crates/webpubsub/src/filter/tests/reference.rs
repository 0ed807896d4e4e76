//! What filters mean, by definition: a tree with texts of its own, values with a type each, texts as UTF-16. Shares
//! nothing with what it is compared with.

use super::Who;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    User,
    Connection,
    Null,
    Text(String),
    Integer(i64),
    Truth(bool),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Compare(&'static str, Box<Tree>, Box<Tree>),
    In(Box<Tree>, Vec<Tree>),
    InGroups(Box<Tree>),
    CountGroups,
    Call(&'static str, Vec<Tree>),
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Truth(bool),
    Integer(i64),
    Text(String),
}

use Value::{Integer, Null, Text, Truth};

pub(super) fn is_meant(tree: &Tree, who: &Who) -> bool {
    evaluate(tree, who) == Truth(true)
}

fn evaluate(tree: &Tree, who: &Who) -> Value {
    let of = |tree: &Tree| evaluate(tree, who);
    match tree {
        Tree::User => who.user.clone().map_or(Null, Text),
        Tree::Connection => Text(who.connection.clone()),
        Tree::Null => Null,
        Tree::Text(text) => Text(text.clone()),
        Tree::Integer(number) => Integer(*number),
        Tree::Truth(truth) => Truth(*truth),
        Tree::Not(operand) => Truth(of(operand) == Truth(false)),
        Tree::And(left, right) => Truth(of(left) == Truth(true) && of(right) == Truth(true)),
        Tree::Or(left, right) => Truth(of(left) == Truth(true) || of(right) == Truth(true)),
        Tree::Compare(operator, left, right) => Truth(compare(operator, &of(left), &of(right))),
        Tree::In(left, items) => Truth(items.iter().any(|item| of(item) == of(left))),
        Tree::InGroups(name) => Truth(who.groups.iter().any(|group| of(name) == Text(group.clone()))),
        Tree::CountGroups => Integer(i64::try_from(who.groups.len()).expect("few")),
        Tree::Call(function, arguments) => call(function, &arguments.iter().map(of).collect::<Vec<_>>()),
    }
}

fn compare(operator: &str, left: &Value, right: &Value) -> bool {
    let (is_less, is_greater) = match (left, right) {
        (Integer(left), Integer(right)) => (left < right, left > right),
        (Text(left), Text(right)) => {
            let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
            (left < right, left > right)
        }
        _ => (false, false),
    };
    let has_null = *left == Null || *right == Null;
    match operator {
        "eq" => left == right,
        "ne" => left != right,
        "lt" => is_less,
        "gt" => is_greater,
        "le" => !has_null && !is_greater,
        "ge" => !has_null && !is_less,
        other => panic!("{other}"),
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn call(function: &str, arguments: &[Value]) -> Value {
    match (function, arguments) {
        ("startswith", [Text(text), Text(part)]) => Truth(units(text).starts_with(&units(part))),
        ("endswith", [Text(text), Text(part)]) => Truth(units(text).ends_with(&units(part))),
        ("contains", [Text(text), Text(part)]) => Truth(index_of(text, part) >= 0),
        ("startswith" | "endswith" | "contains", _) => Truth(false),
        ("indexof", [Text(text), Text(part)]) => Integer(index_of(text, part)),
        ("indexof", _) => Integer(-1),
        ("concat", [Null, other] | [other, Null]) => other.clone(),
        ("concat", [Text(left), Text(right)]) => Text(format!("{left}{right}")),
        (_, [Null, ..]) => Null,
        ("length", [Text(text)]) => Integer(i64::try_from(units(text).len()).expect("short")),
        ("tolower", [Text(text)]) => {
            Text(text.chars().map(|char| case(char, &char.to_lowercase().to_string())).collect())
        }
        ("toupper", [Text(text)]) => {
            Text(text.chars().map(|char| case(char, &char.to_uppercase().to_string())).collect())
        }
        ("trim", [Text(text)]) => Text(trim(text)),
        ("substring", [Text(_), Null, ..] | [Text(_), _, Null]) => Null,
        ("substring", [Text(text), Integer(start)]) => {
            let length = i64::try_from(units(text).len()).expect("short");
            part(text, *start, length.saturating_sub(*start))
        }
        ("substring", [Text(text), Integer(start), Integer(length)]) => part(text, *start, *length),
        other => panic!("{other:?}"),
    }
}

fn index_of(text: &str, part: &str) -> i64 {
    let (text, part) = (units(text), units(part));
    let found = (0..=text.len()).find(|at| text[*at..].starts_with(&part));
    found.map_or(-1, |at| i64::try_from(at).expect("short"))
}

fn part(text: &str, start: i64, length: i64) -> Value {
    let units = units(text);
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else { return Null };
    // Half a character is none, and nor is a place in the middle of one.
    let whole = |units: &[u16]| String::from_utf16(units).ok();
    let part = start.checked_add(length).and_then(|end| units.get(start..end));
    match (units.get(..start).and_then(whole), part.and_then(whole)) {
        (Some(_), Some(part)) => Text(part),
        _ => Null,
    }
}

fn case(char: char, changed: &str) -> char {
    let mut changed = changed.chars();
    let one = changed.next().expect("a character");
    if changed.next().is_some() || char.is_ascii() != one.is_ascii() { char } else { one }
}

fn trim(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let first = chars.iter().position(|char| !char.is_whitespace());
    let last = chars.iter().rposition(|char| !char.is_whitespace());
    first.zip(last).map(|(first, last)| chars[first..=last].iter().collect()).unwrap_or_default()
}

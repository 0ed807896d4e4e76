//! Filters and connections by chance.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;

use super::Who;
use super::reference::Tree;

/// Texts of few kinds, so that they meet: with letters that grow, quotes, spaces, characters of one to four bytes.
const TEXTS: [&str; 20] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "b",
    "it's",
    "''",
    " a ",
    "a\t",
    "ü",
    "Ü",
    "ß",
    "\u{1f600}",
    "a\u{1f600}b",
    "\u{212a}",
    "k",
    "z\u{2003}",
    "c1",
    "null",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        1 => "[ab' ]{0,4}",
    ]
}

/// A connection.
pub(super) fn who() -> impl Strategy<Value = Who> {
    let groups = proptest::collection::btree_set(name(), 0..4);
    (prop::option::weighted(0.8, name()), name(), groups).prop_map(|(user, connection, groups)| Who {
        user,
        connection,
        groups: groups.into_iter().collect(),
    })
}

fn boxed(tree: Tree) -> Box<Tree> {
    Box::new(tree)
}

fn text(depth: u32) -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        4 => Just(Tree::User),
        2 => Just(Tree::Connection),
        4 => name().prop_map(Tree::Text),
        1 => Just(Tree::Null),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let one = prop::sample::select(&["tolower", "toupper", "trim"][..]);
    let call = |name, arguments| Tree::Call(name, arguments);
    prop_oneof![
        3 => leaf,
        3 => (one, text(depth - 1)).prop_map(move |(name, one)| call(name, vec![one])),
        1 => (text(depth - 1), text(depth - 1)).prop_map(move |(left, right)| call("concat", vec![left, right])),
        1 => (text(depth - 1), number(depth - 1)).prop_map(move |(text, start)| call("substring", vec![text, start])),
        1 => (text(depth - 1), number(depth - 1), number(depth - 1))
            .prop_map(move |(text, start, length)| call("substring", vec![text, start, length])),
    ]
    .boxed()
}

fn number(depth: u32) -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        6 => (-2..7_i64).prop_map(Tree::Integer),
        1 => prop::sample::select(&[i64::MIN, i64::MAX][..]).prop_map(Tree::Integer),
        2 => Just(Tree::CountGroups),
        1 => Just(Tree::Null),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        3 => leaf,
        2 => text(depth - 1).prop_map(|text| Tree::Call("length", vec![text])),
        2 => (text(depth - 1), text(depth - 1)).prop_map(|(text, part)| Tree::Call("indexof", vec![text, part])),
    ]
    .boxed()
}

fn truth(depth: u32) -> BoxedStrategy<Tree> {
    let operator = || prop::sample::select(&["eq", "ne", "lt", "le", "gt", "ge"][..]);
    let search = prop::sample::select(&["startswith", "endswith", "contains"][..]);
    let inner = depth.saturating_sub(1).min(2);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Tree::Truth),
        6 => (operator(), text(inner), text(inner))
            .prop_map(|(operator, left, right)| Tree::Compare(operator, boxed(left), boxed(right))),
        4 => (operator(), number(inner), number(inner))
            .prop_map(|(operator, left, right)| Tree::Compare(operator, boxed(left), boxed(right))),
        3 => (search, text(inner), text(inner)).prop_map(|(name, text, part)| Tree::Call(name, vec![text, part])),
        3 => text(inner).prop_map(|name| Tree::InGroups(boxed(name))),
        3 => (text(inner), proptest::collection::vec(name().prop_map(Tree::Text), 1..6))
            .prop_map(|(left, items)| Tree::In(boxed(left), items)),
        1 => (text(inner), proptest::collection::vec(text(inner), 1..4))
            .prop_map(|(left, items)| Tree::In(boxed(left), items)),
        1 => (number(inner), proptest::collection::vec(number(inner), 1..4))
            .prop_map(|(left, items)| Tree::In(boxed(left), items)),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let same = prop::sample::select(&["eq", "ne"][..]);
    prop_oneof![
        4 => leaf,
        2 => truth(depth - 1).prop_map(|operand| Tree::Not(boxed(operand))),
        3 => (truth(depth - 1), truth(depth - 1)).prop_map(|(left, right)| Tree::And(boxed(left), boxed(right))),
        3 => (truth(depth - 1), truth(depth - 1)).prop_map(|(left, right)| Tree::Or(boxed(left), boxed(right))),
        1 => (same, truth(depth - 1), truth(depth - 1))
            .prop_map(|(operator, left, right)| Tree::Compare(operator, boxed(left), boxed(right))),
    ]
    .boxed()
}

/// A filter with no more clauses and calls of `concat` than one may have.
pub(super) fn tree() -> impl Strategy<Value = Tree> {
    let is_small = |tree: &Tree| {
        let text = super::print::plainly(tree);
        text.matches("concat(").count() <= 32
    };
    truth(4).prop_filter("few calls of concat", is_small)
}

/// A filter as somebody writes it.
pub(super) fn written() -> impl Strategy<Value = String> {
    (tree(), any::<u64>()).prop_map(|(tree, chance)| super::print::freely(&tree, chance))
}

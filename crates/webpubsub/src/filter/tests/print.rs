//! From trees, and from filters, to texts.

use super::super::Filter;
use super::super::nodes::{Comparison, Nodes, Number, NumberId, Search, Text, TextId, Truth, TruthId};
use super::reference::Tree;

/// How a text is written.
struct Writer {
    chance: Option<u64>,
    out: String,
}

/// With as few parentheses and spaces as can be.
pub(super) fn plainly(tree: &Tree) -> String {
    let mut writer = Writer { chance: None, out: String::new() };
    writer.tree(tree, 0);
    writer.out
}

/// With letter case, spaces and needless parentheses by chance.
pub(super) fn freely(tree: &Tree, chance: u64) -> String {
    let mut writer = Writer { chance: Some(chance), out: String::new() };
    writer.tree(tree, 0);
    writer.out
}

/// How tight an expression is: what is looser than its place needs parentheses there.
fn tightness(tree: &Tree) -> u32 {
    match tree {
        Tree::Or(..) => 0,
        Tree::And(..) => 1,
        Tree::Compare(..) | Tree::In(..) | Tree::InGroups(_) => 2,
        Tree::Not(_) => 3,
        _ => 4,
    }
}

impl Writer {
    /// One of so many, by chance; without, the first.
    fn one_of(&mut self, many: u64) -> u64 {
        let Some(chance) = &mut self.chance else { return 0 };
        *chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*chance >> 33) % many
    }

    fn space(&mut self) {
        let space = ["", "", "", " ", "\t", " \n"][usize::try_from(self.one_of(6)).expect("few")];
        self.out.push_str(space);
    }

    fn word(&mut self, word: &str) {
        for char in word.chars() {
            let char = if self.one_of(8) == 1 { char.to_ascii_uppercase() } else { char };
            self.out.push(char);
        }
    }

    fn operator(&mut self, word: &str) {
        self.out.push(' ');
        self.space();
        self.word(word);
        self.space();
        self.out.push(' ');
    }

    fn list(&mut self, items: &[Tree]) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.space();
            self.tree(item, 0);
            self.space();
        }
    }

    /// Parts that are joined from the left.
    fn joined(&mut self, word: &str, left: &Tree, right: &Tree, place: u32) {
        self.tree(left, place);
        self.operator(word);
        self.tree(right, place + 1);
    }

    fn tree(&mut self, tree: &Tree, place: u32) {
        let is_in_parentheses = tightness(tree) < place || self.one_of(12) == 1;
        if is_in_parentheses {
            self.out.push('(');
            self.space();
        }
        self.bare(tree);
        if is_in_parentheses {
            self.space();
            self.out.push(')');
        }
    }

    fn bare(&mut self, tree: &Tree) {
        match tree {
            Tree::User => self.word("userId"),
            Tree::Connection => self.word("connectionId"),
            Tree::Null => self.word("null"),
            Tree::Text(text) => self.out.push_str(&format!("'{}'", text.replace('\'', "''"))),
            Tree::Integer(number) => {
                let plus = if *number >= 0 && self.one_of(4) == 1 { "+" } else { "" };
                self.out.push_str(&format!("{plus}{number}"));
            }
            Tree::Truth(truth) => self.word(&truth.to_string()),
            Tree::Not(operand) => {
                self.word("not");
                self.out.push(' ');
                self.tree(operand, 3);
            }
            Tree::Or(left, right) => self.joined("or", left, right, 0),
            Tree::And(left, right) => self.joined("and", left, right, 1),
            Tree::Compare(operator, left, right) => {
                self.tree(left, 3);
                self.operator(operator);
                self.tree(right, 3);
            }
            Tree::In(left, items) => {
                self.tree(left, 3);
                self.operator("in");
                self.out.push('(');
                self.list(items);
                self.out.push(')');
            }
            Tree::InGroups(name) => {
                self.tree(name, 3);
                self.operator("in");
                let groups = if self.one_of(4) == 1 { "(groups)" } else { "groups" };
                self.word(groups);
            }
            Tree::CountGroups => self.word("length(groups)"),
            Tree::Call(function, arguments) => {
                self.word(function);
                self.space();
                self.out.push('(');
                self.list(arguments);
                self.out.push(')');
            }
        }
    }
}

/// A filter as it was understood, with parentheses around everything.
pub(super) fn understood(filter: &Filter) -> String {
    truth(&filter.nodes, filter.root)
}

fn truth(nodes: &Nodes, id: TruthId) -> String {
    let own = |id| truth(nodes, id);
    let texts = |list: &[TextId]| list.iter().map(|id| text(nodes, *id)).collect::<Vec<_>>().join(",");
    match nodes.truth(id) {
        Truth::Constant(truth) => truth.to_string(),
        Truth::Not(operand) => format!("not {}", own(operand)),
        Truth::All(list) | Truth::Any(list) => format!("({})", joined(nodes, id, nodes.truths(list))),
        Truth::Texts(left, by, right) => {
            format!("({} {} {})", text(nodes, left), sign(by), text(nodes, right))
        }
        Truth::Numbers(left, by, right) => {
            format!("({} {} {})", number(nodes, left), sign(by), number(nodes, right))
        }
        Truth::Same(left, right) => format!("({} eq {})", own(left), own(right)),
        Truth::Differ(left, right) => format!("({} ne {})", own(left), own(right)),
        Truth::AmongTexts(left, list) | Truth::AmongLiterals(left, list) => {
            format!("({} in ({}))", text(nodes, left), texts(nodes.texts(list)))
        }
        Truth::AmongNumbers(left, list) => {
            let list: Vec<_> = nodes.numbers(list).iter().map(|id| number(nodes, *id)).collect();
            format!("({} in ({}))", number(nodes, left), list.join(","))
        }
        Truth::InGroup(name) => format!("({} in groups)", text(nodes, name)),
        Truth::Search(search, left, right) => {
            let name = match search {
                Search::Start => "startswith",
                Search::End => "endswith",
                Search::Anywhere => "contains",
            };
            format!("{name}({},{})", text(nodes, left), text(nodes, right))
        }
    }
}

/// The parts of what joins some. Parentheses around a first part that is joined in the same way mean nothing.
fn joined(nodes: &Nodes, id: TruthId, list: &[TruthId]) -> String {
    let is_all = matches!(nodes.truth(id), Truth::All(_));
    let mut parts: Vec<_> = list.iter().map(|part| truth(nodes, *part)).collect();
    let is_same = match nodes.truth(list[0]) {
        Truth::All(_) => is_all,
        Truth::Any(_) => !is_all,
        _ => false,
    };
    if is_same {
        parts[0] = parts[0][1..parts[0].len() - 1].to_owned();
    }
    parts.join(if is_all { " and " } else { " or " })
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "eq",
        Comparison::Unequal => "ne",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "ge",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "le",
    }
}

fn text(nodes: &Nodes, id: TextId) -> String {
    let own = |id| text(nodes, id);
    match nodes.text(id) {
        Text::Null => "null".into(),
        Text::Literal(span) => format!("'{}'", nodes.literal(span).replace('\'', "''")),
        Text::User => "userId".into(),
        Text::Connection => "connectionId".into(),
        Text::Lower(one) => format!("tolower({})", own(one)),
        Text::Upper(one) => format!("toupper({})", own(one)),
        Text::Trim(one) => format!("trim({})", own(one)),
        Text::Concat(left, right) => format!("concat({},{})", own(left), own(right)),
        Text::Substring(one, start, None) => format!("substring({},{})", own(one), number(nodes, start)),
        Text::Substring(one, start, Some(length)) => {
            format!("substring({},{},{})", own(one), number(nodes, start), number(nodes, length))
        }
    }
}

fn number(nodes: &Nodes, id: NumberId) -> String {
    match nodes.number(id) {
        Number::Null => "null".into(),
        Number::Literal(number) => number.to_string(),
        Number::Length(one) => format!("length({})", text(nodes, one)),
        Number::IndexOf(one, part) => format!("indexof({},{})", text(nodes, one), text(nodes, part)),
        Number::Groups => "length(groups)".into(),
    }
}

//! What is too much, and that nothing takes longer than it may.

use proptest::prelude::*;

use super::super::planted::STEPS;
use super::super::{CLAUSES_MAX, CONCATS_MAX, DEPTH_MAX, FILTER_BYTES_MAX, Filter};
use super::{parse, who};

fn refused(text: &str) -> String {
    Filter::parse(text).err().map(|error| error.to_string()).unwrap_or_default()
}

fn count(times: u32) -> usize {
    usize::try_from(times).expect("few")
}

#[test]
fn a_filter_has_as_many_bytes_as_it_may_and_no_more() {
    let longest = format!("userId eq '{}'", "a".repeat(FILTER_BYTES_MAX - 12));
    assert_eq!(longest.len(), FILTER_BYTES_MAX);
    assert!(parse(&longest).matches(&who(Some(&"a".repeat(FILTER_BYTES_MAX - 12)), "c", &[])));
    assert_eq!(refused(&format!("{longest} ")), "a filter has at most 8192 bytes");
    // The error is made at a byte that may be within a character.
    assert_eq!(refused(&"ü".repeat(FILTER_BYTES_MAX)), "a filter has at most 8192 bytes");
}

#[test]
fn a_filter_has_as_many_clauses_as_it_may_and_no_more() {
    for clause in ["true eq true", "contains('a','a')", "'a' in ('a','b')", "'a' in groups"] {
        let joined = |times: u32, by: &str| vec![clause; count(times)].join(by);
        assert!(parse(&joined(CLAUSES_MAX, " or ")).matches(&who(None, "c", &["a"])), "{clause}");
        for by in [" or ", " and "] {
            assert!(refused(&joined(CLAUSES_MAX + 1, by)).starts_with("a filter has at most 100 clauses"));
        }
    }
}

#[test]
fn a_filter_is_as_deep_as_it_may_be_and_no_deeper() {
    for (open, inner, close) in [
        ("(", "true", ")"),
        ("not ", "true", ""),
        ("tolower(", "'a'", ")"),
        ("length(concat('a',trim(substring(", "'a'", ",0)))) eq 1"),
        ("contains('a','a') eq (", "true", ")"),
        ("'a' in (", "'a'", ")"),
    ] {
        let each = u32::try_from(open.matches(['(', 'n']).count().max(1)).expect("few");
        let deep = |times: u32| {
            let text = format!("{}{inner}{}", open.repeat(count(times)), close.repeat(count(times)));
            Filter::parse(&text).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let deepest = deep(DEPTH_MAX / each);
        assert!(!deepest.contains("deep"), "{open}: {deepest}");
        let too_deep = deep(DEPTH_MAX + 1);
        assert!(
            too_deep.starts_with("parentheses, functions and not stand at most 32 deep"),
            "{open}: {too_deep}"
        );
    }
}

#[test]
fn concat_is_there_as_often_as_it_may_be_and_no_more() {
    let many = |times: u32| vec!["concat(userId,'b') eq 'ab'"; count(times)].join(" and ");
    assert!(parse(&many(CONCATS_MAX)).matches(&who(Some("a"), "c", &[])));
    assert_eq!(refused(&many(CONCATS_MAX + 1)), "a filter has concat at most 32 times");
}

#[test]
fn the_longest_list_is_searched_in_few_steps() {
    let names: Vec<_> = (0..800).map(|number| format!("'user{number}'")).collect();
    let filter = parse(&format!("userId in ({})", names.join(",")));
    STEPS.set(0);
    assert!(filter.matches(&who(Some("user799"), "c", &[])));
    assert!(!filter.matches(&who(Some("user800"), "c", &[])));
    assert!(STEPS.get() <= 4, "{}", STEPS.get());
}

#[test]
fn asking_about_a_connection_allocates_nothing_where_no_text_is_made() {
    let kim = who(Some("kim"), "c1", &["red"]);
    let allocations = |text: &str| {
        let filter = parse(text);
        allocation_counter::measure(|| assert!(filter.matches(&kim), "{text}")).count_total
    };
    let plain = "userId in ('a','kim') and not ('blue' in groups) and substring(trim(userId),1) eq 'im' \
        and tolower(userId) eq 'kim' and indexof(connectionId,'1') eq length(groups) and concat(userId,'') eq 'kim'";
    assert_eq!(allocations(plain), 0);
    assert_eq!(allocations("toupper(userId) eq 'KIM'"), 1);
}

const WORDS: [&str; 40] = [
    "userId",
    "connectionId",
    "groups",
    "'a'",
    "''",
    "'",
    "5",
    "-1",
    "+",
    "null",
    "true",
    "false",
    "(",
    ")",
    ",",
    "eq",
    "ne",
    "gt",
    "ge",
    "lt",
    "le",
    "in",
    "and",
    "or",
    "not",
    "tolower(",
    "toupper(",
    "trim(",
    "concat(",
    "substring(",
    "startswith(",
    "endswith(",
    "contains(",
    "indexof(",
    "length(",
    "not (",
    "x",
    "=",
    "\u{fc}",
    "\"",
];

/// Reads a text, which may be anything, and if it is a filter asks it about somebody. Counts steps.
fn look(text: &str) {
    STEPS.set(0);
    match Filter::parse(text) {
        Ok(filter) => {
            let read = STEPS.replace(0);
            assert!(read <= 2 * text.len() + 2, "{read} steps to read {text}");
            let _ = filter.matches(&who(Some("a\u{1f600}b"), "c", &["a", ""]));
            let looked = STEPS.get();
            assert!(looked <= count(filter.size()), "{looked} steps to look through {text}");
            assert!(filter.size() <= u32::try_from(text.len()).expect("short") + 1, "{text}");
        }
        Err(error) => {
            let read = STEPS.get();
            assert!(read <= 2 * text.len() + 2, "{read} steps to refuse {text}");
            assert!(error.position() <= text.chars().count() + 1, "{text}: {error}");
            assert!(error.to_string().len() < 250, "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_text_is_read_or_refused_in_few_steps(text in "\\PC{0,60}") {
        look(&text);
    }

    #[test]
    fn any_words_are_read_or_refused_in_few_steps(
        words in proptest::collection::vec(prop::sample::select(&WORDS[..]), 0..40),
        between in prop::sample::select(&[" ", "", "\t"][..]),
        times in 1..80_usize,
    ) {
        look(&words.join(between));
        look(&words.join(between).repeat(times));
    }

    #[test]
    fn any_damaged_filter_is_read_or_refused_in_few_steps(
        filter in super::generate::written(),
        at in any::<prop::sample::Index>(),
        cut in 0..4_usize,
        put in prop::option::of(prop::sample::select(&WORDS[..])),
    ) {
        let mut chars: Vec<_> = filter.chars().collect();
        let at = at.index(chars.len() + 1);
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, put.unwrap_or_default().chars());
        look(&chars.into_iter().collect::<String>());
    }
}

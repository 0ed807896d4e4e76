//! What filters mean, example by example.

use super::{parse, who};

#[test]
fn a_filter_means_those_for_whom_it_is_true() {
    let kim = who(Some("kim"), "c1", &["red", "blue"]);
    for (text, is_meant) in [
        ("true", true),
        ("false", false),
        ("userId eq 'kim'", true),
        ("userId eq 'Kim'", false),
        ("userId ne 'kim'", false),
        ("'kim' eq userId", true),
        ("userId eq 'ki' or userId eq 'kim'", true),
        ("connectionId eq 'c1'", true),
        ("userId eq 'kim' and connectionId ne 'c1'", false),
        ("userId in ('pat', 'kim')", true),
        ("userId in ('pat')", false),
        ("userId in (connectionId, 'kim')", true),
        ("length(userId) in (1, +3)", true),
        ("'red' in groups", true),
        ("'red' in (groups)", true),
        ("('red') in ((groups))", true),
        ("'Red' in groups", false),
        ("'green' in groups", false),
        ("userId in groups", false),
        ("not ('red' in groups)", false),
        ("not not ('red' in groups)", true),
        ("'green' in groups or 'blue' in groups", true),
        ("length(groups) gt 1", true),
        ("length((groups)) eq 2", true),
        ("userId eq 'kim' and (not ('green' in groups))", true),
        ("userId lt 'kin' and userId gt 'kil' and userId ge 'kim' and userId le 'kim'", true),
        ("startswith(userId, 'ki') eq true", true),
        ("startswith(userId, 'ki') ne endswith(userId, 'ki')", true),
        ("userid eq 'kim' AND CONNECTIONID Eq 'c1' and 'red' IN Groups and Not False", true),
        ("STARTSWITH(userId,'k')and(length(userId)eq 3)", true),
        ("\t userId\r\n eq 'kim' ", true),
    ] {
        assert_eq!(parse(text).matches(&kim), is_meant, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let kim = who(Some("kim"), "c1", &[]);
    for (text, is_meant) in [
        ("true or false and false", true),
        ("(true or false) and false", false),
        ("false and false or true", true),
        ("not true or true", true),
        ("not (true or true)", false),
        ("not false and false", false),
        ("not startswith(userId,'x') eq true", true),
        ("not startswith(userId,'x') and true", true),
    ] {
        assert_eq!(parse(text).matches(&kim), is_meant, "{text}");
    }
}

#[test]
fn null_is_equal_to_itself_only_and_neither_less_nor_greater() {
    let nobody = who(None, "c1", &["", "null"]);
    for (text, is_meant) in [
        ("userId eq null", true),
        ("userId ne null", false),
        ("userId ne 'kim'", true),
        ("userId eq ''", false),
        ("userId eq 'null'", false),
        ("null eq null", true),
        ("null lt null or null le null or null ge null", false),
        ("userId lt 'x' or userId ge '' or userId le null", false),
        ("length(userId) lt 5 or length(userId) ge 5", false),
        ("length(userId) eq null", true),
        ("null gt 5", false),
        ("null in (null)", true),
        ("userId in ('a', null)", true),
        ("userId in ('a')", false),
        ("length(userId) in (1, null)", true),
        ("userId in groups", false),
        ("null in groups", false),
        ("startswith(userId, '') or endswith(userId, '') or contains(userId, '')", false),
        ("startswith('a', null)", false),
        ("not startswith(userId, 'a')", true),
        ("indexof(userId, 'a') eq -1", true),
        ("tolower(userId) eq null and trim(userId) eq null and toupper(null) eq null", true),
        ("substring(userId, 0) eq null and substring('a', null) eq null", true),
        ("concat(userId, 'a') eq 'a' and concat('a', null) eq 'a'", true),
        ("concat(userId, null) eq null", true),
    ] {
        assert_eq!(parse(text).matches(&nobody), is_meant, "{text}");
    }
}

#[test]
fn functions_do_as_they_are_called() {
    let user = who(Some("User-ab-de"), "c1", &[]);
    for text in [
        "tolower(userId) eq 'user-ab-de'",
        "toupper(userId) eq 'USER-AB-DE'",
        "trim(concat('\u{2003} ', concat(userId, '\t'))) eq userId",
        "substring(userId, 5, 2) eq 'ab'",
        "substring(userId, 5) eq 'ab-de'",
        "substring(userId, 10) eq ''",
        "substring(userId, 0, 0) eq ''",
        "substring(userId, 11) eq null",
        "substring(userId, -1) eq null",
        "substring(userId, 9, 2) eq null",
        "substring(userId, 0, -1) eq null",
        "substring(userId, indexof(userId, 'ab'), length('ab')) eq 'ab'",
        "substring(concat(userId, 'x'), 8) eq 'dex'",
        "endswith(userId, 'de') and startswith(userId, 'User') and contains(userId, '-ab-')",
        "contains(userId, '') and startswith(userId, '') and indexof(userId, '') eq 0",
        "indexof(userId, '-ab-') eq 4 and indexof(userId, 'x') lt 0",
        "length(userId) eq 10 and length('') eq 0",
        "'a''b' eq concat('a', concat('''', 'b')) and length('''') eq 1",
    ] {
        assert!(parse(text).matches(&user), "{text}");
    }
}

#[test]
fn places_are_counted_in_utf_16_and_none_is_within_a_character() {
    let user = who(Some("a\u{1f600}ü-z"), "c1", &[]);
    for text in [
        "length(userId) eq 6",
        "indexof(userId, '-') eq 4",
        "substring(userId, 1, 2) eq '\u{1f600}'",
        "substring(userId, 2) eq null and substring(userId, 1, 1) eq null",
        "substring(userId, 3) eq 'ü-z'",
    ] {
        assert!(parse(text).matches(&user), "{text}");
    }
}

#[test]
fn letter_case_changes_characters_one_by_one() {
    let user = who(Some("Straße \u{212a}\u{131}\u{130}\u{17f} ÄΣ"), "c1", &[]);
    for text in [
        "toupper(userId) eq 'STRAßE \u{212a}\u{131}\u{130}\u{17f} ÄΣ'",
        "tolower(userId) eq 'straße \u{212a}\u{131}\u{130}\u{17f} äσ'",
        "length(toupper(userId)) eq length(userId)",
    ] {
        assert!(parse(text).matches(&user), "{text}");
    }
}

#[test]
fn a_filter_says_what_it_asks_for() {
    let uses = |text: &str| {
        let filter = parse(text);
        (filter.uses_user(), filter.uses_connection(), filter.uses_groups())
    };
    assert_eq!(uses("true"), (false, false, false));
    assert_eq!(uses("userId eq 'groups'"), (true, false, false));
    assert_eq!(uses("startswith(connectionId, 'a')"), (false, true, false));
    assert_eq!(uses("'a' in groups"), (false, false, true));
    assert_eq!(uses("length(groups) lt length(userId)"), (true, false, true));
}

//! Texts that are no filters, and what is said of them.

use super::super::Filter;

fn error(text: &str) -> String {
    match Filter::parse(text) {
        Ok(_) => panic!("{text} is a filter"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_error_says_where_and_what_to_change() {
    for (text, expected) in [
        ("", "at character 1: here a name, a text in quotes, an integer or a function is missing"),
        ("userId eq", "at character 10: here a name, a text in quotes, an integer or a function is missing"),
        ("userId eq and", "at character 11: here a name"),
        ("eq 'a'", "at character 1: here a name"),
        ("userId", "at character 1: a filter is true or false, and this is a text: compare it"),
        ("(length(userId))", "at character 1: a filter is true or false, and this is an integer"),
        ("null", "at character 1: a filter is true or false, and this is null"),
        ("groups", "at character 1: groups stands in 'name' in groups and in length(groups) only"),
        ("'ü' eq groups", "at character 8: groups stands"),
        ("groups in ('a')", "at character 1: groups stands"),
        ("'a' in (groups, 'b')", "at character 9: groups stands"),
        ("userId = 'a'", "at character 8: write eq for equal"),
        ("userId ne 'ü' && true", "at character 15: write and"),
        ("userId eq \"a\"", "at character 11: texts stand in single quotes: 'a'"),
        ("userId eq ‘a’", "at character 11: texts stand in single quotes"),
        ("!true", "at character 1: write not, or ne"),
        ("userId eq 'a", "at character 11: this text has no ' at its end"),
        ("userId eq 'a''", "at character 11: this text has no ' at its end"),
        ("userId eq kim", "at character 11: there is no kim, only userId, connectionId and groups"),
        ("userId eq 'a' 'b'", "at character 15: the filter has ended before this: join comparisons"),
        ("(userId eq 'a'", "at character 15: here a ) is missing"),
        ("userId eq 'a')", "at character 14: the filter has ended"),
        ("length(userId) eq 5x", "at character 19: an integer has a sign and digits only"),
        ("length(userId) eq 9223372036854775808", "at character 19: an integer"),
        ("length(userId) eq 1.5", "at character 20: numbers are integers"),
        ("length(userId) eq - 1", "at character 19: behind a sign stands a digit"),
        ("userId eq 5", "at character 1: a text is compared with an integer"),
        ("length(userId) eq '5'", "at character 1: an integer is compared with a text"),
        ("true eq null", "at character 1: true or false is compared with null"),
        ("true gt false", "at character 14: what is true or false is compared by eq and ne only"),
        ("userId eq 'a' eq true", "at character 15: two comparisons in a row"),
        (
            "not length(userId) gt 5",
            "at character 5: not belongs to what is right behind it, which is an integer: write",
        ),
        (
            "not userId eq 'a'",
            "at character 5: not belongs to what is right behind it, which is a text: write not (...)",
        ),
        ("not 'a' in groups", "at character 5: not belongs"),
        (
            "userId and true",
            "at character 1: and, or stand between what is true or false, and this is a text",
        ),
        ("true or 'a'", "at character 9: and, or stand between"),
        ("userId in 'a'", "at character 11: behind in stands groups or a list"),
        ("userId in ()", "at character 11: behind in stands groups or a list"),
        ("userId in ('a' 'b')", "at character 16: behind a value of a list stands a comma or a )"),
        ("userId in ('a',)", "at character 16: here a name"),
        ("userId in ('a', 5)", "at character 17: a text is compared with an integer"),
        ("5 in ('a')", "at character 7: an integer is compared with a text"),
        ("true in (true)", "at character 1: in looks among texts or integers"),
        ("5 in groups", "at character 1: groups have names, and this is an integer"),
        ("lower(userId) eq 'a'", "at character 1: there is no function lower; there are tolower"),
        ("userId() eq 'a'", "at character 1: there is no function userId"),
        ("tolower() eq 'a'", "at character 1: write tolower(text)"),
        ("concat('a') eq 'a'", "at character 1: write concat(text, text)"),
        ("substring('a', 1, 2, 3) eq 'a'", "at character 1: write substring(text, start) or"),
        ("substring('a', 'b') eq 'a'", "at character 16: this is a text: write substring(text, start)"),
        ("startswith(userId, 5)", "at character 20: this is an integer: write startswith(text, beginning)"),
        ("tolower(groups) eq 'a'", "at character 9: this is the list of groups: write tolower(text)"),
        ("length(true) eq 1", "at character 8: this is true or false: write length(text) or length(groups)"),
        (
            "tolower('a' 'b') eq 'a'",
            "at character 13: behind an argument of a function stands a comma or a )",
        ),
        ("tolower('a', 'b') eq 'a'", "at character 1: write tolower(text)"),
        ("userId eq 'a' or\u{a0}true", "at character 17: the character \\u{a0} has no meaning here"),
        ("userId eq 'a'\0", "at character 14: the character \\0 has no meaning here"),
        ("protocol eq 'a'", "at character 1: there is no protocol"),
    ] {
        let error = error(text);
        assert!(error.starts_with(expected), "{text:?}\n  is    {error}\n  not   {expected}");
    }
}

#[test]
fn an_error_shows_little_of_the_text() {
    let word = "secret".repeat(1000);
    for text in
        [word.clone(), format!("{word}(userId)"), format!("userId eq '{word}"), format!("userId eq {word}")]
    {
        let error = error(&text);
        assert!(error.len() < 200 && error.matches("secret").count() <= 4, "{error}");
    }
}

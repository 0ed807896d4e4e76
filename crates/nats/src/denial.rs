//! What a server does not let us do, as it says it.

/// The subject that it does not let us speak to: `Permissions Violation for Publish to "a.b"`. None: it is about
/// something else, such as a subscription.
pub(crate) fn denied_subject(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Publish to \"")?;
    let (quoted, _) = rest.rsplit_once('"')?;
    let mut subject = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        // Quoted as Go does it.
        subject.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_found_whole_however_long_and_whatever_is_in_it() {
        let long = "x".repeat(1024);
        for (quoted, subject) in
            [("a.b", "a.b"), (&long, &long), (r#"a\"b\\c"#, "a\"b\\c"), ("é", "é"), ("", "")]
        {
            let text = format!("Permissions Violation for Publish to \"{quoted}\"");
            assert_eq!(denied_subject(&text).as_deref(), Some(subject));
        }
        for text in
            ["", "Publish to \"", "Permissions Violation for Subscription to \"a\"", "Publish to \"a\\\""]
        {
            assert_eq!(denied_subject(text), None, "{text}");
        }
    }
}

//! The functions of filters.

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Lower,
    Upper,
    Trim,
    Concat,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    IndexOf,
    Length,
}

impl Function {
    /// All names.
    pub(super) const LIST: &str =
        "tolower, toupper, trim, concat, substring, startswith, endswith, contains, indexof, length";

    const ALL: [(&str, Self); 10] = [
        ("tolower", Self::Lower),
        ("toupper", Self::Upper),
        ("trim", Self::Trim),
        ("concat", Self::Concat),
        ("substring", Self::Substring),
        ("startswith", Self::StartsWith),
        ("endswith", Self::EndsWith),
        ("contains", Self::Contains),
        ("indexof", Self::IndexOf),
        ("length", Self::Length),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, function)| *function)
    }

    /// How it is written.
    pub(super) fn signature(self) -> &'static str {
        match self {
            Self::Lower => "tolower(text)",
            Self::Upper => "toupper(text)",
            Self::Trim => "trim(text)",
            Self::Concat => "concat(text, text)",
            Self::Substring => "substring(text, start) or substring(text, start, length)",
            Self::StartsWith => "startswith(text, beginning)",
            Self::EndsWith => "endswith(text, end)",
            Self::Contains => "contains(text, part)",
            Self::IndexOf => "indexof(text, part)",
            Self::Length => "length(text) or length(groups)",
        }
    }
}

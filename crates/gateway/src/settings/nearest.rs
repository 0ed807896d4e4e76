//! Names that are not known.

/// What to do about `name`, which is none of `known`; `lists` says where they all are.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>, lists: &str) -> String {
    let near =
        known.map(|known| (strsim::jaro_winkler(name, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, known)) if likeness > 0.85 => {
            format!("did you mean {known}? {lists} lists them all")
        }
        _ => format!("remove it; {lists} lists them all"),
    }
}

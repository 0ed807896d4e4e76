//! What a target makes of its bytes.

/// The text before the first byte of 0xFF, which is in no text, and what is behind it. Nothing where it is not UTF-8.
pub(super) fn text_and_rest(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|byte| *byte == 0xFF).unwrap_or(data.len());
    let text = std::str::from_utf8(&data[..end]).ok()?;
    Some((text, data.get(end + 1..).unwrap_or_default()))
}

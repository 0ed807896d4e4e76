//! The trace that a request belongs to.

/// Most bytes of one of a later version.
const LEN_MAX: usize = 256;

/// Whether this is the value of a `traceparent` header (W3C Trace Context 3.2), which is then passed on as it is:
/// version, trace, parent and flags in lowercase hex, neither of the ids all zeros; a later version may have more
/// behind.
#[must_use]
pub fn is_traceparent(value: &str) -> bool {
    let Some((known, more)) = value.split_at_checked(55) else { return false };
    let mut parts = known.split('-');
    let mut next = |len| parts.next().filter(|part| part.len() == len && part.bytes().all(is_hex));
    let (Some(version), Some(trace), Some(parent), Some(_)) = (next(2), next(32), next(16), next(2)) else {
        return false;
    };
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    let is_later = version != "00" && more.starts_with('-') && value.len() <= LEN_MAX;
    let fits = more.is_empty() || is_later && more.bytes().all(|byte| byte.is_ascii_graphic());
    version != "ff" && !is_zero(trace) && !is_zero(parent) && fits
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_has_four_parts_and_perhaps_more_in_later_versions() {
        for value in [GOOD, &GOOD.replacen("00-", "01-", 1), &format!("cc{}-what-the-future", &GOOD[2..])] {
            assert!(is_traceparent(value), "{value}");
        }
        for value in [
            "",
            &GOOD[..54],
            &format!("{GOOD}-x"),
            &format!("{GOOD}\r\nx: y"),
            &format!("01{}\r\nx: y", &GOOD[2..]),
            &format!("01{}-\r\nx: y", &GOOD[2..]),
            &format!("01{}-{}", &GOOD[2..], "x".repeat(300)),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "0"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &"ü".repeat(28),
        ] {
            assert!(!is_traceparent(value), "{value}");
        }
    }
}

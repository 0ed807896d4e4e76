//! Durations, sizes and values of TOML as text.

use std::time::Duration;

/// `16KiB` for 16384, `1MiB` for 1048576, `1000` for 1000: exact, in the largest unit that divides it.
pub(super) fn show_bytes(bytes: usize) -> String {
    let unit = UNITS.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| bytes.to_string(), |(name, size)| format!("{}{name}", bytes / size))
}

/// Bytes, or a number with one of the units KiB, MiB, GiB. `None` where it is neither, or too large.
pub(super) fn parse_bytes(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text);
    let size = match unit {
        "" | "B" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.parse::<usize>().ok()?.checked_mul(size)
}

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `90s` as `1m 30s`; zero is `0s`.
pub(super) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `10s`, `500ms`, `2m`, `1h 30m`; a number without a unit only where it is 0.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// A TOML value as flags and variables have it; a list by commas.
pub(super) fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(list) => {
            list.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|list| list.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("1000B", Some(1000)),
            ("64KiB", Some(65_536)),
            ("64 kib", Some(65_536)),
            ("3GiB", Some(3 << 30)),
            ("64K", None),
            ("64KB", None),
            ("1.5MiB", None),
            ("-1", None),
            ("KiB", None),
            ("", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_so_that_they_read_back_the_same() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (1024, "1KiB"),
            (1536, "1536"),
            (3 << 20, "3MiB"),
            ((1 << 30) + 1024, "1048577KiB"),
        ] {
            assert_eq!(show_bytes(bytes), text);
            assert_eq!(parse_bytes(text), Some(bytes));
        }
    }

    #[test]
    fn durations_are_shown_so_that_they_read_back_the_same() {
        for millis in [0, 1, 500, 1000, 90_000, 3_600_000, 86_400_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&show_duration(duration)), Some(duration), "{millis} ms");
        }
        assert_eq!(parse_duration("10"), None, "a unit is needed");
    }
}

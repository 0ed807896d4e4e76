//! Times as texts.

/// The last second of the year 9999.
const LAST_S: u64 = 253_402_300_799;

/// RFC 3339, in UTC, in whole seconds: `2001-09-09T01:46:40Z`. `unix_s` is in seconds since 1970; from the year 10000
/// on it is the last second before.
pub(super) fn rfc3339(unix_s: u64) -> String {
    let unix_s = unix_s.min(LAST_S);
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Years begin with March here, so that a leap day is a year's last one; 0000-03-01 is day 0. Each 400 years have as
    // many days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // March to July and August to December have 153 days each.
    let march_month = (5 * day + 2) / 153;
    let day = day - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_others_make_of_it() {
        // By Python's datetime.
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(unix_s), text);
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = rfc3339(0);
        for day in 1..200_000 {
            let next = rfc3339(day * 86_400);
            assert!(next > last, "{last} {next}");
            last = next;
        }
        assert_eq!(last, "2517-07-31T00:00:00Z");
    }
}

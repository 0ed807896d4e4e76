//! As much of DER as is needed to say whose a certificate is and until when (X.690).

/// Elements of DER, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'d>(&'d [u8]);

/// An element: its tag and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'d> {
    pub(crate) tag: u8,
    pub(crate) content: &'d [u8],
}

pub(crate) const BOOLEAN: u8 = 1;
pub(crate) const OCTET_STRING: u8 = 4;
pub(crate) const OID: u8 = 6;
pub(crate) const UTF8_STRING: u8 = 12;
pub(crate) const PRINTABLE_STRING: u8 = 19;
pub(crate) const IA5_STRING: u8 = 22;
pub(crate) const UTC_TIME: u8 = 23;
pub(crate) const GENERALIZED_TIME: u8 = 24;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

impl<'d> Der<'d> {
    pub(crate) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// The next element, if it has this tag; its elements.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.of(tag).map(Self)
    }

    /// The next element, if it has this tag; what is in it. Otherwise nothing is taken.
    pub(crate) fn of(&mut self, tag: u8) -> Option<&'d [u8]> {
        let before = *self;
        let element = self.next().filter(|element| element.tag == tag);
        if element.is_none() {
            *self = before;
        }
        element.map(|element| element.content)
    }
}

impl<'d> Iterator for Der<'d> {
    type Item = Element<'d>;

    /// None at the end, and where what follows is no DER.
    fn next(&mut self) -> Option<Element<'d>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            let (bytes, behind) = rest.split_at_checked(count).filter(|_| (1..=3).contains(&count))?;
            len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = behind;
        }
        let (content, behind) = rest.split_at_checked(len)?;
        self.0 = behind;
        Some(Element { tag, content })
    }
}

/// Seconds since 1970 of a time as certificates have it (RFC 5280 4.1.2.5).
pub(crate) fn seconds(element: Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let (year_len, century) = match element.tag {
        UTC_TIME => (2, 1900),
        GENERALIZED_TIME => (4, 0),
        _ => return None,
    };
    if text.len() != year_len + 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, len: usize| text.get(from..from + len)?.parse::<i64>().ok();
    let mut year = number(0, year_len)? + century;
    if year_len == 2 && year < 1950 {
        year += 100;
    }
    let part = |at: usize| number(year_len + 2 * at, 2);
    Some(days(year, part(0)?, part(1)?) * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
}

/// Days from 1970 to a day of the Gregorian calendar. Years are counted from March, so that a leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::{Element, GENERALIZED_TIME, UTC_TIME, seconds};

    #[test]
    fn times_are_seconds_since_1970() {
        let utc = |text: &str| seconds(Element { tag: UTC_TIME, content: text.as_bytes() });
        let general = |text: &str| seconds(Element { tag: GENERALIZED_TIME, content: text.as_bytes() });
        assert_eq!((utc("700101000000Z"), general("19700101000000Z")), (Some(0), Some(0)));
        assert_eq!(utc("000229000000Z"), Some(951_782_400));
        assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
        assert_eq!(utc("500101000000Z"), Some(-631_152_000));
        assert_eq!(general("20261128085524Z"), Some(1_795_856_124));
        for wrong in ["", "Z", "7001010000Z", "70010100000+Z", "700101000000", "19700101000000Z"] {
            assert_eq!(utc(wrong), None, "{wrong}");
        }
    }
}

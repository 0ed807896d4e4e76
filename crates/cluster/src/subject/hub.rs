//! Hubs as tokens of subjects.

/// Most bytes of a hub's name.
const NAME_LEN_MAX: usize = 128;

/// Most bytes of a hub's token.
pub const ESCAPED_LEN_MAX: usize = 3 * NAME_LEN_MAX;

/// A hub's token: its name in lower case, which does not tell hubs apart, and each byte that is none of `a` to `z`, `0`
/// to `9`, `_` and `-` as `=` and two digits. A hub's name may have `.` and other bytes that mean something to NATS.
#[must_use]
pub fn escape(hub: &str) -> String {
    let mut token = String::with_capacity(hub.len());
    for byte in hub.bytes().map(|byte| byte.to_ascii_lowercase()) {
        if is_plain(byte) {
            token.push(byte.into());
        } else {
            token.extend(['=', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    token
}

/// A token that came: each hub has one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubToken<'s>(&'s str);

impl<'s> HubToken<'s> {
    /// None for what [`escape`] does not write.
    #[must_use]
    pub fn parse(token: &'s str) -> Option<Self> {
        let is_token =
            (1..=ESCAPED_LEN_MAX).contains(&token.len()) && bytes(token).all(|byte| byte.is_some());
        (is_token && bytes(token).count() <= NAME_LEN_MAX).then_some(Self(token))
    }

    /// Whether it is the token of this hub, whose name is in lower case.
    #[must_use]
    pub fn is(self, hub: &str) -> bool {
        bytes(self.0).eq(hub.bytes().map(Some))
    }
}

/// The bytes that a token stands for. None where it is not written as it must be.
fn bytes(token: &str) -> impl Iterator<Item = Option<u8>> {
    let mut rest = token.bytes();
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    std::iter::from_fn(move || {
        let first = rest.next()?;
        if first != b'=' {
            return Some(is_plain(first).then_some(first));
        }
        let (high, low) = (rest.next().and_then(value), rest.next().and_then(value));
        let byte = high.zip(low).map(|(high, low)| high << 4 | low);
        Some(byte.filter(|byte| !is_plain(*byte) && !byte.is_ascii_uppercase()))
    })
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

fn digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'A' + value - 10 })
}

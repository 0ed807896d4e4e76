//! RFC 7692 section 7.1: what a client offers and what is agreed on.

use std::num::NonZeroU8;

use crate::handshake::Extension;

/// RFC 7692 section 7: 'The registered extension token for this PMCE is "permessage-deflate".'
const NAME: &str = "permessage-deflate";

/// How far back in its message a compressor of this server may point: the base-2 logarithm of bytes, 9 to 15.
///
/// It is one byte, and so is an `Option` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowBits(NonZeroU8);

const _: () = assert!(size_of::<Option<WindowBits>>() == 1);

impl WindowBits {
    /// The smallest. RFC 7692 knows 8 too, but zlib and its descendants make no raw stream with a window of 256 bytes.
    pub const MIN: u8 = 9;
    /// The largest.
    pub const MAX: u8 = 15;
    /// How many sizes there are.
    pub const COUNT: usize = (Self::MAX - Self::MIN) as usize + 1;

    /// `None` unless `bits` is 9 to 15.
    #[must_use]
    pub fn new(bits: u8) -> Option<Self> {
        NonZeroU8::new(bits).filter(|_| (Self::MIN..=Self::MAX).contains(&bits)).map(Self)
    }

    /// All of them, the smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::MIN..=Self::MAX).filter_map(Self::new)
    }

    /// 9 to 15.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// 0 to 6: for tables by window size.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.get() - Self::MIN)
    }
}

impl Default for WindowBits {
    /// The largest. RFC 7692 7.1.2.1: without server_max_window_bits "the server may use an LZ77 sliding window size of
    /// up to 32,768 bytes".
    fn default() -> Self {
        Self(NonZeroU8::MIN.saturating_add(Self::MAX - 1))
    }
}

/// What server and client have agreed on. Neither takes over context from one message to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the client asked for.
    asked: Option<WindowBits>,
}

impl Agreement {
    /// The window that the server's compressor keeps to.
    #[must_use]
    pub fn window_bits(self) -> WindowBits {
        self.asked.unwrap_or_default()
    }

    /// The value of the Sec-WebSocket-Extensions header that tells the client.
    ///
    /// RFC 7692 7.1.1.1 and 7.1.1.2 let a server say both no_context_takeover, asked or not. By 7.1.2.1 it accepts
    /// server_max_window_bits "by including the [...] parameter in the corresponding extension negotiation response".
    /// client_max_window_bits is never in it: the server inflates with the largest window whatever the client uses.
    #[must_use]
    pub fn answer(self) -> &'static str {
        macro_rules! answer {
            ($more:literal) => {
                concat!("permessage-deflate; server_no_context_takeover; client_no_context_takeover", $more)
            };
        }
        match self.asked.map(WindowBits::get) {
            None => answer!(""),
            Some(9) => answer!("; server_max_window_bits=9"),
            Some(10) => answer!("; server_max_window_bits=10"),
            Some(11) => answer!("; server_max_window_bits=11"),
            Some(12) => answer!("; server_max_window_bits=12"),
            Some(13) => answer!("; server_max_window_bits=13"),
            Some(14) => answer!("; server_max_window_bits=14"),
            Some(_) => answer!("; server_max_window_bits=15"),
        }
    }
}

/// Takes the first of the client's offers, which are in its order of preference, that can be taken.
///
/// RFC 7692 section 7.1: a server declines an offer of permessage-deflate that has a parameter it does not know, a
/// parameter twice, a parameter with an invalid value, or one it does not support. Such an offer is passed over; so are
/// other extensions. None of that fails the handshake.
#[must_use]
pub fn negotiate<'b>(offers: impl IntoIterator<Item = Extension<'b>>) -> Option<Agreement> {
    offers.into_iter().filter(|offer| offer.name() == NAME).find_map(|offer| accept(&offer))
}

/// Which parameters an offer had so far.
#[derive(Default)]
struct Seen {
    server_takeover: bool,
    client_takeover: bool,
    server_bits: bool,
    client_bits: bool,
}

fn accept(offer: &Extension<'_>) -> Option<Agreement> {
    let mut seen = Seen::default();
    let mut asked = None;
    for (name, value) in offer.parameters() {
        let (seen_before, valid) = match name {
            // RFC 7692 7.1.1: "This parameter has no value."
            "server_no_context_takeover" => (&mut seen.server_takeover, value.is_none()),
            "client_no_context_takeover" => (&mut seen.client_takeover, value.is_none()),
            // 7.1.2.1: it "MUST" have a value; of 8 see WindowBits::MIN.
            "server_max_window_bits" => {
                asked = value.and_then(window_bits).and_then(WindowBits::new);
                (&mut seen.server_bits, asked.is_some())
            }
            // 7.1.2.2: a value or none. It bounds what the client does, which the server need not know.
            "client_max_window_bits" => {
                (&mut seen.client_bits, value.is_none_or(|value| window_bits(value).is_some()))
            }
            _ => return None,
        };
        if !valid || std::mem::replace(seen_before, true) {
            return None;
        }
    }
    Some(Agreement { asked })
}

/// RFC 7692 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window_bits(value: &str) -> Option<u8> {
    // RFC 9110 5.6.4: in a quoted string, which any value may be, a backslash stands for nothing.
    let digits: String = value.chars().filter(|digit| *digit != '\\').collect();
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|bits| canonical && (8..=15).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeadLimits, HeadStatus, parse_head};

    /// What is agreed on when a client sends these values of Sec-WebSocket-Extensions.
    fn agreed(values: &[&str]) -> Option<Agreement> {
        let lines: String =
            values.iter().map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).collect();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        );
        match parse_head(head.as_bytes(), &HeadLimits::default()) {
            Ok(HeadStatus::Upgrade { request, .. }) => negotiate(request.extensions()),
            other => panic!("{other:?} for {values:?}"),
        }
    }

    fn agreed_bits(offer: &str) -> Option<u8> {
        agreed(&[offer]).map(|agreement| agreement.window_bits().get())
    }

    #[test]
    fn an_offer_is_taken_with_every_parameter_that_it_may_have() {
        for (offer, bits) in [
            ("permessage-deflate", 15),
            // What browsers send.
            ("permessage-deflate; client_max_window_bits", 15),
            ("permessage-deflate; client_max_window_bits=8", 15),
            ("permessage-deflate; client_max_window_bits=15", 15),
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15),
            ("permessage-deflate; server_max_window_bits=9", 9),
            ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=10", 12),
            ("permessage-deflate;server_max_window_bits=\"15\";client_max_window_bits=\"9\"", 15),
            ("permessage-deflate; server_max_window_bits=\"1\\0\"", 10),
        ] {
            assert_eq!(agreed_bits(offer), Some(bits), "{offer}");
        }
    }

    #[test]
    fn an_offer_with_anything_wrong_is_declined() {
        for wrong in [
            "server_no_context_takeover=1",
            "client_no_context_takeover=\"true\"",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits=10; server_max_window_bits=10",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=8",
            "server_max_window_bits=16",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=9.0",
            "server_max_window_bits=1000",
            "server_max_window_bits=\"\\08\"",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=010",
            "client_max_window_bits=ten",
            "mode=fast",
            "Server_no_context_takeover",
        ] {
            assert_eq!(agreed_bits(&format!("permessage-deflate; {wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_offer_that_can_be_taken_is_taken_in_whatever_line_it_is() {
        let bits = |values: &[&str]| agreed(values).map(|agreement| agreement.window_bits().get());
        assert_eq!(bits(&[]), None);
        assert_eq!(bits(&["permessage-bzip2, x-webkit-deflate-frame"]), None);
        assert_eq!(bits(&["permessage-bzip2; server_max_window_bits=9, permessage-deflate"]), Some(15));
        // RFC 7692 7.1.3: offers that fall back step by step.
        let fallback = "permessage-deflate; server_max_window_bits=8, permessage-deflate; \
                        server_max_window_bits=10, permessage-deflate";
        assert_eq!(bits(&[fallback]), Some(10));
        assert_eq!(
            bits(&["permessage-deflate; new", "permessage-deflate; server_max_window_bits=11"]),
            Some(11)
        );
    }

    #[test]
    fn the_answer_says_that_no_context_is_taken_over_and_the_window_that_was_asked_for() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed(&["permessage-deflate; client_max_window_bits=9"]).unwrap().answer(), both);
        for bits in WindowBits::all() {
            let answer = agreed(&[&format!("permessage-deflate; server_max_window_bits={}", bits.get())]);
            let expected = format!("{both}; server_max_window_bits={}", bits.get());
            assert_eq!(answer.map(Agreement::answer), Some(&*expected));
        }
    }

    #[test]
    fn there_are_seven_window_sizes() {
        let all: Vec<_> = WindowBits::all().map(|bits| (bits.get(), bits.index())).collect();
        assert_eq!(all, [(9, 0), (10, 1), (11, 2), (12, 3), (13, 4), (14, 5), (15, 6)]);
        assert_eq!((WindowBits::new(8), WindowBits::new(16), WindowBits::new(0)), (None, None, None));
        assert_eq!(WindowBits::default().get(), 15);
    }
}

//! UTF-8 that arrives in pieces (RFC 6455 8.1, RFC 3629).

/// The bytes are not UTF-8 and no later byte can make them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Judges a text piece by piece, and fails at the first byte that cannot belong to UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The start of a code point that the last piece cut.
    carry: [u8; 3],
    carry_len: u8,
}

impl Utf8 {
    /// Judges the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        let piece = self.complete_carry(piece)?;
        match simdutf8::compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                self.carry(&piece[error.valid_up_to()..]);
                Ok(())
            }
            Err(_) => Err(Invalid),
        }
    }

    /// The text ends here: it must not end inside a code point.
    pub(crate) fn finish(&self) -> Result<(), Invalid> {
        if self.carry_len == 0 { Ok(()) } else { Err(Invalid) }
    }

    /// Adds bytes of `piece` to the cut code point until it is whole, and returns what is left of `piece`.
    fn complete_carry<'p>(&mut self, mut piece: &'p [u8]) -> Result<&'p [u8], Invalid> {
        while let (1.., Some((&byte, rest))) = (self.carry_len, piece.split_first()) {
            let held = usize::from(self.carry_len);
            let mut code_point = [0; 4];
            code_point[..held].copy_from_slice(&self.carry[..held]);
            code_point[held] = byte;
            match std::str::from_utf8(&code_point[..=held]) {
                Ok(_) => self.carry_len = 0,
                Err(error) if error.error_len().is_none() => self.carry(&code_point[..=held]),
                Err(_) => return Err(Invalid),
            }
            piece = rest;
        }
        Ok(piece)
    }

    fn carry(&mut self, start: &[u8]) {
        self.carry_len = 0;
        for (slot, byte) in self.carry.iter_mut().zip(start) {
            *slot = *byte;
            self.carry_len += 1;
        }
    }
}

/// Judges a text that is all there.
pub(super) fn check_whole(text: &[u8]) -> Result<(), Invalid> {
    simdutf8::basic::from_utf8(text).map(|_| ()).map_err(|_| Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many bytes of `text` can be fed, one at a time, before the verdict "invalid".
    fn fed_until_invalid(text: &[u8]) -> Option<usize> {
        let mut utf8 = Utf8::default();
        text.iter().position(|byte| utf8.push(&[*byte]).is_err())
    }

    #[test]
    fn every_text_of_the_standard_library_is_valid_at_every_cut() {
        let text = "a\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}κόσμε";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut utf8 = Utf8::default();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    assert_eq!(utf8.push(piece), Ok(()));
                }
                assert_eq!(utf8.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn a_text_must_not_end_inside_a_code_point() {
        for text in ["é", "€", "😀"] {
            for len in 1..text.len() {
                let mut utf8 = Utf8::default();
                assert_eq!(utf8.push(&text.as_bytes()[..len]), Ok(()));
                assert_eq!(utf8.finish(), Err(Invalid));
            }
        }
    }

    #[test]
    fn the_first_impossible_byte_is_reported() {
        // RFC 3629 section 4: what may follow E0, ED, F0 and F4 is narrower than 80-BF.
        let table: [(&[u8], usize); 10] = [
            (b"\xF4\x90\x80\x80", 1), // above U+10FFFF
            (b"\xF0\x8F\xBF\xBF", 1), // overlong
            (b"\xE0\x9F\xBF", 1),     // overlong
            (b"\xED\xA0\x80", 1),     // surrogate
            (b"\xC0\xAF", 0),         // overlong
            (b"\xC1\xBF", 0),         // overlong
            (b"\xF5\x80\x80\x80", 0), // above U+10FFFF
            (b"\xFF", 0),
            (b"ok\x80", 2),
            (b"\xF0\x9F\x98A", 3),
        ];
        for (text, at) in table {
            assert_eq!(fed_until_invalid(text), Some(at), "{text:X?}");
        }
    }

    proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_the_cuts(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                ".{0,80}".prop_map(String::into_bytes),
                (".{0,40}", any::<u8>(), ".{0,40}").prop_map(|(a, byte, b)| {
                    [a.as_bytes(), &[byte], b.as_bytes()].concat()
                }),
            ],
            sizes in proptest::collection::vec(1_usize..90, 1..20),
        ) {
            let mut utf8 = Utf8::default();
            let mut rest = &text[..];
            let mut verdict = Ok(());
            for size in sizes.iter().cycle() {
                let (piece, behind) = rest.split_at(rest.len().min(*size));
                rest = behind;
                verdict = verdict.and_then(|()| utf8.push(piece));
                if rest.is_empty() {
                    break;
                }
            }
            verdict = verdict.and_then(|()| utf8.finish());
            prop_assert_eq!(verdict.is_ok(), std::str::from_utf8(&text).is_ok());
            prop_assert_eq!(check_whole(&text), verdict);
        }

        #[test]
        fn invalid_text_is_reported_at_the_byte_the_standard_library_names(
            text in proptest::collection::vec(prop_oneof![
                3 => any::<u8>(), 2 => Just(0xE0), 2 => Just(0xED), 2 => Just(0xF0), 2 => Just(0xF4),
                4 => 0x80..0xC0_u8,
            ], 1..12),
        ) {
            // The shortest prefix that the standard library calls invalid, not merely unfinished.
            let expected = (0..text.len()).find(|end| {
                std::str::from_utf8(&text[..=*end]).is_err_and(|error| error.error_len().is_some())
            });
            prop_assert_eq!(fed_until_invalid(&text), expected);
        }
    }
}

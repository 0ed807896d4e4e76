//! JSON, written or only measured, by the same code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whom JSON is written to: bytes, or a count of them.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    /// The bytes in base64, with padding.
    fn put_base64(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_base64(&mut self, bytes: &[u8]) {
        // Chunks of a multiple of three bytes follow each other without padding.
        let mut encoded = [0; 1024];
        for chunk in bytes.chunks(768) {
            if let Ok(len) = STANDARD.encode_slice(chunk, &mut encoded) {
                self.put(&encoded[..len]);
            }
        }
    }
}

/// How many bytes would have been written.
#[derive(Debug, Default)]
pub(crate) struct Length(pub(crate) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn put_base64(&mut self, bytes: &[u8]) {
        self.0 += bytes.len().div_ceil(3) * 4;
    }
}

/// A JSON string. RFC 8259 section 7: quotation mark, backslash and control characters are escaped, nothing else.
pub(crate) fn put_text<S: Sink>(sink: &mut S, text: &[u8]) {
    sink.put(b"\"");
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte < b' ' || matches!(byte, b'"' | b'\\') {
            sink.put(&text[start..at]);
            put_escape(sink, *byte);
            start = at + 1;
        }
    }
    sink.put(&text[start..]);
    sink.put(b"\"");
}

fn put_escape<S: Sink>(sink: &mut S, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return sink.put(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    sink.put(&[b'\\', short]);
}

/// A number in decimal digits.
pub(crate) fn put_number<S: Sink>(sink: &mut S, mut number: u64) {
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return sink.put(&digits[at..]);
        }
    }
}

/// A list of JSON strings.
pub(crate) fn put_texts<S: Sink>(sink: &mut S, texts: impl IntoIterator<Item = impl AsRef<str>>) {
    sink.put(b"[");
    for (at, text) in texts.into_iter().enumerate() {
        if at > 0 {
            sink.put(b",");
        }
        put_text(sink, text.as_ref().as_bytes());
    }
    sink.put(b"]");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>), measure: impl Fn(&mut Length)) -> String {
        let (mut bytes, mut length) = (Vec::new(), Length::default());
        write(&mut bytes);
        measure(&mut length);
        assert_eq!(bytes.len(), length.0);
        String::from_utf8(bytes).unwrap()
    }

    fn texts() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof![any::<char>(), (0u8..128).prop_map(char::from)], 0..200)
            .prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in texts()) {
            let json = written(|sink| put_text(sink, text.as_bytes()), |sink| put_text(sink, text.as_bytes()));
            prop_assert_eq!(json, serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn base64_is_what_the_library_makes_of_all_at_once(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
            let encoded = written(|sink| sink.put_base64(&bytes), |sink| sink.put_base64(&bytes));
            prop_assert_eq!(encoded, STANDARD.encode(&bytes));
        }

        #[test]
        fn a_number_is_its_digits(number in any::<u64>()) {
            let digits = written(|sink| put_number(sink, number), |sink| put_number(sink, number));
            prop_assert_eq!(digits, number.to_string());
        }
    }

    #[test]
    fn the_smallest_and_the_greatest_number_have_all_of_their_digits() {
        for number in [0, 9, 10, u64::MAX] {
            assert_eq!(written(|s| put_number(s, number), |s| put_number(s, number)), number.to_string());
        }
    }
}

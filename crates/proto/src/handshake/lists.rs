//! Lists in header values (RFC 9110 5.6), and a header block read line by line.

/// RFC 9110 5.6.2: a character of a token. It is the same set that RFC 6455 takes from RFC 2616 2.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let other = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        table[byte as usize] = byte.is_ascii_alphanumeric() || other;
        byte += 1;
    }
    table
};

pub(super) fn is_token_bytes(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Without the optional whitespace around it (RFC 9110 5.6.3).
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The elements of a comma list, trimmed.
///
/// RFC 9110 5.6.1.2: "a recipient MUST parse and ignore a reasonable number of empty list elements".
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    split_unquoted(value, b',').map(trim).filter(|element| !element.is_empty())
}

/// `value` cut at each `separator` that is not inside a quoted string (RFC 9110 5.6.4).
pub(super) fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        match find_unquoted(value, separator) {
            Some(at) => {
                rest = Some(&value[at + 1..]);
                Some(&value[..at])
            }
            None => rest.take(),
        }
    })
}

fn find_unquoted(value: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    value.iter().position(|&byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => return !quoted && byte == separator,
        }
        false
    })
}

/// The lines of a header block that `httparse` has accepted: names and trimmed values.
#[derive(Clone, Debug)]
pub(super) struct Lines<'b> {
    block: &'b [u8],
}

impl<'b> Lines<'b> {
    /// `block` begins behind the request line and ends with the empty line.
    pub(super) fn new(block: &'b [u8]) -> Self {
        Self { block }
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\n', self.block)?;
        let (line, rest) = self.block.split_at(end + 1);
        self.block = rest;
        let colon = memchr::memchr(b':', line)?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, trim(line[colon + 1..].trim_ascii_end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<&str> {
        elements(value.as_bytes()).map(|element| std::str::from_utf8(element).unwrap()).collect()
    }

    #[test]
    fn elements_are_trimmed_and_empty_ones_are_ignored() {
        assert_eq!(all(" a,\tb ,, c , "), ["a", "b", "c"]);
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all(" , ,"), [""; 0]);
    }

    #[test]
    fn a_comma_inside_quotes_does_not_separate() {
        assert_eq!(all(r#"a; b="x,y", c; d="\",", e"#), [r#"a; b="x,y""#, r#"c; d="\",""#, "e"]);
    }

    #[test]
    fn tokens_have_no_separators() {
        assert!(is_token_bytes(b"permessage-deflate") && is_token_bytes(b"v1.json~|"));
        for byte in b"()<>@,;:\\\"/[]?={} \t\x7F\x80" {
            assert!(!is_token_byte(*byte), "{byte:#x}");
        }
        assert!(!is_token_bytes(b""));
    }

    #[test]
    fn lines_are_names_and_trimmed_values() {
        let lines: Vec<_> = Lines::new(b"A: 1 \r\nb:\r\nC:\t x:y\r\n\r\n").collect();
        assert_eq!(lines, [("A", &b"1"[..]), ("b", b""), ("C", b"x:y")]);
    }
}

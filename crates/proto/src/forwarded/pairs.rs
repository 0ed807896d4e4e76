//! The grammar of Forwarded (RFC 7239 section 4).

use super::hop::{ForwardedError, Hop};
use super::node::node;
use crate::handshake::lists::is_token_byte;

/// Most bytes of a node that is written with backslashes. The longest address with its port has 53.
const ESCAPED_NODE_LEN_MAX: usize = 64;

/// The elements of a line, each as what its `for` says. Nothing follows one that is malformed: a quotation mark that a
/// client left open would turn the words of the proxies behind it inside out.
///
/// RFC 7239 section 4: `Forwarded = 1#forwarded-element`.
pub(super) struct Elements<'b> {
    rest: &'b [u8],
}

impl<'b> Elements<'b> {
    pub(super) fn new(line: &'b [u8]) -> Self {
        Self { rest: line }
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Hop, ForwardedError>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110 5.6.1.2: empty list elements are ignored.
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let (hop, rest) = element(self.rest)
            .map_or((Err(ForwardedError::Malformed), &[][..]), |(hop, rest)| (Ok(hop), rest));
        self.rest = rest;
        Some(hop)
    }
}

/// An element, and what follows it: a comma, or nothing.
///
/// RFC 7239 section 4: `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`. Spaces beside a semicolon,
/// which it does not have and many write, are let pass.
fn element(mut input: &[u8]) -> Option<(Hop, &[u8])> {
    let mut hop = None;
    loop {
        let (name, rest) = token(skip_spaces(input));
        input = rest;
        if !name.is_empty() {
            let (value, rest) = value(input.strip_prefix(b"=")?)?;
            input = rest;
            // "Each parameter MUST NOT occur more than once per field-value element."
            if name.eq_ignore_ascii_case(b"for") && hop.replace(value.node()?).is_some() {
                return None;
            }
        }
        match skip_spaces(input) {
            rest @ ([] | [b',', ..]) => return Some((hop.unwrap_or(Hop::Hidden), rest)),
            [b';', rest @ ..] => input = rest,
            _ => return None,
        }
    }
}

fn skip_spaces(mut input: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = input {
        input = rest;
    }
    input
}

/// As much of a token (RFC 9110 5.6.2) as there is, and the rest.
fn token(input: &[u8]) -> (&[u8], &[u8]) {
    input.split_at(input.iter().take_while(|byte| is_token_byte(**byte)).count())
}

/// RFC 7239 section 4: `value = token / quoted-string`.
enum Value<'b> {
    Token(&'b [u8]),
    /// What is between the quotation marks.
    Quoted(&'b [u8]),
}

fn value(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    if let [b'"', rest @ ..] = input {
        let end = quoted_len(rest)?;
        return Some((Value::Quoted(&rest[..end]), &rest[end + 1..]));
    }
    let (token, rest) = token(input);
    (!token.is_empty()).then_some((Value::Token(token), rest))
}

/// Bytes before the quotation mark that ends a quoted string. RFC 9110 5.6.4: no control characters but tabs.
fn quoted_len(input: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in input.iter().enumerate() {
        match byte {
            0..=8 | 10..=31 | 127 => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index),
            _ => {}
        }
    }
    None
}

impl Value<'_> {
    fn node(&self) -> Option<Hop> {
        match self {
            Self::Token(text) => node(text),
            Self::Quoted(text) if text.contains(&b'\\') => {
                let mut plain = [0; ESCAPED_NODE_LEN_MAX];
                let len = unescape(text, &mut plain)?;
                node(&plain[..len])
            }
            Self::Quoted(text) => node(text),
        }
    }
}

/// Takes the backslashes away (RFC 9110 5.6.4). How many bytes are left, if there is room for them.
fn unescape(text: &[u8], plain: &mut [u8]) -> Option<usize> {
    let mut rest = text;
    let mut len = 0;
    while let [b'\\', byte, behind @ ..] | [byte, behind @ ..] = rest {
        *plain.get_mut(len)? = *byte;
        len += 1;
        rest = behind;
    }
    Some(len)
}

//! What a certificate says of whom it is for (RFC 5280).

use std::fmt::Write;

use crate::der::{
    BOOLEAN, Der, Element, IA5_STRING, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING,
    seconds,
};

/// What is of interest in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// The names of hosts, in small letters. One may begin with `*.`.
    pub names: Vec<String>,
    /// Its last second, as seconds since 1970.
    pub not_after: i64,
    /// Its subject as RFC 4514 writes it, such as `CN=device-7,O=Example`.
    pub subject: String,
}

/// The most bytes of a subject that are written out.
const SUBJECT_LEN_MAX: usize = 512;

/// Explicit tags of a certificate's fields, and the one of a host's name.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;

/// The extension with other names of the subject, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// What parts of names are called (RFC 4514 3), by object identifier.
const PARTS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 1], "UID"),
];

impl Leaf {
    /// Reads a certificate in DER. None if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut fields = Der::new(der).inside(SEQUENCE)?.inside(SEQUENCE)?;
        fields.of(VERSION);
        // Its number, the signature's algorithm, the issuer.
        let _ = (fields.next()?, fields.next()?, fields.next()?);
        let not_after = seconds(fields.inside(SEQUENCE)?.nth(1)?)?;
        let subject = subject(fields.inside(SEQUENCE)?);
        // The key, and perhaps two numbers that nobody uses.
        fields.next()?;
        let extensions = fields.find(|field| field.tag == EXTENSIONS);
        let names = extensions.and_then(|field| names(field.content)).unwrap_or_default();
        Some(Self { names, not_after, subject })
    }
}

/// The names of hosts in a certificate's extensions.
fn names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der::new(extensions).inside(SEQUENCE)?;
    let value = extensions.find_map(|extension| {
        let mut fields = Der::new(extension.content);
        let is_meant = fields.of(OID)? == SUBJECT_ALT_NAME;
        fields.of(BOOLEAN);
        fields.of(OCTET_STRING).filter(|_| is_meant)
    })?;
    let names = Der::new(value).inside(SEQUENCE)?.filter(|name| name.tag == DNS_NAME);
    Some(
        names.filter_map(|name| Some(std::str::from_utf8(name.content).ok()?.to_ascii_lowercase())).collect(),
    )
}

/// RFC 4514 2.1: the last part comes first.
fn subject(parts: Der<'_>) -> String {
    let parts: Vec<_> = parts.filter(|part| part.tag == SET).collect();
    let mut text = String::new();
    for part in parts.iter().rev() {
        for (at, pair) in Der::new(part.content).enumerate() {
            let Some(written) = part_of(pair) else { continue };
            if !text.is_empty() {
                text.push(if at == 0 { ',' } else { '+' });
            }
            text.push_str(&written);
        }
        if text.len() > SUBJECT_LEN_MAX {
            text.truncate(cut_at(&text, SUBJECT_LEN_MAX));
            break;
        }
    }
    text
}

/// Where a text may be cut, at or before a place.
fn cut_at(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// One part of a name, such as `CN=device-7`.
fn part_of(pair: Element<'_>) -> Option<String> {
    let mut fields = Der::new(pair.content);
    let oid = fields.of(OID)?;
    let value = fields.next()?;
    let known = PARTS.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name);
    let is_text = matches!(value.tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
    let text = std::str::from_utf8(value.content).ok().filter(|_| is_text);
    match (known, text) {
        (Some(name), Some(text)) => Some(format!("{name}={}", escaped(text))),
        (Some(name), None) => Some(format!("{name}=#{}", hex(value.content))),
        // RFC 4514 2.4: by number, and the value as it is.
        (None, _) => Some(format!("{}=#{}", dotted(oid), hex(value.content))),
    }
}

/// RFC 4514 2.4. What is no printing character is written as its bytes, so that a line stays a line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let is_end = at == 0 || at + letter.len_utf8() == text.len();
        let is_special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
            || (letter == ' ' && is_end)
            || (letter == '#' && at == 0);
        if letter.is_control() {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| {
                let _ = write!(out, "\\{byte:02x}");
            });
        } else {
            if is_special {
                out.push('\\');
            }
            out.push(letter);
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(64).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An object identifier in numbers.
fn dotted(oid: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0u64;
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let first = numbers.first().copied().unwrap_or_default();
    let root = (first / 40).min(2);
    let rest = numbers.iter().skip(1).map(|number| format!(".{number}"));
    format!("{root}.{}{}", first - root * 40, rest.collect::<String>())
}

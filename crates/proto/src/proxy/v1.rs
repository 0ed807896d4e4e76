//! Version 1: one line for humans (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::error::ProxyError;
use super::status::{ProxyStatus, begins};

/// Section 2.1: "a 108-byte buffer is always enough to store all the line and a trailing zero".
pub const V1_LEN_MAX: usize = 107;

const SIGNATURE: &[u8] = b"PROXY ";

pub(super) fn parse(input: &[u8]) -> Result<ProxyStatus, ProxyError> {
    if !begins(input, SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let window = &input[..input.len().min(V1_LEN_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return if window.len() == V1_LEN_MAX { Err(ProxyError::TooLong) } else { Ok(ProxyStatus::NeedMore) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(ProxyError::Malformed)?;
    let line = line.strip_prefix(SIGNATURE).ok_or(ProxyError::Malformed)?;
    let source = source(line).ok_or(ProxyError::Malformed)?;
    Ok(ProxyStatus::Complete { source, header_len: end + 1 })
}

/// What the line says, without its signature and its end; `None` when it follows no grammar.
fn source(line: &[u8]) -> Option<Option<SocketAddr>> {
    // Section 2.1: for UNKNOWN "the receiver must ignore anything presented before the CRLF".
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(None);
    }
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let source = match words.next()? {
        "TCP4" => addresses::<Ipv4Addr>(&mut words)?,
        "TCP6" => addresses::<Ipv6Addr>(&mut words)?,
        _ => return None,
    };
    words.next().is_none().then_some(Some(source))
}

/// Source and destination address, source and destination port.
fn addresses<'b, T: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'b str>) -> Option<SocketAddr> {
    let source: T = words.next()?.parse().ok()?;
    let _destination: T = words.next()?.parse().ok()?;
    let port = port(words.next()?)?;
    self::port(words.next()?)?;
    Some(SocketAddr::new(source.into(), port))
}

/// Section 2.1: "a decimal integer in the range [0..65535]" without a leading zero.
fn port(word: &str) -> Option<u16> {
    let canonical = word == "0" || word.starts_with(|first: char| matches!(first, '1'..='9'));
    word.parse().ok().filter(|_| canonical)
}

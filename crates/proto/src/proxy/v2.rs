//! Version 2: binary (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::error::ProxyError;
use super::status::{ProxyStatus, begins};

/// Most bytes of a header, extensions included. Addresses need at most 232 of them; the rest is room for extensions, of
/// which those of TLS are the longest in use.
pub const V2_LEN_MAX: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and protocol, and the length of what follows.
const FIXED_LEN: usize = 16;

pub(super) fn parse(input: &[u8]) -> Result<ProxyStatus, ProxyError> {
    if !begins(input, SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    // Each byte is judged as soon as it is there, so that the verdict does not depend on how the input was cut.
    let local = match input.get(12) {
        None => return Ok(ProxyStatus::NeedMore),
        Some(0x20) => true,
        Some(0x21) => false,
        // "Receivers must drop connections presenting unexpected values here."
        Some(_) => return Err(ProxyError::Malformed),
    };
    let addresses_len = match input.get(13) {
        None => return Ok(ProxyStatus::NeedMore),
        // "Other values are unspecified and must not be emitted", except that a LOCAL header's are ignored.
        Some(family) => addresses_len(*family).or(local.then_some(0)).ok_or(ProxyError::Malformed)?,
    };
    let Some(fixed) = input.first_chunk::<FIXED_LEN>() else { return Ok(ProxyStatus::NeedMore) };
    let rest_len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let header_len = FIXED_LEN + rest_len;
    if header_len > V2_LEN_MAX {
        return Err(ProxyError::TooLong);
    }
    if !local && rest_len < addresses_len {
        return Err(ProxyError::Malformed);
    }
    let Some(rest) = input.get(FIXED_LEN..header_len) else { return Ok(ProxyStatus::NeedMore) };
    let source = if local { None } else { source(fixed[13], rest) };
    Ok(ProxyStatus::Complete { source, header_len })
}

/// Bytes of both addresses and ports; `None` for a family or protocol that does not exist.
fn addresses_len(family: u8) -> Option<usize> {
    match family {
        0x00 => Some(0),
        0x11 | 0x12 => Some(12),
        0x21 | 0x22 => Some(36),
        0x31 | 0x32 => Some(216),
        _ => None,
    }
}

/// The source address, where there is one: both addresses come before both ports.
fn source(family: u8, rest: &[u8]) -> Option<SocketAddr> {
    match family {
        0x11 | 0x12 => {
            let bytes = rest.first_chunk::<12>()?;
            let address = Ipv4Addr::from(*bytes.first_chunk::<4>()?);
            Some(SocketAddr::from((address, u16::from_be_bytes([bytes[8], bytes[9]]))))
        }
        0x21 | 0x22 => {
            let bytes = rest.first_chunk::<36>()?;
            let address = Ipv6Addr::from(*bytes.first_chunk::<16>()?);
            Some(SocketAddr::from((address, u16::from_be_bytes([bytes[32], bytes[33]]))))
        }
        _ => None,
    }
}

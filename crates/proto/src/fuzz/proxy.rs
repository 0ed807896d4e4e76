//! PROXY headers.

use crate::proxy::{ProxyStatus, V2_LEN_MAX, parse_proxy};

/// Any bytes as the beginning of a connection from a proxy.
///
/// # Panics
///
/// When a promise is broken.
pub fn proxy(data: &[u8]) {
    let whole = parse_proxy(data);
    let first = (0..=data.len().min(V2_LEN_MAX))
        .map(|len| parse_proxy(&data[..len]))
        .find(|outcome| *outcome != Ok(ProxyStatus::NeedMore))
        .unwrap_or(Ok(ProxyStatus::NeedMore));
    assert_eq!(first, whole, "the verdict depends on the cuts");
    match whole {
        Ok(ProxyStatus::NeedMore) => assert!(data.len() < V2_LEN_MAX, "a bound that does not bind"),
        Ok(ProxyStatus::Complete { header_len, .. }) => {
            assert!(header_len <= data.len().min(V2_LEN_MAX));
            assert_eq!(parse_proxy(&data[..header_len]), whole, "what follows the header was looked at");
        }
        Err(_) => {}
    }
}

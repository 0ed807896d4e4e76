//! X-Forwarded-For and Forwarded.

use std::net::{IpAddr, Ipv4Addr};

use crate::forwarded::ForwardedHeader::{Forwarded, XForwardedFor};
use crate::forwarded::{ForwardedError, ForwardedHeader, Hop, forwarded_client};

/// What proxies here write of a client, and behind it of the one that is in front of them.
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Any bytes as the lines of the header that a client sends, to which proxies add.
///
/// # Panics
///
/// When a promise is broken.
pub fn forwarded(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let client = Ok(Some(Hop::Address(CLIENT.into())));
    for (header, added) in [
        (XForwardedFor, &["192.0.2.1, 10.0.0.1"][..]),
        (
            Forwarded,
            &["for=192.0.2.1, for=10.0.0.1", "for=\"192.0.2.1:80\";host=\"a,b\", by=\"_x\";for=\"10.0.0.1\""],
        ),
    ] {
        check_alone(header, &lines);
        for added in added {
            let outcome = read(header, &[&lines[..], &[added.as_bytes()]].concat());
            assert!(
                outcome == client || outcome == Err(ForwardedError::TooLong),
                "in a line of its own: {outcome:?}"
            );

            let (last, before) = lines.split_last().expect("split gives one at least");
            let line = [last, &b", "[..], added.as_bytes()].concat();
            let outcome = read(header, &[before, &[&line[..]]].concat());
            let quoted = header == Forwarded && outcome == Err(ForwardedError::Malformed);
            assert!(
                outcome == client || outcome == Err(ForwardedError::TooLong) || quoted,
                "in the client's own line: {outcome:?}"
            );
        }
    }
}

fn read(header: ForwardedHeader, lines: &[&[u8]]) -> Result<Option<Hop>, ForwardedError> {
    forwarded_client(header, lines.iter().copied(), |address| address == IpAddr::V4(PROXY))
}

/// An address that comes out is written as it is compared, and lines that say nothing change nothing.
fn check_alone(header: ForwardedHeader, lines: &[&[u8]]) {
    let outcome = read(header, lines);
    if let Ok(Some(Hop::Address(address))) = outcome {
        assert_eq!(address, address.to_canonical());
    }
    assert_eq!(read(header, &[&[&b" ,"[..]], lines, &[b""]].concat()), outcome);
}

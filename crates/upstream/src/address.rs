//! Where requests go: a URL with places for values, such as `https://chat.example/events/{hub}?code=secret`.
//!
//! | written | means |
//! |---|---|
//! | `http://HOST[:PORT][/PATH][?QUERY]` | HTTP/1.1 over TCP |
//! | `https://HOST[:PORT][/PATH][?QUERY]` | HTTP/2 or HTTP/1.1 over TLS |
//! | `unix:/PATH/TO/SOCKET[:/PATH][?QUERY]` | HTTP/1.1 over a Unix socket; its path ends at the first `:/` |
//!
//! `USER:PASSWORD@` before the host becomes `Authorization: Basic`.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::uri::{Authority, PathAndQuery};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Longest path of a Unix socket in bytes, as the kernel has it.
const SOCKET_PATH_MAX: usize = 107;
/// What of a value is written as it is: what RFC 3986 calls unreserved.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where requests go. Neither Debug nor Display show its query and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    origin: Origin,
    target: Vec<Piece>,
    authorization: Option<HeaderValue>,
}

/// Whom a connection is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Over TCP; `authority` is what `Host` says.
    Tcp { host: String, port: u16, is_tls: bool, authority: Authority },
    /// A socket of this machine.
    Unix(PathBuf),
}

impl Origin {
    /// What `Host` says, or `:authority`.
    pub(crate) fn authority(&self) -> &str {
        match self {
            Self::Tcp { authority, .. } => authority.as_str(),
            Self::Unix(_) => "localhost",
        }
    }
}

/// A part of the path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The value of this name.
    Value(String),
}

/// Why a text is no address: a sentence for the operator, without the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for AddressError {}

impl Address {
    /// Reads an address in which `{NAME}` may stand in path and query, for each of `names`.
    ///
    /// # Errors
    ///
    /// Where it is none of the forms above, has a fragment, a name that is none of `names`, or one in the host.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, AddressError> {
        let (origin, target, authorization) = match text.split_once(':') {
            Some(("unix", rest)) => {
                let (origin, target) = unix(rest)?;
                (origin, target, None)
            }
            Some(("http", rest)) => tcp(rest, false)?,
            Some(("https", rest)) => tcp(rest, true)?,
            _ => return refuse("expected http://, https:// or unix:/"),
        };
        if target.contains('#') {
            return refuse("a URL of a service has no fragment: write # as %23");
        }
        let target = match target.as_bytes().first() {
            Some(b'/') => target.to_owned(),
            _ => format!("/{target}"),
        };
        let address = Self { origin, target: pieces(&target, names)?, authorization };
        address
            .expanded(&[])
            .ok_or_else(|| AddressError("path or query have characters to be encoded".into()))?;
        Ok(address)
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.origin, Origin::Tcp { is_tls: true, .. })
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What stands for `USER:PASSWORD@`.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Path and query with values, percent-encoded; a name without one becomes nothing. `None` where it gets longer
    /// than a request line may be.
    pub(crate) fn expanded(&self, values: &[(&str, &str)]) -> Option<PathAndQuery> {
        let mut text = String::new();
        for piece in &self.target {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Value(name) => {
                    let value = values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
                    text.extend(utf8_percent_encode(value, VALUE));
                }
            }
        }
        PathAndQuery::try_from(text).ok()
    }
}

/// Scheme, host, port and path, names as they are written. No query, no password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Tcp { is_tls, authority, .. } => {
                write!(f, "{}://{authority}", if *is_tls { "https" } else { "http" })?;
            }
            Origin::Unix(path) => write!(f, "unix:{}:", path.display())?,
        }
        for piece in &self.target {
            match piece {
                Piece::Text(text) => {
                    let path = text.split('?').next().unwrap_or_default();
                    f.write_str(path)?;
                    if path.len() < text.len() {
                        break;
                    }
                }
                Piece::Value(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn refuse<T>(text: &str) -> Result<T, AddressError> {
    Err(AddressError(text.to_owned()))
}

/// What follows `unix:`.
fn unix(rest: &str) -> Result<(Origin, &str), AddressError> {
    let (path, target) = match rest.find(":/") {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, ""),
    };
    if !path.starts_with('/') || path.len() < 2 || path.contains(['{', '}', '?', '\0']) {
        return refuse("a Unix socket is written as unix:/path/to/socket:/path/of/the/request");
    }
    if path.len() > SOCKET_PATH_MAX {
        return refuse("the path of a Unix socket has at most 107 bytes");
    }
    Ok((Origin::Unix(path.into()), target))
}

type Tcp<'a> = (Origin, &'a str, Option<HeaderValue>);

/// What follows `http:` or `https:`.
fn tcp(rest: &str, is_tls: bool) -> Result<Tcp<'_>, AddressError> {
    let Some(rest) = rest.strip_prefix("//") else {
        return refuse("expected // after the scheme");
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, target) = rest.split_at(end);
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, place),
    };
    if place.contains(['{', '}']) {
        return refuse("the host cannot depend on a value");
    }
    let Some(authority) = place.parse::<Authority>().ok().filter(|authority| !authority.host().is_empty())
    else {
        return refuse("expected a host, and perhaps a port, after //");
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let usual = if is_tls { 443 } else { 80 };
    let port = authority.port_u16();
    if port == Some(0) || (port.is_none() && authority.as_str() != authority.host()) {
        return refuse("a port is 1 to 65535");
    }
    let authorization = user.map(basic).transpose()?;
    Ok((Origin::Tcp { host, port: port.unwrap_or(usual), is_tls, authority }, target, authorization))
}

/// `Authorization` for `USER:PASSWORD`.
fn basic(user: &str) -> Result<HeaderValue, AddressError> {
    let plain: Vec<u8> = percent_decode_str(user).collect();
    let text = format!("Basic {}", BASE64_STANDARD.encode(plain));
    let mut value =
        HeaderValue::try_from(text).map_err(|_| AddressError("user and password are too long".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn pieces(target: &str, names: &[&str]) -> Result<Vec<Piece>, AddressError> {
    let mut pieces = Vec::new();
    let mut rest = target;
    while let Some((text, after)) = rest.split_once('{') {
        let known = after.split_once('}').filter(|(name, _)| names.contains(name));
        let Some((name, after)) = known else {
            let names: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
            return refuse(&format!("after {{ expected one of: {}", names.join(", ")));
        };
        pieces.extend([Piece::Text(text.to_owned()), Piece::Value(name.to_owned())]);
        rest = after;
    }
    if rest.contains('}')
        || pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}')))
    {
        return refuse("a } without {");
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &[&str] = &["hub", "event"];

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, NAMES)
    }

    fn target(text: &str) -> String {
        let values = [("hub", "a b/ü?#"), ("event", "connect")];
        parse(text).unwrap().expanded(&values).unwrap().to_string()
    }

    #[test]
    fn values_stand_in_path_and_query_percent_encoded() {
        assert_eq!(
            target("http://h/{hub}/x/{event}?e={event}&c=1"),
            "/a%20b%2F%C3%BC%3F%23/x/connect?e=connect&c=1"
        );
        assert_eq!(target("http://h"), "/");
        assert_eq!(target("http://h?a=b"), "/?a=b");
        assert_eq!(target("unix:/run/a.sock:/e/{event}"), "/e/connect");
        assert_eq!(target("unix:/run/a.sock"), "/");
    }

    #[test]
    fn hosts_ports_and_sockets_are_found() {
        let origin = |text| parse(text).unwrap().origin;
        let place = |text| match origin(text) {
            Origin::Tcp { host, port, is_tls, authority } => (host, port, is_tls, authority.to_string()),
            Origin::Unix(path) => panic!("{path:?}"),
        };
        assert_eq!(place("http://a.example/x"), ("a.example".into(), 80, false, "a.example".into()));
        assert_eq!(place("https://a.example"), ("a.example".into(), 443, true, "a.example".into()));
        assert_eq!(place("http://[::1]:8080"), ("::1".into(), 8080, false, "[::1]:8080".into()));
        assert_eq!(origin("unix:/run/a:b.sock:/x?y=:/"), Origin::Unix("/run/a:b.sock".into()));
    }

    #[test]
    fn what_is_secret_is_sent_and_not_shown() {
        let address = parse("https://us%65r:mark%3Aer@h:8443/p/{hub}?code=marker").unwrap();
        let shown = format!("{address} {address:?}");
        assert_eq!(shown, "https://h:8443/p/{hub} Address(https://h:8443/p/{hub})");
        assert!(!format!("{:?}", address.authorization()).contains("dXN"), "{:?}", address.authorization());
        assert_eq!(address.authorization().unwrap(), "Basic dXNlcjptYXJrOmVy");
        assert_eq!(parse("http://h?code=marker").unwrap().to_string(), "http://h/");
        let unix = parse("unix:/run/a.sock:/x?code=marker").unwrap();
        assert_eq!(unix.to_string(), "unix:/run/a.sock:/x");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let long = format!("unix:/{}", "marker".repeat(20));
        for text in [
            "",
            "marker",
            "ftp://marker",
            "http:marker",
            "http://",
            "http:///marker",
            "http://marker:0",
            "http://marker:99999",
            "http://marker:/",
            "http://{hub}.marker/",
            "http://h/{marker}",
            "http://h/{hub",
            "http://h/marker}",
            "http://h/{hub}}",
            "http://h/marker#x",
            "http://h/mar ker",
            "http://h/mar\nker",
            "http://marker:x@",
            "unix:marker",
            "unix:",
            "unix:/",
            "unix:/{hub}.sock",
            &long,
            "http://mär/",
        ] {
            let error = parse(text).expect_err(text);
            assert!(!error.to_string().contains("mar"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_an_address_takes_any_value(
            text in "(http://h/|unix:/s:/|)\\PC{0,30}",
            value in ".*",
        ) {
            if let Ok(address) = parse(&text) {
                let _ = address.to_string();
                prop_assert!(address.expanded(&[("hub", &value), ("event", &value)]).is_some());
            }
        }
    }
}

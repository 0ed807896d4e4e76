//! Where a NATS server is.

use std::fmt;
use std::net::IpAddr;

/// Where NATS listens if nothing is said.
const PORT: u16 = 4222;

/// The address of a NATS server: `nats://HOST:PORT`, or `tls://HOST:PORT`. It has no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether TLS is asked for, whatever the server says.
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What is wrong with an address: a sentence for the operator. It does not repeat one that may have a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It is none.
    Form(String),
    /// It has credentials.
    Secret,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => {
                write!(f, "{text:?} is no address of a NATS server: nats://HOST:PORT or tls://HOST:PORT")
            }
            Self::Secret => {
                f.write_str("the address of a NATS server has no user or password: write them into a file")
            }
        }
    }
}

impl std::error::Error for UrlError {}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl ServerUrl {
    /// From `nats://HOST`, `nats://HOST:PORT`, `tls://…`, or without a scheme.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.contains('@') {
            return Err(UrlError::Secret);
        }
        Self::find(text).ok_or_else(|| UrlError::Form(text.to_owned()))
    }

    fn find(text: &str) -> Option<Self> {
        let (is_tls, rest) = match text.split_once("://") {
            Some(("tls", rest)) => (true, rest),
            Some(("nats", rest)) => (false, rest),
            Some(_) => return None,
            None => (false, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let port = match port? {
            "" if rest.ends_with(':') => return None,
            "" => PORT,
            port if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port > 0)?
            }
            _ => return None,
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
        let is_usable = (1..=253).contains(&host.len()) && host.bytes().all(is_host);
        is_usable.then(|| Self { is_tls, host: host.to_owned(), port })
    }

    /// Whether what is sent there stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_or_without_scheme_and_port() {
        for (text, shown, is_loopback) in [
            ("nats://127.0.0.1:4333", "nats://127.0.0.1:4333", true),
            ("nats://bus.example/", "nats://bus.example:4222", false),
            ("tls://bus-1.example:4443", "tls://bus-1.example:4443", false),
            ("localhost", "nats://localhost:4222", true),
            ("[::1]:1", "nats://[::1]:1", true),
            ("tls://[2001:db8::1]", "tls://[2001:db8::1]:4222", false),
            ("nats", "nats://nats:4222", false),
        ] {
            let found = ServerUrl::parse(text).unwrap();
            assert_eq!((found.to_string().as_str(), found.is_loopback()), (shown, is_loopback), "{text}");
            assert_eq!(ServerUrl::parse(&found.to_string()), Ok(found));
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "nats://",
            "http://a:1",
            "ws://a",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            "a/b",
            "a?b",
            "[::1",
            "[x]:1",
            "nats://a:1:2",
            "é",
            "nats://a:1/x",
        ] {
            assert_eq!(ServerUrl::parse(text), Err(UrlError::Form(text.to_owned())), "{text}");
        }
        let error = ServerUrl::parse("nats://user:secret@bus:4222").unwrap_err();
        assert!(error == UrlError::Secret && !error.to_string().contains("secret"), "{error}");
    }
}

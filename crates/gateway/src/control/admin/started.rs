//! What was started: what the admin server says of it, and where a browser reaches it.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, header};
use serde::Serialize;

use crate::logging::Start;
use crate::settings::{Listen, Settings};

/// What does not change while the process lives. No key, no URL with a query or a user.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Started {
    version: &'static str,
    /// When, in seconds since 1970: no two processes have the same.
    started_at: f64,
    /// The driver and what it uses, as in the start line.
    driver: String,
    /// Why it is not another, and why it does not use more.
    driver_reasons: Vec<String>,
    /// How many connections fit.
    room: u64,
    /// What binds.
    binding: String,
    /// What memory is planned with, and whose limit that is.
    memory: Option<String>,
    application: String,
    /// Names of the hubs.
    hubs: Vec<String>,
    /// Where it listens.
    listen: Vec<String>,
    /// Public names of the gateway, as WebSocket addresses.
    #[serde(skip)]
    endpoints: Vec<String>,
    #[serde(skip)]
    addresses: Vec<Listen>,
}

impl Started {
    /// What was started with these settings.
    #[must_use]
    pub fn new(start: &Start, settings: &Settings) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            driver: start.driver.clone(),
            driver_reasons: start.driver_reasons.clone(),
            room: start.room.connections,
            binding: start.room.binding.to_string(),
            memory: start.memory.as_ref().map(ToString::to_string),
            application: start.application.clone(),
            hubs: settings.hubs.iter().map(|hub| hub.name.clone()).collect(),
            listen: start.listen.iter().map(ToString::to_string).collect(),
            endpoints: settings.endpoints.iter().filter_map(|name| websocket(name)).collect(),
            addresses: start.listen.clone(),
        }
    }

    /// Where a browser that asks with these headers can connect as a client, each with a slash at its end.
    pub(super) fn clients(&self, headers: &HeaderMap) -> Vec<String> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(host_name);
        let listeners = self.addresses.iter().filter_map(|listen| match listen {
            // Where it listens on all addresses, that at which it was asked will do.
            Listen::Tcp(at) if at.ip().is_unspecified() => Some(format!("ws://{}:{}/", host?, at.port())),
            Listen::Tcp(at) => Some(format!("ws://{at}/")),
            Listen::Unix(_) => None,
        });
        listeners.chain(self.endpoints.iter().cloned()).collect()
    }
}

/// The WebSocket address of a public name such as `https://chat.example.com`.
fn websocket(endpoint: &str) -> Option<String> {
    let rest =
        endpoint.strip_prefix("http").filter(|rest| rest.starts_with("://") || rest.starts_with("s://"))?;
    let authority_ends = rest.find("://")? + 3;
    let authority = rest[authority_ends..].split('/').next()?;
    host_name(authority)?;
    Some(format!("ws{}{authority}/", &rest[..authority_ends]))
}

/// The host of an authority, without its port, if it is a name or an address and nothing else.
pub(super) fn host_name(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            matches!(address.parse(), Ok(IpAddr::V6(_))).then(|| (&authority[..address.len() + 2], port))?
        }
        None => {
            let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            (!name.is_empty() && name.bytes().all(is_name)).then_some((name, port))?
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_or_without_a_port() {
        let good = [
            ("localhost:9085", "localhost"),
            ("a-b.example", "a-b.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
        ];
        for (authority, host) in good {
            assert_eq!(host_name(authority), Some(host), "{authority}");
        }
        for bad in ["", ":80", "a b", "a;b", "[::1", "[x]:1", "a:b", "a:70000", "a'b", "user@host", "[::1]x"]
        {
            assert_eq!(host_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn browsers_connect_where_they_were_told_of_the_gateway() {
        let listen = |text: &str| Listen::Tcp(text.parse().expect("an address"));
        let started = Started {
            addresses: vec![listen("0.0.0.0:80"), listen("[::1]:81"), Listen::Unix("/run/it".into())],
            endpoints: ["https://chat.example.com/x", "http://a:90", "ftp://b", "https://u@c"]
                .iter()
                .filter_map(|name| websocket(name))
                .collect(),
            ..Started::default()
        };
        let asked = |host: &str| {
            let host = header::HeaderValue::from_str(host).expect("a header");
            started.clients(&HeaderMap::from_iter([(header::HOST, host)]))
        };
        let others = ["ws://[::1]:81/", "wss://chat.example.com/", "ws://a:90/"];
        assert_eq!(asked("node-1:9085"), [&["ws://node-1:80/"], &others[..]].concat());
        assert_eq!(asked("x; script-src *"), others, "what is no host is not repeated");
    }
}

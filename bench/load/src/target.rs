//! Which server, and from which source address each connection comes.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};

use anyhow::{Context, bail};
use http::Uri;

use crate::arguments::TargetArguments;
use crate::hub::Clients;

/// Host addresses in use of each 127.1.x.0/24.
const HOSTS_PER_NET: u32 = 250;

/// A server and the ways to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Host and port as the address bar would have it: the Host header.
    pub(crate) authority: String,
    path: String,
    /// TCP only.
    pub(crate) raw: bool,
    /// Offer permessage-deflate.
    pub(crate) deflate: bool,
    /// Who its clients are, if it is a hub's; each then has a path of its own.
    pub(crate) clients: Option<Clients>,
    /// Ask for this subprotocol.
    pub(crate) protocol: Option<String>,
    per_address: u32,
}

impl Target {
    /// Reads `ws://host:port/path`; resolves the host once.
    pub(crate) fn new(arguments: &TargetArguments) -> anyhow::Result<Self> {
        let url = &arguments.url;
        let uri: Uri = url.parse().with_context(|| format!("{url} is not an address"))?;
        match uri.scheme_str() {
            Some("ws" | "tcp") => {}
            _ => bail!("{url}: only ws:// (or tcp:// with --raw) is known here"),
        }
        let host = uri.host().context("an address without a host")?;
        let port = uri.port_u16().unwrap_or(80);
        let address = (host.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .with_context(|| format!("{host} has no address"))?
            .next()
            .with_context(|| format!("{host} has no address"))?;
        Ok(Self {
            address,
            authority: format!("{host}:{port}"),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            raw: arguments.raw,
            deflate: arguments.deflate,
            clients: None,
            protocol: arguments.protocol.clone(),
            per_address: arguments.per_address,
        })
    }

    /// What connection `index` asks for.
    pub(crate) fn path(&self, index: u32) -> Cow<'_, str> {
        self.clients.as_ref().map_or(Cow::Borrowed(&self.path), |clients| clients.path(index).into())
    }

    /// Source address of connection `index`, or `None` where the kernel may choose (a server outside 127/8).
    pub(crate) fn source(&self, index: u32) -> Option<SocketAddrV4> {
        match self.address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {}
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        }
        let block = index / self.per_address;
        let net = u8::try_from((block / HOSTS_PER_NET) % 256).unwrap_or(0);
        let host = u8::try_from(1 + block % HOSTS_PER_NET).unwrap_or(1);
        Some(SocketAddrV4::new(Ipv4Addr::new(127, 1, net, host), 0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn target(url: &str) -> anyhow::Result<Target> {
        Target::new(&TargetArguments::to(url))
    }

    #[test]
    fn an_address_is_split_into_host_port_and_path() {
        let target = target("ws://127.0.0.1:8085/chat?room=1").unwrap();
        assert_eq!(target.address, "127.0.0.1:8085".parse().unwrap());
        assert_eq!(target.authority, "127.0.0.1:8085");
        assert_eq!(target.path(7), "/chat?room=1");
    }

    #[test]
    fn another_scheme_is_refused() {
        assert!(target("wss://127.0.0.1:8085/").is_err());
        assert!(target("127.0.0.1:8085").is_err());
    }

    #[test]
    fn a_million_connections_share_no_address_beyond_the_bound() {
        let target = target("ws://127.0.0.1:8085/").unwrap();
        let mut per_address = HashMap::new();
        for index in 0..1_000_000 {
            *per_address.entry(*target.source(index).unwrap().ip()).or_insert(0_u32) += 1;
        }
        assert_eq!(per_address.len(), 500);
        assert!(per_address.values().all(|&count| count == 2000));
    }

    #[test]
    fn a_server_elsewhere_is_reached_from_the_address_that_the_kernel_chooses() {
        assert!(target("ws://[::1]:8085/").unwrap().source(0).is_none());
    }
}

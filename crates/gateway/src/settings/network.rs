//! Networks of addresses, in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use holdfast_proto::forwarded::ForwardedHeader;
use toml::Value as Toml;

use super::kinds::Kind;

/// Where trusted proxies connect from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Addresses that have the first so many bits in common with this one.
    Ip {
        /// An address of the network; IPv4 is never written as IPv6.
        address: IpAddr,
        /// Bits that count: 0 to 32 or 128.
        bits: u8,
    },
    /// Unix sockets, which have no address: their permissions say who may connect.
    Unix,
}

impl Network {
    /// Whether it contains a peer's address; `None` stands for a Unix socket.
    pub fn contains(self, peer: Option<IpAddr>) -> bool {
        match (self, peer.map(|peer| peer.to_canonical())) {
            (Self::Ip { address: IpAddr::V4(own), bits }, Some(IpAddr::V4(peer))) => {
                (own.to_bits() ^ peer.to_bits()).leading_zeros() >= bits.into()
            }
            (Self::Ip { address: IpAddr::V6(own), bits }, Some(IpAddr::V6(peer))) => {
                (own.to_bits() ^ peer.to_bits()).leading_zeros() >= bits.into()
            }
            (network, peer) => network == Self::Unix && peer.is_none(),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected an address, a network such as 10.0.0.0/8, or unix, not \"{text}\"");
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| expected())?;
        if bits > most || address.to_canonical() != address {
            return Err(expected());
        }
        Ok(Self::Ip { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip { address, bits } => write!(f, "{address}/{bits}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The headers in which proxies may say for whom they speak.
pub(super) const FORWARDED: &[(&str, ForwardedHeader)] =
    &[("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];

/// A network, or the Unix sockets.
pub(super) struct NetworkOrUnix;

impl Kind for NetworkOrUnix {
    type Value = Network;

    fn placeholder(&self) -> String {
        "ADDR/BITS|unix".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Network, String> {
        text.parse()
    }

    fn show(&self, value: &Network) -> Toml {
        Toml::String(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_begin_like_it() {
        for (network, address, contained) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "::ffff:10.1.2.3", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("unix", "127.0.0.1", false),
        ] {
            let peer = Some(address.parse().expect("an address"));
            assert_eq!(
                network.parse::<Network>().expect("a network").contains(peer),
                contained,
                "{network} {address}"
            );
        }
        assert!(Network::Unix.contains(None));
        assert!(!"0.0.0.0/0".parse::<Network>().expect("a network").contains(None));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/",
            "::ffff:10.0.0.1",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}

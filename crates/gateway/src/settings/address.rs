//! Where to listen.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// One place to listen for connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP on an IPv4 or IPv6 address.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => unix(path),
            None => tcp(text).map(Self::Tcp),
        }
    }
}

/// unix(7): a path has at most 107 bytes and a final NUL.
const UNIX_PATH_MAX: usize = 107;

fn unix(path: &str) -> Result<Listen, String> {
    match path.len() {
        0 => Err("unix: needs a path, such as unix:/run/holdfast.sock".to_owned()),
        len if len > UNIX_PATH_MAX => {
            Err(format!("the path of a Unix socket has at most {UNIX_PATH_MAX} bytes, this one has {len}"))
        }
        _ => Ok(Listen::Unix(PathBuf::from(path))),
    }
}

/// An IP address and a port; names are not looked up.
pub(crate) fn tcp(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8085, 0.0.0.0:8085 or [::]:8085".to_owned()
    })
}

/// Whether one socket cannot listen on `a` while another listens on `b`. Port 0 takes a free port, so never clashes.
pub(super) fn clash(a: SocketAddr, b: SocketAddr, ipv6_only: bool) -> bool {
    if a.port() != b.port() || a.port() == 0 {
        return false;
    }
    let dual = |ip: IpAddr| ip.is_ipv6() && ip.is_unspecified() && !ipv6_only;
    let covers = |wide: IpAddr, ip: IpAddr| {
        wide == ip
            || (wide.is_unspecified() && wide.is_ipv4() == ip.is_ipv4())
            || (dual(wide) && ip.is_ipv4())
    };
    covers(a.ip(), b.ip()) || covers(b.ip(), a.ip())
}

//! Why an address cannot be listened on, and what to change.

use std::fmt;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::settings::Listen;

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// Somebody else listens there, who may be about to end.
    pub(super) is_taken: bool,
    sentence: String,
}

impl ListenError {
    pub(super) fn taken(at: &Listen) -> Self {
        let sentence = format!("{at} is taken: another process listens there; stop it or change --listen");
        Self { is_taken: true, sentence }
    }

    pub(super) fn because(at: &Listen, why: &str) -> Self {
        Self { is_taken: false, sentence: format!("cannot listen on {at}: {why}") }
    }

    pub(super) fn of(at: &Listen, errno: Errno) -> Self {
        match errno {
            Errno::ADDRINUSE => Self::taken(at),
            errno => Self::because(at, &problem(at, errno)),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for ListenError {}

fn problem(at: &Listen, errno: Errno) -> String {
    let privileged = matches!(at, Listen::Tcp(address) if address.port() < 1024);
    let any = match at {
        Listen::Tcp(SocketAddr::V6(_)) => "[::]:PORT",
        _ => "0.0.0.0:PORT",
    };
    match errno {
        Errno::ADDRNOTAVAIL => {
            format!("it is no address of this machine: change --listen ({any} takes all of them)")
        }
        Errno::ACCESS | Errno::PERM if privileged => {
            "ports below 1024 are not permitted to this process: take another with --listen, or give it \
            CAP_NET_BIND_SERVICE"
                .to_owned()
        }
        Errno::ACCESS | Errno::PERM => {
            format!("a rule of this machine does not permit it ({errno}): change --listen, or the rule \
            (SELinux, Landlock, eBPF)")
        }
        Errno::AFNOSUPPORT => "this machine has no such addresses: change --listen".to_owned(),
        Errno::MFILE | Errno::NFILE => {
            "there are no descriptors left, and each shard needs one for each address: raise the limit (ulimit \
            -n), or lower \
             shards"
                .to_owned()
        }
        Errno::NOMEM | Errno::NOBUFS => "there is no memory left for it: lower shards, or give it more".to_owned(),
        errno => format!("{errno} (change --listen)"),
    }
}

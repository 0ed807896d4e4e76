//! What a bus is told at its start.

use std::fmt;
use std::path::PathBuf;

use rustls::ClientConfig;

use crate::credentials::Credentials;
use crate::server::ServerUrl;
use crate::tls;

/// What a bus is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of servers: `nats://HOST:PORT` or `tls://HOST:PORT`. One is chosen by chance, another when it is lost.
    pub urls: Vec<String>,
    /// What the servers call this client, for their operator.
    pub client_name: String,
    /// Who it is.
    pub credentials: Option<Credentials>,
    /// A file with certificates in PEM that are trusted besides those that browsers trust.
    pub ca: Option<PathBuf>,
    /// Files with its own certificate and key in PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether a server beyond loopback may be spoken to without TLS.
    pub insecure: bool,
    /// Most bytes that wait to be sent, and most that have come and wait for [`next`](holdfast_cluster::bus::Bus::next).
    pub queue_bytes: usize,
    /// To what it listens: no two of them may fit the same subject.
    pub subjects: Vec<String>,
    /// A subject below which nobody else listens or speaks, such as that of this node: the bus appends tokens.
    pub probe: String,
    /// The longest message that is published, in bytes. A server that takes less is not used.
    pub message_max: usize,
}

/// The bus cannot be started like this: one sentence for the operator, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub(crate) String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// Options that were checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) servers: Vec<ServerUrl>,
    pub(crate) tls: ClientConfig,
}

impl Options {
    /// Whether a bus can be started so.
    ///
    /// # Errors
    /// Why not, in one sentence: an address is none, TLS is missing, a file of certificates cannot be used.
    pub fn check(&self) -> Result<(), Unusable> {
        self.plan().map(|_| ())
    }

    pub(crate) fn plan(&self) -> Result<Plan, Unusable> {
        let parsed = self.urls.iter().map(|url| ServerUrl::parse(url));
        let servers: Vec<_> =
            parsed.collect::<Result<_, _>>().map_err(|error| Unusable(error.to_string()))?;
        if servers.is_empty() {
            return Err(Unusable("no address of a NATS server is given".to_owned()));
        }
        if let Some(server) = servers.iter().find(|server| !self.may_use(server)) {
            return Err(Unusable(format!(
                "{server} is beyond this machine and without TLS: write tls://{}:{}, or allow it by cluster-insecure",
                server.host, server.port
            )));
        }
        Ok(Plan { options: self.clone(), servers, tls: tls::config(self)? })
    }

    /// Whether a server is spoken to: with TLS, on this machine, or where the operator says so.
    pub(crate) fn may_use(&self, server: &ServerUrl) -> bool {
        server.is_tls || server.is_loopback() || self.insecure
    }
}

//! What a bus is told at its start.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::credentials::Credentials;
use crate::message::{is_pattern, is_subject};
use crate::server::ServerUrl;
use crate::tls;
use crate::unusable::Unusable;

/// What a bus is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Addresses of servers: `nats://HOST:PORT` or `tls://HOST:PORT`. One is chosen by chance, and another when it is
    /// lost.
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
    /// Most bytes that wait to be sent, and most that have come and wait for
    /// [`next`](holdfast_cluster::bus::Bus::next).
    pub queue_bytes: usize,
    /// To what it listens: no two of them may fit the same subject.
    pub subjects: Vec<String>,
    /// A subject below which nobody else listens or speaks, such as that of this node: the bus appends tokens.
    pub probe: String,
    /// The longest message that is published, in bytes. A server that takes less is not used. 0: as long as it takes.
    pub message_max: usize,
}

impl Default for Options {
    /// No server, and nothing to listen to.
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            client_name: String::new(),
            credentials: None,
            ca: None,
            certificate: None,
            insecure: false,
            queue_bytes: 16 << 20,
            subjects: Vec::new(),
            probe: String::new(),
            message_max: 0,
        }
    }
}

/// Options that were checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) servers: Vec<ServerUrl>,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Options {
    /// Those of a node on this machine.
    #[cfg(test)]
    pub(crate) fn of_tests() -> Self {
        Self {
            urls: vec!["nats://127.0.0.1:4222".to_owned()],
            client_name: "test".to_owned(),
            credentials: None,
            ca: None,
            certificate: None,
            insecure: false,
            queue_bytes: 1 << 20,
            subjects: vec!["hf1.test.c".to_owned()],
            probe: "hf1.test.n.0000000000ab".to_owned(),
            message_max: 1 << 20,
        }
    }

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
                "{server} is beyond this machine and without TLS: write tls://{}:{}, or say that it may be insecure",
                server.host, server.port
            )));
        }
        let is_pattern = |text: &&String| !is_pattern(text);
        if let Some(text) = self.subjects.iter().find(is_pattern) {
            return Err(Unusable(format!("{text:?} is no subject of NATS")));
        }
        if !is_subject(&self.probe) {
            return Err(Unusable(format!("{:?} is no subject of NATS", self.probe)));
        }
        Ok(Plan {
            options: self.clone(),
            servers,
            tls: Arc::new(tls::config(self.ca.as_deref(), self.certificate.as_ref())?),
        })
    }

    /// Whether a server is spoken to: with TLS, on this machine, or where the operator says so.
    pub(crate) fn may_use(&self, server: &ServerUrl) -> bool {
        server.is_tls || server.is_loopback() || self.insecure
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(options: &Options) -> String {
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn beyond_this_machine_tls_is_a_must_unless_the_operator_says_otherwise() {
        let options =
            |url: &str, insecure| Options { urls: vec![url.to_owned()], insecure, ..Options::of_tests() };
        for (url, insecure) in [
            ("nats://127.0.0.2:1", false),
            ("nats://localhost", false),
            ("tls://bus.example", false),
            ("nats://bus.example", true),
        ] {
            assert_eq!(options(url, insecure).check(), Ok(()), "{url}");
        }
        let text = refused(&options("nats://bus.example:4222", false));
        assert!(text.contains("without TLS") && text.contains("tls://bus.example:4222"), "{text}");
    }

    #[test]
    fn what_cannot_be_used_is_said_in_one_sentence() {
        assert!(refused(&Options { urls: vec![], ..Options::of_tests() }).contains("no address"));
        let text = refused(&Options { urls: vec!["nats://u:secret@h".into()], ..Options::of_tests() });
        assert!(text.contains("into a file") && !text.contains("secret"), "{text}");
        for subject in ["", "a..b", "a b", "a\r\nb"] {
            let options = Options { subjects: vec![subject.to_owned()], ..Options::of_tests() };
            assert!(refused(&options).contains("no subject"), "{subject}");
            assert!(
                refused(&Options { probe: subject.to_owned(), ..Options::of_tests() }).contains("no subject")
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        let with = |ca: Option<PathBuf>, certificate| Options { ca, certificate, ..Options::of_tests() };
        assert!(refused(&with(Some(file.clone()), None)).contains("file.pem"));
        fs::write(&file, "nothing").unwrap();
        assert!(refused(&with(Some(file.clone()), None)).contains("has no certificate"));
        assert!(refused(&with(None, Some((file.clone(), file)))).contains("file.pem"));
    }
}

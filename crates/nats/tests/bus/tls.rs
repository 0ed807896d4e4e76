//! TLS: who the server is, and who the node is.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_nats::{NatsBus, Options};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::node::{here, options, until_error};
use crate::server::Server;

/// An authority, and a certificate of its for `localhost` and another that clients show.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            write(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, more: &str) -> Option<Server> {
        let shown = |path: &Path| path.display().to_string();
        let (cert, key) = (shown(&self.path("server.pem")), shown(&self.path("server.key")));
        Server::start(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, timeout: 10, {more} }}"))
    }

    fn trusting(&self, server: &Server, scheme: &str) -> Options {
        let urls = vec![format!("{scheme}://localhost:{}", server.port)];
        Options { urls, ca: Some(self.path("ca.pem")), ..options(server, 1) }
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_that_is_trusted_is_used() {
    let files = Files::new();
    let Some(server) = files.server("") else { return };
    here(&files.trusting(&server, "tls")).await;
    // One that asks for TLS gets it.
    here(&files.trusting(&server, "nats")).await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_or_has_no_tls_is_not_used() {
    let (files, others) = (Files::new(), Files::new());
    let (Some(server), Some(plain)) = (files.server(""), Server::start("")) else { return };
    let bus = NatsBus::start(&others.trusting(&server, "tls")).unwrap();
    until_error(&bus, "certificate").await;
    let elsewhere = vec![format!("tls://127.0.0.1:{}", server.port)];
    let bus = NatsBus::start(&Options { urls: elsewhere, ..files.trusting(&server, "tls") }).unwrap();
    until_error(&bus, "certificate").await;
    let bus = NatsBus::start(&files.trusting(&plain, "tls")).unwrap();
    let error = until_error(&bus, "no connection to tls://localhost").await;
    assert!(!error.contains('\n'), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it_or_says_so() {
    let files = Files::new();
    let ca = files.path("ca.pem").display().to_string();
    let Some(server) = files.server(&format!("ca_file: {ca:?}, verify: true")) else { return };
    let options = files.trusting(&server, "tls");
    let certificate = Some((files.path("client.pem"), files.path("client.key")));
    here(&Options { certificate, ..options.clone() }).await;
    let bus = NatsBus::start(&options).unwrap();
    until_error(&bus, "tls://localhost").await;
}

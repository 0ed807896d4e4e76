//! TLS: who the server is, and who the node is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_nats::{Credentials, NatsBus, Options};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::fake::{info, listen};
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

#[tokio::test]
async fn a_server_that_wants_tls_before_it_says_anything_is_used() {
    // Newer ones know that.
    if crate::server::version().is_none_or(|version| version < (2, 11)) {
        return;
    }
    let files = Files::new();
    let Some(server) = files.server("handshake_first: true") else { return };
    here(&files.trusting(&server, "tls")).await;
}

/// What somebody on the way has said before TLS is not taken for what the server says.
#[tokio::test]
async fn what_is_said_before_tls_but_for_the_first_line_ends_the_attempt_and_nothing_of_ours_is_said_there() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let port = listen(move |mut stream, number| {
        let sender = sender.clone();
        async move {
            let more = ["", ",\"tls_required\":true", ",\"tls_available\":true"][number % 3];
            let says = info("x", more) + if more.is_empty() { "" } else { "PONG\r\n" };
            stream.write_all(says.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            let _ = timeout(Duration::from_secs(1), stream.read_to_end(&mut all)).await;
            let _ = sender.send(all);
        }
    })
    .await;
    let options = Options {
        urls: vec![format!("tls://127.0.0.1:{port}")],
        credentials: Credentials::parse("user:password"),
        subjects: vec!["a".to_owned()],
        probe: "b".to_owned(),
        ..Options::default()
    };
    let bus = NatsBus::start(&options).unwrap();
    for _ in 0..3 {
        let said = heard.recv().await.unwrap();
        assert!(!said.windows(7).any(|part| part == b"CONNECT"), "{said:?}");
    }
    assert!(bus.status().session.is_none());
}

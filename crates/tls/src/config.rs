//! What handshakes are made with: certificates, suites, tickets, whose client certificates are believed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerConfig,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SignatureAlgorithm, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::UnixTime;

use crate::capture::{Listener, told_name};
use crate::certificate::{Certificate, authorities};
use crate::clock::Clock;
use crate::leaf::Leaf;
use crate::names::Names;
use crate::suite::{Suite, Version, Width};
use crate::tickets::Tickets;

/// Tickets that a client gets under TLS 1.3: one may be lost with a connection that fails.
const TICKETS_SENT: usize = 2;

/// The protocol that is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// What a configuration is made of.
#[derive(Debug)]
pub struct Options {
    /// What may be used, the preferred first; a client's own order counts more.
    pub suites: Vec<Suite>,
    /// The first is the default.
    pub certificates: Vec<Certificate>,
    /// Whether a client that asks for a name which is not known gets the default certificate, or is refused.
    pub serves_unknown_names: bool,
    /// Client certificates.
    pub clients: Clients,
    /// Tickets, if sessions may be resumed.
    pub tickets: Option<Arc<Tickets>>,
    /// What time it is.
    pub clock: Arc<Clock>,
}

/// Client certificates.
#[derive(Clone, Debug)]
pub enum Clients {
    /// They are not asked for.
    Off,
    /// They are asked for, and believed if one of these authorities, in PEM, has signed them.
    Optional(Vec<u8>),
    /// And nobody is let in without one.
    Required(Vec<u8>),
}

/// What handshakes are made with. It is cheap to clone and never changes: after a reload there is another.
#[derive(Clone)]
pub struct Config {
    server: Arc<ServerConfig>,
    facts: Arc<[Fact]>,
    width: Width,
}

/// What is to be known of a certificate in use.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Whom it is for, and until when.
    pub leaf: Leaf,
    /// Its key is RSA's, with which a handshake costs some four times as much.
    pub is_rsa: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Config").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Config {
    /// Checks and takes what it is to be made of.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn new(options: Options) -> Result<Self, String> {
        let Options { suites, certificates, serves_unknown_names, clients, tickets, clock } = options;
        let width = suites.iter().map(|suite| suite.width()).max().ok_or("no suite is named")?;
        let provider = provider(&suites);
        let context = context(&clients);
        let verifier = verifier(clients, &provider)?;
        let (facts, shown) = shown(certificates, serves_unknown_names, &provider)?;
        let time = Arc::new(Time(Arc::clone(&clock)));
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&versions(&suites))
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(shown));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.key_log = Arc::new(Listener);
        server.enable_secret_extraction = true;
        server.max_early_data_size = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = if tickets.is_some() { TICKETS_SENT } else { 0 };
        if let Some(tickets) = tickets {
            server.ticketer = Arc::new(Ticketer { tickets, clock, context });
        }
        Ok(Self { server: Arc::new(server), facts, width })
    }

    /// The certificates in use.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// How wide a table must be for the states of its handshakes.
    pub fn width(&self) -> Width {
        self.width
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

/// What handshakes are made with by who connects: load tools, and tests. Sessions are not resumed, since tickets come
/// after rustls is gone.
#[derive(Clone)]
pub struct ClientConfig(Arc<rustls::ClientConfig>);

impl fmt::Debug for ClientConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientConfig")
    }
}

impl ClientConfig {
    /// For servers whose certificates one of these authorities, in PEM, has signed.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn new(pem: &[u8], suites: &[Suite], clock: Arc<Clock>) -> Result<Self, String> {
        let provider = provider(suites);
        let mut config = rustls::ClientConfig::builder_with_details(provider, Arc::new(Time(clock)))
            .with_protocol_versions(&versions(suites))
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots(pem)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.key_log = Arc::new(Listener);
        config.enable_secret_extraction = true;
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// The versions of these suites.
fn versions(suites: &[Suite]) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(Version::V13, &TLS13), (Version::V12, &TLS12)];
    let is_meant = |version| suites.iter().any(|suite| suite.version() == version);
    all.into_iter().filter(|(version, _)| is_meant(*version)).map(|(_, known)| known).collect()
}

/// Authorities in PEM.
fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities(pem)? {
        roots.add(authority).map_err(|error| format!("an authority cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// Our suites in rustls' words.
fn provider(suites: &[Suite]) -> Arc<CryptoProvider> {
    let cipher_suites = suites.iter().flat_map(|suite| in_rustls(*suite)).collect();
    Arc::new(CryptoProvider { cipher_suites, ..default_provider() })
}

fn in_rustls(suite: Suite) -> Vec<SupportedCipherSuite> {
    match suite {
        Suite::Aes128V13 => vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        Suite::ChaCha20V13 => vec![cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        Suite::Aes256V13 => vec![cipher_suite::TLS13_AES_256_GCM_SHA384],
        Suite::Aes128V12 => vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        Suite::ChaCha20V12 => vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        Suite::Aes256V12 => vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
    }
}

/// Who judges client certificates.
fn verifier(clients: Clients, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let (pem, is_required) = match clients {
        Clients::Off => return Ok(WebPkiClientVerifier::no_client_auth()),
        Clients::Optional(pem) => (pem, false),
        Clients::Required(pem) => (pem, true),
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&pem)?), Arc::clone(provider));
    let builder = if is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| error.to_string())
}

/// What a ticket is bound to: whose certificates were believed, and whether one was required. A ticket of other times
/// would let somebody in who would not be let in today.
fn context(clients: &Clients) -> digest::Digest {
    let (mark, pem) = match clients {
        Clients::Off => (0, &[][..]),
        Clients::Optional(pem) => (1, &pem[..]),
        Clients::Required(pem) => (2, &pem[..]),
    };
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[mark]);
    context.update(pem);
    context.finish()
}

/// Certificates by name, and what is to be known of them.
fn shown(
    certificates: Vec<Certificate>,
    serves_unknown: bool,
    provider: &CryptoProvider,
) -> Result<(Arc<[Fact]>, Shown), String> {
    if certificates.is_empty() {
        return Err("there is no certificate".into());
    }
    let (mut facts, mut named) = (Vec::new(), Vec::new());
    for certificate in certificates {
        let leaf = certificate.leaf().clone();
        let key = CertifiedKey::from_der(certificate.chain, certificate.key, provider)
            .map_err(|error| format!("a certificate and its key cannot be used: {error}"))?;
        let is_rsa = is_rsa(&key);
        named.push((leaf.names.clone(), Arc::new(key)));
        facts.push(Fact { leaf, is_rsa });
    }
    Ok((facts.into(), Shown(Names::new(named, serves_unknown))))
}

/// Chooses a certificate by the client's name and by what it can verify; a cheap one if there is a choice.
#[derive(Debug)]
struct Shown(Names<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (name, schemes) = (hello.server_name(), hello.signature_schemes());
        let all = || self.0.of(name);
        told_name(name, all().next().is_some());
        let usable = || all().filter(|key| key.key.choose_scheme(schemes).is_some());
        // If none is usable, rustls finds out why, and says the right thing.
        usable().find(|key| !is_rsa(key)).or_else(|| usable().next()).or_else(|| all().next()).cloned()
    }
}

fn is_rsa(key: &CertifiedKey) -> bool {
    key.key.algorithm() == SignatureAlgorithm::RSA
}

/// Tickets in rustls' words.
#[derive(Debug)]
struct Ticketer {
    tickets: Arc<Tickets>,
    clock: Arc<Clock>,
    context: digest::Digest,
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.seal(plain, self.context.as_ref(), self.clock.seconds())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.open(ticket, self.context.as_ref(), self.clock.seconds())
    }
}

/// The clock in rustls' words.
#[derive(Debug)]
struct Time(Arc<Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.seconds())))
    }
}

//! Both ends of a connection in memory: a server as a shard makes one of this crate, and rustls as its client.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use holdfast_tls::{
    ALERT_LEN_MAX, Alert, Certificate, Clients, Clock, Config, End, Established, Failure, Handshake, Options,
    Suite, Table, Tickets, alert, open, refresh, seal,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// 2026-11-28.
pub(crate) const NOW: u64 = 1_795_824_000;

/// An authority and what it has signed, in PEM.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for some names and its key.
    pub(crate) fn signed(&self, names: &[&str], is_rsa: bool) -> (String, String) {
        let key = if is_rsa {
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
        } else {
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        };
        let key = key.expect("a key");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("parameters");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("nobody", |name| name));
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }
}

pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
pub(crate) static ECDSA: LazyLock<(String, String)> =
    LazyLock::new(|| AUTHORITY.signed(&["one.example"], false));
pub(crate) static RSA: LazyLock<(String, String)> =
    LazyLock::new(|| AUTHORITY.signed(&["one.example"], true));
pub(crate) static CLIENT: LazyLock<(String, String)> =
    LazyLock::new(|| AUTHORITY.signed(&["device-7"], false));

pub(crate) fn certificate((chain, key): &(String, String)) -> Certificate {
    Certificate::read(chain.as_bytes(), key.as_bytes()).expect("a certificate")
}

pub(crate) fn clock() -> Arc<Clock> {
    Arc::new(Clock::new(NOW))
}

/// A server with one certificate, all suites, and tickets.
pub(crate) fn options() -> Options {
    Options {
        suites: Suite::ALL.to_vec(),
        certificates: vec![certificate(&ECDSA)],
        serves_unknown_names: true,
        clients: Clients::Off,
        tickets: Some(Arc::new(Tickets::made(3600, NOW).expect("keys"))),
        clock: clock(),
    }
}

/// How a client is to be.
pub(crate) struct Wishes {
    pub(crate) suites: Vec<SupportedCipherSuite>,
    pub(crate) has_certificate: bool,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) resumption: Resumption,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            suites: aws_lc_rs::ALL_CIPHER_SUITES.to_vec(),
            has_certificate: false,
            alpn: Vec::new(),
            resumption: Resumption::in_memory_sessions(8),
        }
    }
}

/// The suite of rustls that must come of one of ours.
pub(crate) fn in_rustls(suite: Suite) -> Vec<SupportedCipherSuite> {
    use aws_lc_rs::cipher_suite as all;
    match suite {
        Suite::Aes128V13 => vec![all::TLS13_AES_128_GCM_SHA256],
        Suite::ChaCha20V13 => vec![all::TLS13_CHACHA20_POLY1305_SHA256],
        Suite::Aes256V13 => vec![all::TLS13_AES_256_GCM_SHA384],
        Suite::Aes128V12 => {
            vec![all::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, all::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
        }
        Suite::ChaCha20V12 => vec![
            all::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            all::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        Suite::Aes256V12 => {
            vec![all::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, all::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]
        }
    }
}

pub(crate) fn client_config(wishes: Wishes) -> Arc<ClientConfig> {
    let provider = CryptoProvider { cipher_suites: wishes.suites, ..aws_lc_rs::default_provider() };
    let mut versions = vec![&rustls::version::TLS12, &rustls::version::TLS13];
    versions.retain(|version| provider.cipher_suites.iter().any(|suite| suite.version() == *version));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY.pem.as_bytes()).expect("PEM")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = if wishes.has_certificate {
        let chain = CertificateDer::from_pem_slice(CLIENT.0.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(CLIENT.1.as_bytes()).expect("PEM");
        builder.with_client_auth_cert(vec![chain], key).expect("a key")
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = wishes.alpn;
    config.resumption = wishes.resumption;
    Arc::new(config)
}

pub(crate) fn client(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    client.set_buffer_limit(None);
    client
}

/// Numbers that look like chance and follow from a seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).expect("31 bits") % end.max(1)
    }
}

/// A server as a shard makes it: it echoes what it hears, in the buffer in which it came.
pub(crate) struct Server {
    handshake: Option<Handshake>,
    table: Table,
    rest: Vec<u8>,
    /// What is on its way to the client.
    pub(crate) out: Vec<u8>,
    pub(crate) established: Option<Established>,
    pub(crate) failure: Option<Failure>,
    pub(crate) end: Option<End>,
    pub(crate) key_updates: u32,
    /// A KeyUpdate of its own goes before every so many answers.
    pub(crate) refreshes_each: usize,
    answers: usize,
}

impl Server {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            handshake: Some(Handshake::new(config).expect("a handshake")),
            table: Table::new(config.width(), 2),
            rest: Vec::new(),
            out: Vec::new(),
            established: None,
            failure: None,
            end: None,
            key_updates: 0,
            refreshes_each: 0,
            answers: 0,
        }
    }

    /// Takes bytes that have come.
    pub(crate) fn input(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if let Some(handshake) = &mut self.handshake {
            match handshake.feed(bytes, &mut self.out) {
                Err(failure) => {
                    (self.failure, self.handshake) = (Some(failure), None);
                    return;
                }
                Ok(progress) => {
                    bytes = &bytes[progress.used..];
                    let Some(established) = progress.done else { return assert!(bytes.is_empty()) };
                    assert!(self.table.put(1, &established.state));
                    (self.established, self.handshake) = (Some(*established), None);
                }
            }
        }
        if self.failure.is_none() {
            self.echo(bytes);
        }
    }

    /// Wipes what it has of its client.
    pub(crate) fn wipe(&mut self) {
        self.established = None;
        self.table.wipe(1);
    }

    fn echo(&mut self, bytes: &[u8]) {
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.extend_from_slice(bytes);
        let len = buffer.len();
        // As a lent buffer has it, there is more behind than what has come.
        buffer.resize(len + 64, 0xAA);
        let Some(mut session) = self.table.session(1) else { return };
        let opened = open(&mut session, &mut buffer, 0..len);
        self.rest.extend_from_slice(&buffer[opened.rest.clone()]);
        self.key_updates += opened.key_updates;
        if !opened.plain.is_empty() {
            self.answers += 1;
            if self.refreshes_each > 0 && self.answers.is_multiple_of(self.refreshes_each) {
                refresh(&mut session, self.answers.is_multiple_of(2));
            }
            let wire = seal(&mut session, &mut buffer, opened.plain).expect("room");
            self.out.extend_from_slice(&buffer[wire]);
        }
        if let (Some(end), None) = (opened.end, self.end) {
            let mut last = [0; ALERT_LEN_MAX];
            let said = match end {
                End::Closed => alert(&mut session, Alert::CloseNotify, &mut last),
                End::Fault(fault) => alert(&mut session, fault, &mut last),
                End::Alerted(_) => 0,
            };
            self.out.extend_from_slice(&last[..said]);
            self.end = Some(end);
        }
    }
}

/// A client and a server with a wire between that cuts anywhere.
pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) server: Server,
    pub(crate) random: Random,
    /// What the client has received.
    pub(crate) heard: Vec<u8>,
    pub(crate) client_error: Option<rustls::Error>,
}

impl Pair {
    pub(crate) fn new(client: ClientConnection, server: Server, seed: u64) -> Self {
        Self { client, server, random: Random::new(seed), heard: Vec::new(), client_error: None }
    }

    /// Carries bytes both ways until nobody says any more.
    pub(crate) fn run(&mut self) {
        let mut wire = Vec::new();
        loop {
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).expect("memory");
            }
            if wire.is_empty() && self.server.out.is_empty() {
                return;
            }
            if !wire.is_empty() {
                let len = 1 + self.random.cut(wire.len());
                let bytes: Vec<_> = wire.drain(..len).collect();
                self.server.input(&bytes);
            }
            if !self.server.out.is_empty() {
                let len = 1 + self.random.cut(self.server.out.len());
                let bytes: Vec<_> = self.server.out.drain(..len).collect();
                self.receive(&bytes);
            }
        }
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.client_error.is_none() {
            if self.client.read_tls(&mut bytes).expect("memory") == 0 {
                return;
            }
            if let Err(error) = self.client.process_new_packets() {
                self.client_error = Some(error);
            }
            let mut data = [0; 4096];
            while let Ok(len @ 1..) = self.client.reader().read(&mut data) {
                self.heard.extend_from_slice(&data[..len]);
            }
        }
    }

    pub(crate) fn say(&mut self, data: &[u8]) {
        self.client.writer().write_all(data).expect("room");
    }

    pub(crate) fn established(&self) -> &Established {
        self.server.established.as_ref().unwrap_or_else(|| panic!("{:?}", self.server.failure))
    }
}

impl Random {
    /// A place to cut at: often the end, sometimes the first bytes.
    pub(crate) fn cut(&mut self, len: usize) -> usize {
        match self.below(4) {
            0 => len - 1,
            1 => self.below(8).min(len - 1),
            _ => self.below(len),
        }
    }
}

//! The handshake: rustls makes it, one record at a time, and is dropped when it is over.

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{
    CommonState, ConnectionTrafficSecrets, Error, ExtractedSecrets, HandshakeKind, ProtocolVersion,
};
use rustls_pki_types::ServerName;
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::bounds::HANDSHAKE_BYTES_MAX;
use crate::capture::{Secret, Told, listening};
use crate::config::{ClientConfig, Config};
use crate::gather::{Gather, Gathered};
use crate::lens::IV_LEN;
use crate::secret::Expander;
use crate::state::{Direction, Role, State};
use crate::suite::{Suite, Version};

/// The most steps that rustls takes with one record.
const STEPS_MAX: usize = 64;

/// A handshake under way.
pub struct Handshake {
    /// Taken when the handshake is over.
    end: Option<End>,
    told: Told,
    gather: Gather,
    /// Something was said to the peer; from then on an alert may have to be sealed.
    has_spoken: bool,
}

/// Which end of the connection this is.
enum End {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl fmt::Debug for Handshake {
    /// No secret is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handshake").field("heard", &self.heard()).finish_non_exhaustive()
    }
}

/// How a handshake goes on.
#[derive(Debug)]
pub struct Progress {
    /// How many bytes of the input were used. What follows them, once the handshake is over, is for
    /// [`open`](crate::open()).
    pub used: usize,
    /// The handshake is over.
    pub done: Option<Box<Established>>,
}

/// What a handshake has come to.
#[derive(Debug)]
pub struct Established {
    /// What is kept.
    pub state: State,
    /// The suite, and with it the version.
    pub suite: Suite,
    /// How the first secret was agreed on, such as `X25519MLKEM768`.
    pub group: Option<&'static str>,
    /// Whether it has gone on from an earlier connection's ticket.
    pub is_resumed: bool,
    /// The name that the client asked for.
    pub server_name: Option<Box<str>>,
    /// Whether the protocol was agreed on, which is then http/1.1.
    pub has_alpn: bool,
    /// The client's certificate in DER, where it has shown one and was believed.
    pub client_certificate: Option<Vec<u8>>,
}

/// Why there is no connection. What is to be said to the peer is in the output by then.
#[derive(Debug)]
pub struct Failure {
    /// What has gone wrong.
    pub why: Why,
    /// A sentence for logs. No secret is in it.
    pub text: String,
}

/// What has gone wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer does not speak TLS. Nothing was written: if it speaks HTTP, it may be answered in plain text.
    NotTls,
    /// The peer has sent more than a handshake takes.
    TooMuch,
    /// The peer has refused, with an alert of this number: 42 to 48 and 116 mean that it does not believe the
    /// certificate.
    Alerted(u8),
    /// The peer was refused: it asks for what is not served, or breaks the protocol.
    Refused,
    /// It is our own fault.
    Internal,
}

impl Handshake {
    /// For a peer that has just connected.
    ///
    /// # Errors
    ///
    /// If rustls refuses its configuration.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let connection = UnbufferedServerConnection::new(config.server()).map_err(|error| failure(&error))?;
        Ok(Self::of(End::Server(Box::new(connection))))
    }

    /// For a server that this end has connected to, by its name or address. The first call of [`Handshake::feed`], with
    /// nothing, gives what is to be sent first.
    ///
    /// # Errors
    ///
    /// If this cannot be a name, or rustls refuses its configuration.
    pub fn client(config: &ClientConfig, name: &str) -> Result<Self, Failure> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| Failure { why: Why::Internal, text: format!("{name:?}: {error}") })?;
        let connection =
            UnbufferedClientConnection::new(config.client(), name).map_err(|error| failure(&error))?;
        Ok(Self::of(End::Client(Box::new(connection))))
    }

    fn of(end: End) -> Self {
        Self { end: Some(end), told: Told::default(), gather: Gather::default(), has_spoken: false }
    }

    /// Takes what has come, cut anywhere, and appends what is to be sent.
    ///
    /// # Errors
    ///
    /// [`Failure`], after which nothing more must be given in. What was appended is still to be sent.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        let is_client = matches!(self.end, Some(End::Client(_)));
        if is_client && !self.has_spoken {
            self.step(out)?;
        }
        if !is_client && self.heard() == 0 && input.first().is_some_and(|first| *first != HANDSHAKE) {
            return Err(Failure { why: Why::NotTls, text: "what has come is not TLS".into() });
        }
        let mut rest = input;
        loop {
            match self.gather.take(&mut rest) {
                Gathered::Waits => return Ok(Progress { used: input.len(), done: None }),
                Gathered::TooMuch => {
                    self.say_plainly(Alert::HandshakeFailure, out);
                    let text = format!(
                        "a handshake of more than {HANDSHAKE_BYTES_MAX} bytes or of too many records"
                    );
                    return Err(Failure { why: Why::TooMuch, text });
                }
                Gathered::Record if self.step(out)? => {
                    let done = Some(Box::new(self.finish()?));
                    return Ok(Progress { used: input.len() - rest.len(), done });
                }
                Gathered::Record => {}
            }
        }
    }

    /// How many bytes have come so far.
    pub fn heard(&self) -> usize {
        self.gather.heard()
    }

    /// Has rustls look at the records that are whole; true if the handshake is over.
    ///
    /// It is given nothing behind the record that ends the handshake: it would open it.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Failure> {
        for _ in 0..STEPS_MAX {
            let Some(end) = &mut self.end else { break };
            let (told, whole) = (&mut self.told, self.gather.whole());
            let (discard, turn) = match end {
                End::Server(connection) => {
                    turn(listening(told, || connection.process_tls_records(whole)), out)
                }
                End::Client(connection) => {
                    turn(listening(told, || connection.process_tls_records(whole)), out)
                }
            };
            self.gather.discard(discard);
            match turn {
                Ok(Turn::Spoken) => self.has_spoken = true,
                Ok(Turn::Sent) => {}
                Ok(Turn::Waits) => return Ok(false),
                Ok(Turn::Over) => return Ok(true),
                Err(failure) => return Err(self.failed(failure, out)),
            }
        }
        Err(Failure { why: Why::Internal, text: "the handshake does not come to an end".into() })
    }

    /// Says to the peer that it has failed.
    fn failed(&mut self, failure: Failure, out: &mut Vec<u8>) -> Failure {
        let before = out.len();
        self.last_words(out);
        if out.len() == before && !matches!(failure.why, Why::Alerted(_)) {
            // rustls says nothing of some messages that it cannot read.
            self.say_plainly(Alert::DecodeError, out);
        }
        // rustls says that access is denied. RFC 6066 3 has an alert for this, and there are no keys yet.
        if self.told.is_name_unknown && out.ends_with(&ACCESS_DENIED) {
            out.truncate(out.len() - ACCESS_DENIED.len());
            out.extend(Alert::UnrecognizedName.plain());
            let name = self.told.name.as_deref().unwrap_or_default();
            return refused(&format!("there is no certificate for the name {name:?}"));
        }
        failure
    }

    /// Appends an alert as long as that can be done without keys.
    fn say_plainly(&self, alert: Alert, out: &mut Vec<u8>) {
        if !self.has_spoken {
            out.extend(alert.plain());
        }
    }

    /// Appends the alert that rustls wants to be sent before the end, and lets go of rustls.
    ///
    /// It is asked for nothing else: once it has failed it must not look at records again.
    fn last_words(&mut self, out: &mut Vec<u8>) {
        let Some(mut end) = self.end.take() else { return };
        let told = &mut self.told;
        let mut has_spoken = true;
        while has_spoken {
            let (_, turn) = match &mut end {
                End::Server(it) if it.wants_write() => {
                    turn(listening(told, || it.process_tls_records(&mut [])), out)
                }
                End::Client(it) if it.wants_write() => {
                    turn(listening(told, || it.process_tls_records(&mut [])), out)
                }
                _ => return,
            };
            has_spoken = matches!(turn, Ok(Turn::Spoken));
        }
    }

    /// Takes over from rustls.
    fn finish(&mut self) -> Result<Established, Failure> {
        let internal = |text: &str| Failure { why: Why::Internal, text: text.into() };
        let end = self.end.take().ok_or_else(|| internal("this handshake is over"))?;
        let role = match end {
            End::Server(_) => Role::Server,
            End::Client(_) => Role::Client,
        };
        let common: &CommonState = match &end {
            End::Server(connection) => connection,
            End::Client(connection) => connection,
        };
        let group = common.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        let is_resumed = common.handshake_kind() == Some(HandshakeKind::Resumed);
        let has_alpn = common.alpn_protocol().is_some();
        let certificate = common.peer_certificates().and_then(|chain| Some(chain.first()?.as_ref().to_vec()));
        let version = common.protocol_version();
        // Nothing of rustls is kept: what it would be for follows from the secrets.
        let secrets = match end {
            End::Server(connection) => {
                connection.dangerous_into_kernel_connection().map(|(secrets, _)| secrets)
            }
            End::Client(connection) => {
                connection.dangerous_into_kernel_connection().map(|(secrets, _)| secrets)
            }
        };
        let secrets = secrets.map_err(|error| failure(&error))?;
        let told = std::mem::take(&mut self.told);
        let (suite, state) = state(role, version, &secrets, &told)
            .ok_or_else(|| internal("the secrets told and those in use are not the same"))?;
        let server_name = told.name;
        let client_certificate = certificate.filter(|_| role == Role::Server);
        Ok(Established { state, suite, group, is_resumed, server_name, has_alpn, client_certificate })
    }
}

/// What rustls has done when it was called once.
enum Turn {
    /// It has appended something to the output.
    Spoken,
    /// It has learnt that all is sent.
    Sent,
    /// It needs more.
    Waits,
    /// The handshake is over.
    Over,
}

/// What came of a call, and how many bytes of its input are no longer needed.
fn turn<D>(status: UnbufferedStatus<'_, '_, D>, out: &mut Vec<u8>) -> (usize, Result<Turn, Failure>) {
    let turn = match status.state {
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            append(out, |to| data.encode(to));
            Ok(Turn::Spoken)
        }
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Ok(Turn::Sent)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Turn::Waits),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Turn::Over),
        // Data before the end of a handshake, which is early data, or an end of stream.
        Ok(_) => Err(refused("the peer has ended the handshake, or has sent early data")),
        Err(error) => Err(failure(&error)),
    };
    (status.discard, turn)
}

/// What rustls says of a name that is not known.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// The kind of the first record of every TLS connection.
const HANDSHAKE: u8 = 22;

/// The state, if the traffic secrets lead to the keys that rustls has used.
fn state(
    role: Role,
    version: Option<ProtocolVersion>,
    secrets: &ExtractedSecrets,
    told: &Told,
) -> Option<(Suite, State)> {
    let (rx, tx) = match role {
        Role::Server => (&told.client, &told.server),
        Role::Client => (&told.server, &told.client),
    };
    let (suite, rx) = kept(version, &secrets.rx.1, rx)?;
    let (also, tx) = kept(version, &secrets.tx.1, tx)?;
    let rx = Direction { secret: &rx, number: secrets.rx.0 };
    let tx = Direction { secret: &tx, number: secrets.tx.0 };
    State::new(suite, role, &rx, &tx).filter(|_| suite == also).map(|state| (suite, state))
}

/// What is kept of one direction, and its suite.
fn kept(
    version: Option<ProtocolVersion>,
    secrets: &ConnectionTrafficSecrets,
    told: &[u8],
) -> Option<(Suite, Secret)> {
    let version = match version? {
        ProtocolVersion::TLSv1_2 => Version::V12,
        ProtocolVersion::TLSv1_3 => Version::V13,
        _ => return None,
    };
    let (v13, v12, key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Suite::Aes128V13, Suite::Aes128V12, key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Suite::Aes256V13, Suite::Aes256V12, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            (Suite::ChaCha20V13, Suite::ChaCha20V12, key, iv)
        }
        _ => return None,
    };
    let (key, iv) = (key.as_ref(), iv.as_ref());
    let suite = if version == Version::V13 { v13 } else { v12 };
    let kept = match version {
        Version::V12 => [key, iv].concat(),
        Version::V13 => {
            let expander = Expander::new(suite.hash(), told);
            let (mut own_key, mut own_iv) = (Zeroizing::new([0; 32]), Zeroizing::new([0; IV_LEN]));
            expander.expand(b"key", own_key.get_mut(..key.len())?);
            expander.expand(b"iv", &mut own_iv[..]);
            if own_key[..key.len()] != *key || own_iv[..] != *iv {
                return None;
            }
            told.to_vec()
        }
    };
    Some((suite, Zeroizing::new(kept)))
}

/// Appends what is encoded, which says how long it is when it is refused an empty buffer.
fn append(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    if let Err(EncodeError::InsufficientSize(needed)) = encode(&mut []) {
        let start = out.len();
        out.resize(start + needed.required_size, 0);
        let written = encode(&mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
    }
}

fn refused(text: &str) -> Failure {
    Failure { why: Why::Refused, text: text.into() }
}

/// Who is at fault.
fn failure(error: &Error) -> Failure {
    let why = match error {
        Error::AlertReceived(alert) => Why::Alerted(u8::from(*alert)),
        Error::EncryptError
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete => Why::Internal,
        _ => Why::Refused,
    };
    Failure { why, text: error.to_string() }
}

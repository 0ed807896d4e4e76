//! The handshake: rustls makes it, one record at a time, and is dropped when it is over.

use std::fmt;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError};
use rustls::{ConnectionTrafficSecrets, Error, ExtractedSecrets, HandshakeKind, ProtocolVersion};
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::capture::{Secret, Told, listening};
use crate::config::Config;
use crate::header::{CONTENT_LEN_MAX, HEADER_LEN};
use crate::keys::IV_LEN;
use crate::secret::Expander;
use crate::state::{Direction, Role, State};
use crate::suite::{Suite, Version};

/// The most bytes that a peer may send until the handshake is over, beyond which it is refused. A chain of client
/// certificates has some kilobytes.
pub const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

/// The most records in which it may send them.
const RECORDS_MAX: usize = 256;

/// The most steps that rustls takes with one record.
const STEPS_MAX: usize = 64;

/// A handshake under way.
pub struct Handshake {
    /// Taken when the handshake is over.
    connection: Option<Box<UnbufferedServerConnection>>,
    told: Told,
    /// Records that rustls still needs, and behind them one that has not come whole.
    incoming: Vec<u8>,
    /// Bytes of `incoming` that are whole records.
    whole: usize,
    heard: usize,
    records: usize,
    /// Something was said to the peer; from then on an alert may have to be sealed.
    has_spoken: bool,
}

impl fmt::Debug for Handshake {
    /// No secret is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handshake").field("heard", &self.heard).finish_non_exhaustive()
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
        Ok(Self {
            connection: Some(Box::new(connection)),
            told: Told::default(),
            incoming: Vec::new(),
            whole: 0,
            heard: 0,
            records: 0,
            has_spoken: false,
        })
    }

    /// Takes what has come, cut anywhere, and appends what is to be sent.
    ///
    /// # Errors
    ///
    /// [`Failure`], after which nothing more must be given in. What was appended is still to be sent.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        let mut used = 0;
        loop {
            let taken = self.take(&input[used..], out)?;
            used += taken;
            if self.incoming.len() > self.whole && self.missing() == 0 {
                self.records += 1;
                self.whole = self.incoming.len();
                if self.step(out)? {
                    let done = Some(Box::new(self.finish()?));
                    return Ok(Progress { used, done });
                }
            } else if taken == 0 {
                return Ok(Progress { used, done: None });
            }
        }
    }

    /// How many bytes have come so far.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Takes as much as belongs to the present record; how much that is.
    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Failure> {
        let len = self.missing().min(input.len());
        if let (0, Some(first)) = (self.heard, input.first())
            && *first != HANDSHAKE
        {
            return Err(Failure { why: Why::NotTls, text: "what has come is not TLS".into() });
        }
        if self.heard + len > HANDSHAKE_BYTES_MAX || self.records >= RECORDS_MAX {
            self.say_plainly(Alert::HandshakeFailure, out);
            let text = format!("a handshake of more than {HANDSHAKE_BYTES_MAX} bytes or of too many records");
            return Err(Failure { why: Why::TooMuch, text });
        }
        self.incoming.extend_from_slice(&input[..len]);
        self.heard += len;
        Ok(len)
    }

    /// Bytes that the present record lacks, as far as is known: those of its header come first.
    fn missing(&self) -> usize {
        let record = &self.incoming[self.whole..];
        match record.first_chunk() {
            Some([_, _, _, high, low]) => {
                // Beyond this length rustls refuses it by the header alone.
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                let len = if len > CONTENT_LEN_MAX + 2048 { 0 } else { len };
                (HEADER_LEN + len).saturating_sub(record.len())
            }
            None => HEADER_LEN - record.len(),
        }
    }

    /// Has rustls look at the records that are whole; true if the handshake is over.
    ///
    /// It is given nothing behind the record that ends the handshake: it would open it.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Failure> {
        for _ in 0..STEPS_MAX {
            let Some(connection) = &mut self.connection else { break };
            let (told, incoming) = (&mut self.told, &mut self.incoming[..self.whole]);
            let status = listening(told, || connection.process_tls_records(incoming));
            let (discard, mut result) = (status.discard, Ok(None));
            match status.state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, |to| data.encode(to));
                    self.has_spoken = true;
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::BlockedHandshake) => result = Ok(Some(false)),
                Ok(ConnectionState::WriteTraffic(_)) => result = Ok(Some(true)),
                // Data before the end of a handshake, which is early data, or an end of stream.
                Ok(_) => result = Err(refused("the peer has ended the handshake, or has sent early data")),
                Err(error) => result = Err(failure(&error)),
            }
            let discard = discard.min(self.whole);
            self.incoming.drain(..discard);
            self.whole -= discard;
            match result {
                Ok(None) => {}
                Ok(Some(over)) => return Ok(over),
                Err(failure) => {
                    let before = out.len();
                    self.last_words(out);
                    if out.len() == before && !matches!(failure.why, Why::Alerted(_)) {
                        // rustls says nothing of some messages that it cannot read.
                        self.say_plainly(Alert::DecodeError, out);
                    }
                    return Err(self.unknown_name(out).unwrap_or(failure));
                }
            }
        }
        Err(Failure { why: Why::Internal, text: "the handshake does not come to an end".into() })
    }

    /// The failure, if it is that no certificate is shown for the name that the client has asked for.
    fn unknown_name(&self, out: &mut [u8]) -> Option<Failure> {
        let name = self.told.name.as_deref().filter(|_| self.told.is_name_unknown)?;
        // rustls says that access is denied. RFC 6066 3 has an alert for this, and there are no keys yet.
        if let Some(number) = out.last_mut() {
            *number = Alert::UnrecognizedName.number();
        }
        Some(refused(&format!("there is no certificate for the name {name:?}")))
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
        let Some(mut connection) = self.connection.take() else { return };
        while connection.wants_write() {
            let status = listening(&mut self.told, || connection.process_tls_records(&mut []));
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
            append(out, |to| data.encode(to));
        }
    }

    /// Takes over from rustls.
    fn finish(&mut self) -> Result<Established, Failure> {
        let internal = |text: &str| Failure { why: Why::Internal, text: text.into() };
        let connection = self.connection.take().ok_or_else(|| internal("this handshake is over"))?;
        let group = connection.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        let is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let has_alpn = connection.alpn_protocol().is_some();
        let client_certificate =
            connection.peer_certificates().and_then(|chain| Some(chain.first()?.as_ref().to_vec()));
        let version = connection.protocol_version();
        let (secrets, rest) =
            connection.dangerous_into_kernel_connection().map_err(|error| failure(&error))?;
        // Nothing of rustls is kept: what it would be for follows from the secrets.
        drop(rest);
        let told = std::mem::take(&mut self.told);
        let (suite, state) = state(version, &secrets, &told)
            .ok_or_else(|| internal("the secrets told and those in use are not the same"))?;
        let server_name = told.name;
        Ok(Established { state, suite, group, is_resumed, server_name, has_alpn, client_certificate })
    }
}

/// The kind of the first record of every TLS connection.
const HANDSHAKE: u8 = 22;

/// The state, if the traffic secrets lead to the keys that rustls has used.
fn state(
    version: Option<ProtocolVersion>,
    secrets: &ExtractedSecrets,
    told: &Told,
) -> Option<(Suite, State)> {
    let (suite, rx) = kept(version, &secrets.rx.1, &told.client)?;
    let (also, tx) = kept(version, &secrets.tx.1, &told.server)?;
    let rx = Direction { secret: &rx, number: secrets.rx.0 };
    let tx = Direction { secret: &tx, number: secrets.tx.0 };
    State::new(suite, Role::Server, &rx, &tx).filter(|_| suite == also).map(|state| (suite, state))
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

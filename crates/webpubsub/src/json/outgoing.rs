//! What clients hear.

use crate::data::{Data, DataKind};
use crate::sink::{Length, Sink, put_number, put_text};

/// How messages begin that reliable clients get with a number ([`Outgoing::FromGroup`], [`Outgoing::FromServer`]):
/// behind this is the place for the number, with [`SEQUENCE_ID`] before it and a comma behind it.
pub const NUMBERED: &str = r#"{"type":"message","#;

/// What a number is called.
pub const SEQUENCE_ID: &str = r#""sequenceId":"#;

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorName {
    /// It asks for what is not possible.
    BadRequest,
    /// The client has no permission.
    Forbidden,
    /// A request with the same ack id was carried out. Clients take it for success.
    Duplicate,
    /// The service failed, or the gateway.
    InternalServerError,
}

impl ErrorName {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Forbidden => "Forbidden",
            Self::Duplicate => "Duplicate",
            Self::InternalServerError => "InternalServerError",
        }
    }
}

/// What a client is told: one JSON object, for one text frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// Always the first.
    Connected {
        /// Written as null where there is none.
        user: Option<&'a str>,
        /// The connection's id.
        connection_id: &'a str,
        /// Of reliable clients: what shows later that the connection is theirs.
        reconnection_token: Option<&'a str>,
    },
    /// Before the gateway closes the connection.
    Disconnected {
        /// The reason.
        message: &'a str,
    },
    /// A request was carried out.
    Ack {
        /// Which.
        ack_id: u64,
    },
    /// A request was not carried out.
    AckError {
        /// Which.
        ack_id: u64,
        /// Why, for programs.
        name: ErrorName,
        /// Why, as a sentence.
        message: &'a str,
    },
    /// Published to a group.
    FromGroup {
        /// Which.
        group: &'a str,
        /// What.
        data: Data<'a>,
        /// By whom; left out if it was no client, or one without a user.
        from_user: Option<&'a str>,
    },
    /// Sent by a service.
    FromServer {
        /// What.
        data: Data<'a>,
    },
    /// The answer to a ping.
    Pong,
    /// The answer to an invocation that was not carried out.
    InvokeFailed {
        /// Which.
        invocation_id: &'a str,
        /// Why, for programs.
        name: ErrorName,
        /// Why, as a sentence.
        message: &'a str,
    },
}

impl Outgoing<'_> {
    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.put(out);
    }

    /// How many bytes [`write`](Self::write) appends. Looks at each byte of texts, and allocates nothing.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut length = Length::default();
        self.put(&mut length);
        length.0
    }

    fn put<S: Sink>(&self, sink: &mut S) {
        match *self {
            Self::Connected { user, connection_id, reconnection_token } => {
                sink.put(br#"{"type":"system","event":"connected","userId":"#);
                match user {
                    Some(user) => put_text(sink, user.as_bytes()),
                    None => sink.put(b"null"),
                }
                put_field(sink, "connectionId", connection_id);
                if let Some(token) = reconnection_token {
                    put_field(sink, "reconnectionToken", token);
                }
            }
            Self::Disconnected { message } => {
                sink.put(br#"{"type":"system","event":"disconnected""#);
                put_field(sink, "message", message);
            }
            Self::Ack { ack_id } => {
                put_ack(sink, ack_id);
                sink.put(b"true");
            }
            Self::AckError { ack_id, name, message } => {
                put_ack(sink, ack_id);
                put_error(sink, name, message);
            }
            Self::FromGroup { group, data, from_user } => {
                sink.put(NUMBERED.as_bytes());
                sink.put(br#""from":"group""#);
                put_field(sink, "group", group);
                put_data(sink, data);
                if let Some(user) = from_user {
                    put_field(sink, "fromUserId", user);
                }
            }
            Self::FromServer { data } => {
                sink.put(NUMBERED.as_bytes());
                sink.put(br#""from":"server""#);
                put_data(sink, data);
            }
            Self::Pong => sink.put(br#"{"type":"pong""#),
            Self::InvokeFailed { invocation_id, name, message } => {
                sink.put(br#"{"type":"invokeResponse""#);
                put_field(sink, "invocationId", invocation_id);
                sink.put(br#","success":"#);
                put_error(sink, name, message);
            }
        }
        sink.put(b"}");
    }
}

fn put_field<S: Sink>(sink: &mut S, name: &str, text: &str) {
    sink.put(b",\"");
    sink.put(name.as_bytes());
    sink.put(b"\":");
    put_text(sink, text.as_bytes());
}

fn put_ack<S: Sink>(sink: &mut S, ack_id: u64) {
    sink.put(br#"{"type":"ack","ackId":"#);
    put_number(sink, ack_id);
    sink.put(br#","success":"#);
}

/// Name and message both, always: clients read them unasked.
fn put_error<S: Sink>(sink: &mut S, name: ErrorName, message: &str) {
    sink.put(br#"false,"error":{"name":""#);
    sink.put(name.as_str().as_bytes());
    sink.put(b"\"");
    put_field(sink, "message", message);
    sink.put(b"}");
}

/// `dataType` always: clients do not understand a message without it.
fn put_data<S: Sink>(sink: &mut S, data: Data<'_>) {
    sink.put(br#","dataType":""#);
    sink.put(data.kind.name().as_bytes());
    sink.put(br#"","data":"#);
    match data.kind {
        DataKind::Text => put_text(sink, data.bytes),
        DataKind::Json => sink.put(data.bytes),
        DataKind::Binary | DataKind::Protobuf => {
            sink.put(b"\"");
            sink.put_base64(data.bytes);
            sink.put(b"\"");
        }
    }
}

//! What happens to connections of hubs, as events tell it.

use bytes::Bytes;
use holdfast_webpubsub::{Data, DataKind};

use crate::HandshakeId;
use crate::counters::EventKind;

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// Somebody wants to connect.
    Connect {
        handshake: HandshakeId,
        body: Bytes,
    },
    Connected,
    /// A client says something.
    Said {
        name: Box<str>,
        kind: DataKind,
        body: Bytes,
    },
    Disconnected {
        reason: String,
    },
}

impl What {
    /// What it is called in metrics.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Connect { .. } => EventKind::Connect,
            Self::Connected => EventKind::Connected,
            Self::Said { .. } => EventKind::User,
            Self::Disconnected { .. } => EventKind::Disconnected,
        }
    }

    /// Bytes of what is said.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Connect { body, .. } | Self::Said { body, .. } => body.len(),
            Self::Connected => 0,
            Self::Disconnected { reason } => reason.len(),
        }
    }

    /// A client says something, which is copied.
    pub(super) fn said(name: &str, data: Data<'_>) -> Self {
        let (kind, body) = keep(data);
        Self::Said { name: name.into(), kind, body }
    }
}

/// Content that is kept.
pub(super) fn keep(data: Data<'_>) -> (DataKind, Bytes) {
    (data.kind, Bytes::copy_from_slice(data.bytes))
}

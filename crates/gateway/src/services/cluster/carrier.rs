//! The bus as this process has it: none before its thread has begun.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState, Incoming, Refused};

/// Is over when there is something to be done.
pub(crate) type Coming = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A bus that says when something has come.
pub(crate) trait Carrier: Bus + fmt::Debug + Send {
    /// Is over when something has come, or the bus has come or gone. It may be over without either.
    fn come(&self) -> Coming;

    /// Ends it, when all that was taken has been sent, or this time has passed.
    fn end(&self, within: Duration) -> Coming;

    /// What there is to say of it.
    fn standing(&self) -> Standing;
}

/// How a bus is doing, besides whether it is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Its server, while there is one.
    pub(crate) server: Option<String>,
    /// Since when it has been there, or away.
    pub(crate) since: Option<Instant>,
    /// Connections that were made.
    pub(crate) connects: u64,
    /// Bytes that wait to be sent.
    pub(crate) queue_bytes: usize,
    /// Messages that it had taken and that waited when its server was lost.
    pub(crate) unsent: u64,
    /// Messages that had come and had no room.
    pub(crate) dropped: u64,
    /// What has gone wrong last, as one sentence.
    pub(crate) error: Option<String>,
}

/// The bus, once there is one.
#[derive(Debug, Default)]
pub(super) struct Wire(Option<Box<dyn Carrier>>);

impl Wire {
    pub(super) fn attach(&mut self, carrier: Box<dyn Carrier>) {
        self.0 = Some(carrier);
    }

    pub(super) fn come(&self) -> Coming {
        let never = || -> Coming { Box::pin(std::future::pending()) };
        self.0.as_ref().map_or_else(never, |carrier| carrier.come())
    }

    pub(super) fn end(&self, within: Duration) -> Coming {
        let none = || -> Coming { Box::pin(std::future::ready(())) };
        self.0.as_ref().map_or_else(none, |carrier| carrier.end(within))
    }

    pub(super) fn standing(&self) -> Standing {
        self.0.as_ref().map(|carrier| carrier.standing()).unwrap_or_default()
    }

    pub(super) fn is_here(&self) -> bool {
        self.state() != BusState::Away
    }
}

impl Bus for Wire {
    fn try_publish(&mut self, subject: &str, message: Bytes) -> Result<(), Refused> {
        self.0.as_mut().map_or(Err(Refused::Away), |carrier| carrier.try_publish(subject, message))
    }

    fn next(&mut self) -> Option<Incoming> {
        self.0.as_mut()?.next()
    }

    fn state(&self) -> BusState {
        self.0.as_ref().map_or(BusState::Away, |carrier| carrier.state())
    }
}

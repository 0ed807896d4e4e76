//! How much of a hub may be waiting: for its services, and for its tokens to be verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::bytes::{EventBytes, Share};
use crate::settings::{Hub, TOKENS_WAITING_MAX};

/// How much of a hub may be waiting for its services.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Events that wait or are under way, and how many those may be.
    events: AtomicU32,
    events_max: u32,
    /// The same of disconnected events, which wait for longer: no client does meanwhile.
    farewells: AtomicU32,
    /// Opening handshakes that wait, and how many those may be.
    connects: AtomicU32,
    connects_max: u32,
    /// Tokens of identity providers that wait to be verified.
    tokens: AtomicU32,
    /// Places of events that are under way, and of disconnected ones, of which there are fewer: those of clients that
    /// are there come first.
    pub(super) under_way: Places,
    pub(super) farewells_under_way: Places,
    bytes: Arc<EventBytes>,
}

/// Places of which a known number may be taken.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
    all: u32,
}

/// A place among those that wait; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    of: fn(&Gate) -> &AtomicU32,
    _share: Share,
}

impl Gate {
    pub(super) fn new(hub: &Hub, bytes: Arc<EventBytes>) -> Self {
        let it = &hub.settings;
        Self {
            events: AtomicU32::new(0),
            farewells: AtomicU32::new(0),
            events_max: it.events_waiting_max.saturating_add(it.events_under_way_max),
            connects: AtomicU32::new(0),
            connects_max: it.connects_waiting_max,
            tokens: AtomicU32::new(0),
            under_way: Places::new(it.events_under_way_max),
            farewells_under_way: Places::new((it.events_under_way_max / 4).max(1)),
            bytes,
        }
    }

    /// Opening handshakes that wait.
    pub(super) fn connects(&self) -> u32 {
        self.connects.load(Relaxed)
    }

    /// Tokens that wait to be verified.
    pub(super) fn tokens(&self) -> u32 {
        self.tokens.load(Relaxed)
    }

    /// Events that are under way, and those that wait for that.
    pub(super) fn events(&self) -> (u64, u64) {
        let under_way = self.under_way.taken() + self.farewells_under_way.taken();
        let all = u64::from(self.events.load(Relaxed)) + u64::from(self.farewells.load(Relaxed));
        (under_way, all.saturating_sub(under_way))
    }

    /// Whether no service is asked anything, nor is to be.
    pub(super) fn is_quiet(&self) -> bool {
        [&self.events, &self.farewells, &self.connects].iter().all(|taken| taken.load(Relaxed) == 0)
    }

    /// A place for an event with so many bytes, if there is one.
    pub(super) fn event(self: &Arc<Self>, len: usize) -> Option<Permit> {
        self.claim(|gate| &gate.events, self.events_max, len)
    }

    /// A place for an opening handshake, if there is one.
    pub(super) fn connect(self: &Arc<Self>, len: usize) -> Option<Permit> {
        self.claim(|gate| &gate.connects, self.connects_max, len)
    }

    /// A place for a token that is to be verified, if there is one.
    pub(super) fn token(self: &Arc<Self>, len: usize) -> Option<Permit> {
        self.claim(|gate| &gate.tokens, TOKENS_WAITING_MAX, len)
    }

    /// A place for a disconnected event, if there is one.
    pub(super) fn farewell(self: &Arc<Self>, len: usize) -> Option<Permit> {
        self.claim(|gate| &gate.farewells, self.events_max, len)
    }

    fn claim(self: &Arc<Self>, of: fn(&Self) -> &AtomicU32, max: u32, len: usize) -> Option<Permit> {
        let share = self.bytes.event(len)?;
        let more = |taken: u32| (taken < max).then_some(taken + 1);
        of(self).fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Permit { gate: Arc::clone(self), of, _share: share })
    }
}

impl Places {
    fn new(all: u32) -> Self {
        Self { free: Semaphore::new(all as usize), all }
    }

    /// Waits for a place, which is free again when it is dropped.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.free.acquire().await.ok()
    }

    /// How many are taken.
    fn taken(&self) -> u64 {
        u64::from(self.all).saturating_sub(self.free.available_permits() as u64)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        (self.of)(&self.gate).fetch_sub(1, Relaxed);
    }
}

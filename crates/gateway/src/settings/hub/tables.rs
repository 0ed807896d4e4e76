//! What a hub's table in the settings file may say, and a handler's.

use std::path::PathBuf;
use std::time::Duration;

use super::events::{SystemEvent, SystemEvents, UserEventNames, UserEvents};
use super::headers::{HeaderSource, Headers};
use super::identity::{IdentitySettings, TOKENS_WAITING_MAX};
use super::upstream::{OfNats, Upstream, UpstreamUrl};
use crate::settings::declare::settings;
use crate::settings::files::{File, Output};
use crate::settings::key::Key;
use crate::settings::kinds::{Bytes, Count, Flag, KIB, List, MIB, Off, OneOf, Period};
use crate::settings::secret::Secret;

settings! {
    /// What `[hub.NAME]` says.
    pub struct HubSettings {
        /// The identity provider whose tokens it takes, of `[hub.NAME.identity]`.
        identity: Option<IdentitySettings>,
    }

    /// Files with this hub's access keys, the primary first, then the secondary, each with one key of at least 32
    /// bytes. Read again on SIGHUP. A hub with keys of its own does not take those that are set for all hubs.
    ///
    /// Cost: none.
    access_key_file: Vec<PathBuf> = Vec::new(), shown "those of all hubs"; List(File);

    /// This hub's primary access key itself, which makes the settings file a secret. See access-key-file.
    ///
    /// Cost: none.
    access_key: Option<Secret> = None, shown "those of all hubs"; Off(Key);

    /// This hub's secondary access key itself: as good as the primary, so that keys can be changed one after the other.
    ///
    /// Cost: none.
    access_key_secondary: Option<Secret> = None, shown "those of all hubs"; Off(Key);

    /// Let clients in without a token. A handler of the connect event then decides who they are; without one, anybody
    /// is let in.
    ///
    /// Cost: none.
    anonymous: bool = false; Flag;

    /// Most opening handshakes that wait for a connect event; while there are as many, further ones get 503 with a
    /// Retry-After. They take no place of handshakes-max.
    ///
    /// Cost: a socket and up to head-bytes-max bytes each while they wait.
    connects_waiting_max: u32 = 1024; Count(1..=1 << 20);

    /// Most events that are under way to services at the same time.
    ///
    /// Cost: a connection to a service and the event's message each, and up to message-bytes-max bytes of answer.
    events_under_way_max: u32 = 256; Count(1..=1 << 16);

    /// Most events that wait until they may be under way. Past it, see slow-service.
    ///
    /// Cost: the event's message and about 1 KiB each while they wait.
    events_waiting_max: u32 = 16_384; Count(1..=1 << 24);

    /// Most connections of one user at the same time, all shards together; further ones get 429 with a Retry-After,
    /// also where the service says who they are. Clients without a user are not counted. "off" sets no limit.
    ///
    /// Cost: about 60 bytes and its name for each user with a connection; each connection takes one of 64 locks when it
    /// comes and when it goes.
    user_connections_max: Option<u32> = None; Off(Count(1..=1 << 30));

    /// Most opening handshakes per second with a good token, or without one where anonymous is set, all shards
    /// together; further ones get 503 with a Retry-After, before a service hears of them. After a silence, as many may
    /// come at once. "off" sets no limit.
    ///
    /// Cost: none.
    connects_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most opening handshakes per second of one user, all shards together; further ones get 429 with a Retry-After.
    /// Clients without a user are not counted. After a silence, as many may come at once. "off" sets no limit.
    ///
    /// Cost: about 60 bytes and its name for each user of the last second, a million users at most; one of 64 locks
    /// for each opening handshake.
    user_connects_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most messages per second that clients publish to groups themselves, all shards together; past it those who
    /// publish are not read from until it is their turn, and nothing is lost. REST is not counted. After a silence, as
    /// many may come at once. "off" sets no limit.
    ///
    /// Cost: up to 64 KiB of each that were read before, and what the kernel buffers.
    publishes_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most messages per second that the clients of one user publish to groups themselves, all shards together; past it
    /// they are not read from until it is their turn, and nothing is lost. Clients without a user are not counted.
    /// After a silence, as many may come at once. "off" sets no limit.
    ///
    /// Cost: about 60 bytes and its name for each user of the last second, a million users at most; one of 64 locks for
    /// each message; and as for publishes-per-second-max.
    user_publishes_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most events per second that clients make, all shards together; past it they are not read from until it is their
    /// turn, whatever slow-service says, and nothing is lost. System events are not counted. After a silence, as many
    /// may come at once. "off" sets no limit.
    ///
    /// Cost: as for publishes-per-second-max.
    events_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// What to do with a connection whose event finds events-waiting-max waiting: wait does not read from it until
    /// there is room, close closes it with 1013.
    ///
    /// Cost: with wait, up to 64 KiB that were read before, and what the kernel buffers.
    slow_service: SlowService = SlowService::Wait; OneOf(SlowService::ALL);

    /// Longest time until a service has answered an event, repeats included; after that the event has failed.
    ///
    /// Cost: an event that gets no answer takes a place of events-under-way-max for that long.
    upstream_timeout: Duration = Duration::from_secs(30);
        Period(Duration::from_millis(100)..=Duration::from_secs(3600));

    /// Longest time for which a disconnected event is tried again while no service takes it. No client waits for it: it
    /// takes no place of the other events.
    ///
    /// Cost: about 200 bytes for each that waits, of which there are as many as events may wait.
    disconnected_timeout: Duration = Duration::from_secs(600);
        Period(Duration::from_millis(100)..=Duration::from_secs(24 * 3600));

    /// File with certificates of authorities in PEM that are trusted when they vouch for a service, besides the
    /// built-in ones. Read again on SIGHUP.
    ///
    /// Cost: none.
    upstream_ca: Option<PathBuf> = None, shown "built-in authorities"; Off(File);

    /// File to which disconnected events are appended that were given up, each as one JSON object on a line of its own.
    /// "off" only counts them.
    ///
    /// Cost: the file grows by about 300 bytes for each.
    dead_letters: Option<PathBuf> = None; Off(Output);
}

impl HubSettings {
    /// How many opening handshakes may wait: for a service, or for their tokens.
    pub(crate) fn openings_waiting_max(&self) -> u32 {
        let tokens = if self.identity.is_some() { TOKENS_WAITING_MAX } else { 0 };
        self.connects_waiting_max.saturating_add(tokens)
    }
}

settings! {
    /// What `[[hub.NAME.handler]]` says.
    pub struct HandlerSettings {}

    /// Where the service listens: http://HOST/PATH, https://HOST/PATH or unix:SOCKET:/PATH. {hub} and {event} in the
    /// path stand for the hub and the event. With a list, the first that can be reached gets the event. Or a server of
    /// NATS and a subject below which it listens, nats://HOST:PORT/SUBJECT or tls://HOST:PORT/SUBJECT; a list has
    /// servers of one NATS then, with the same subject, one of which is connected to.
    ///
    /// Cost: none.
    url: Vec<UpstreamUrl> = Vec::new(), shown "none, must be set"; List(Upstream);

    /// System events that it hears of: connect, connected, disconnected. It waits for the answer to connect, which may
    /// refuse the client.
    ///
    /// Cost: a request for each.
    system_events: Vec<SystemEvent> = SystemEvent::ALL.to_vec(); SystemEvents;

    /// Names of the user events that it hears of; * is all of them. Letter case does not matter.
    ///
    /// Cost: a request for each.
    user_events: UserEvents = UserEvents::All; UserEventNames;

    /// Headers to add to each request, such as { x-service-key = "text" }; with { file = "PATH" } in place of the text,
    /// what is in that file. They are secret like keys, and read again on SIGHUP.
    ///
    /// Cost: their length in each request.
    headers: Vec<HeaderSource> = Vec::new(), shown "no more"; Headers;

    /// File with the credentials for the NATS server of url: a .creds file, a user's seed, or one line USER:PASSWORD.
    /// Read again on SIGHUP.
    ///
    /// Cost: none.
    credentials: Option<PathBuf> = None, shown "none"; Off(File);

    /// Files with the certificate and the key, in PEM, that the NATS server of url is shown.
    ///
    /// Cost: none.
    certificate: Vec<PathBuf> = Vec::new(), shown "none"; List(File);

    /// Speak to a NATS server beyond this machine without TLS.
    ///
    /// Cost: whoever is on the way reads and writes events.
    insecure: bool = false; Flag;
}

settings! {
    /// What `[[hub.NAME.listener]]` says.
    pub struct ListenerSettings {}

    /// A server of NATS, and below which subject events go: nats://HOST:PORT/SUBJECT or tls://HOST:PORT/SUBJECT. A list
    /// has servers of one NATS, with the same subject; one of them is connected to.
    ///
    /// Cost: a connection.
    url: Vec<UpstreamUrl> = Vec::new(), shown "none, must be set"; List(OfNats);

    /// System events that are published: connected, disconnected.
    ///
    /// Cost: a message for each.
    system_events: Vec<SystemEvent> = vec![SystemEvent::Connected, SystemEvent::Disconnected]; SystemEvents;

    /// Names of the user events that are published; * is all of them. Letter case does not matter.
    ///
    /// Cost: a message for each.
    user_events: UserEvents = UserEvents::All; UserEventNames;

    /// File with the credentials for the server: a .creds file, a user's seed, or one line USER:PASSWORD. Read again on
    /// SIGHUP.
    ///
    /// Cost: none.
    credentials: Option<PathBuf> = None, shown "none"; Off(File);

    /// Files with the certificate and the key, in PEM, that the server is shown.
    ///
    /// Cost: none.
    certificate: Vec<PathBuf> = Vec::new(), shown "none"; List(File);

    /// Speak to a server beyond this machine without TLS.
    ///
    /// Cost: whoever is on the way reads and writes events.
    insecure: bool = false; Flag;

    /// Most bytes that wait to be published. Past it, and while there is no server, events are not published, and
    /// counted (holdfast_hub_listener_events_total).
    ///
    /// Cost: that much, where the server is slow; each event counts about 0.7 KiB with its headers.
    queue_bytes: usize = 4 * MIB; Bytes(64 * KIB..=KIB * MIB);
}

impl HandlerSettings {
    /// What is missing or makes no sense, with `place` in it.
    pub(super) fn check(&self, place: &str) -> Result<(), String> {
        let is_nats = same_nats(&self.url, place)?;
        let alone = [
            ("credentials", self.credentials.is_some()),
            ("certificate", !self.certificate.is_empty()),
            ("insecure", self.insecure),
        ];
        if let Some((key, _)) = alone.iter().find(|(_, is_set)| *is_set && !is_nats) {
            return Err(format!("{key} is set in {place}, but url is none of NATS: remove {key}"));
        }
        is_pair(&self.certificate, &self.url, place)
    }
}

impl ListenerSettings {
    /// What is missing or makes no sense, with `place` in it.
    pub(super) fn check(&self, place: &str) -> Result<(), String> {
        same_nats(&self.url, place)?;
        if self.system_events.contains(&SystemEvent::Connect) {
            return Err(format!(
                "connect is in system-events of {place}, but it waits for an answer, which only a handler gives"
            ));
        }
        is_pair(&self.certificate, &self.url, place)
    }
}

/// Whether these are servers of one NATS; not where none is.
fn same_nats(urls: &[UpstreamUrl], place: &str) -> Result<bool, String> {
    let subjects: Vec<_> = urls.iter().map(|url| url.nats().map(|(_, subject)| subject)).collect();
    if subjects.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(subjects.first().is_some_and(Option::is_some));
    }
    Err(format!("the urls in {place} are not servers of one NATS with the same subject"))
}

/// Whether a certificate is one with its key, and is shown to whoever asks for it.
fn is_pair(certificate: &[PathBuf], urls: &[UpstreamUrl], place: &str) -> Result<(), String> {
    let is_shown = urls.iter().all(|url| url.as_str().starts_with("tls://"));
    match certificate.len() {
        0 => Ok(()),
        2 if is_shown => Ok(()),
        2 => {
            Err(format!("certificate is set in {place}, but nats:// has no TLS: write tls://, or remove it"))
        }
        _ => Err(format!("certificate in {place} has to name two files: the certificate, and its key")),
    }
}

/// What happens to a connection whose hub has as many events waiting as it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowService {
    /// It is not read from until there is room.
    #[default]
    Wait,
    /// It is closed with 1013.
    Close,
}

impl SlowService {
    const ALL: &[(&str, Self)] = &[("wait", Self::Wait), ("close", Self::Close)];
}

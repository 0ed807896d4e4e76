//! An identity provider of a hub.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_upstream::{Client, Document, SourceError, Tls, TlsError};
use holdfast_webpubsub::identity::{Asked, KeySet, Pace, ProviderToken, Refused, Trust, Waiting};
use holdfast_webpubsub::token::{Claims, TokenError};
use tokio::runtime::Handle as Runtime;

use super::super::clock::now_s;
use super::keys::{Fetches, Keys, keys_in};
use super::worker::{Queue, Worker};
use crate::HandshakeId;
use crate::settings::{IdentitySettings, KeysPlace};

/// Whom a hub believes, and by which keys.
#[derive(Debug)]
pub(crate) struct Provider {
    place: KeysPlace,
    trust: Trust,
    keys: Arc<Keys<Whose>>,
    queue: Queue,
}

/// Why a token is not good, or nobody can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// It is not.
    Token(TokenError),
    /// Its key is not known.
    Key(Refused),
}

/// Why a provider of the settings is none. Its text says what to change.
#[derive(Debug)]
pub enum ProviderError {
    /// The place of its keys is none.
    Source(SourceError),
    /// The authorities that are to vouch for it cannot be read.
    Tls(TlsError),
    /// The file of keys is of no use.
    Keys(String),
    /// There is no thread for it.
    Thread(io::Error),
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Keys(error) => write!(f, "{error} (change keys)"),
            Self::Thread(error) => write!(f, "a thread for its tokens cannot be started: {error}"),
        }
    }
}

/// Who waits for what comes of a token.
struct Whose {
    handshake: HandshakeId,
    provider: Arc<Provider>,
    answer: Box<dyn FnOnce(Result<Claims, Unverified>) + Send>,
}

impl fmt::Debug for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whose").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}

impl Provider {
    /// The one of these settings. Keys of the `old` one are good until there are others, if they are of the same place.
    /// Those in a file are read now.
    ///
    /// # Errors
    /// When its keys can never be had.
    pub(crate) fn new(
        hub: &str,
        settings: &IdentitySettings,
        old: Option<&Self>,
        fetches: &Arc<Fetches>,
        worker: &Worker,
    ) -> Result<Self, ProviderError> {
        Self::with_pace(Pace::default(), hub, settings, old, fetches, worker)
    }

    /// The same, where keys are fetched at another pace.
    pub(super) fn with_pace(
        pace: Pace,
        hub: &str,
        settings: &IdentitySettings,
        old: Option<&Self>,
        fetches: &Arc<Fetches>,
        worker: &Worker,
    ) -> Result<Self, ProviderError> {
        let had = old.filter(|old| old.place == settings.keys).map(|old| old.keys.had()).unwrap_or_default();
        let keys = Keys::new(hub, document(settings)?, had, pace, fetches, go_on);
        keys.read_file().map_err(ProviderError::Keys)?;
        Ok(Self {
            place: settings.keys.clone(),
            trust: Trust {
                issuer: settings.issuer.clone(),
                audiences: settings.audience.clone(),
                user_claim: settings.user_claim.clone(),
                roles_claim: settings.roles_claim.clone(),
                groups_claim: settings.groups_claim.clone(),
            },
            keys: Arc::new(keys),
            queue: worker.queue().map_err(ProviderError::Thread)?,
        })
    }

    /// Fetches keys from now on.
    pub(crate) fn start(&self, runtime: &Runtime) {
        self.keys.start(runtime);
    }

    /// Has a token verified; the answer comes on another thread. Whether there was room for it: if not, none comes.
    pub(crate) fn verify(
        self: &Arc<Self>,
        token: ProviderToken,
        handshake: HandshakeId,
        answer: impl FnOnce(Result<Claims, Unverified>) + Send + 'static,
    ) -> bool {
        let whose = Whose { handshake, provider: Arc::clone(self), answer: Box::new(answer) };
        self.queue.offer(move || judge(Waiting { token, whose }))
    }

    /// One who waited for keys does not any more.
    pub(crate) fn leave(&self, handshake: HandshakeId) {
        self.keys.leave(|whose| whose.handshake == handshake);
    }

    /// How many tokens wait for keys.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.keys.waiting_count()
    }

    /// How many keys there are, and how old they are.
    pub(crate) fn keys(&self) -> (usize, Duration) {
        (self.keys.current().map_or(0, |keys| keys.count()), self.keys.age())
    }
}

/// Verifies a token, or has it wait for its key.
fn judge(waiting: Waiting<Whose>) {
    let provider = Arc::clone(&waiting.whose.provider);
    if let Some(keys) = provider.keys.current().filter(|keys| keys.has(&waiting.token)) {
        return conclude(waiting, &keys);
    }
    match provider.keys.ask(waiting) {
        Asked::Waits { .. } => {}
        Asked::Known(waiting) => judge_again(waiting),
        Asked::Refused(waiting, why) => (waiting.whose.answer)(Err(Unverified::Key(why))),
    }
}

/// The same after a fetch: it does not wait for another.
fn judge_again(waiting: Waiting<Whose>) {
    let provider = Arc::clone(&waiting.whose.provider);
    match provider.keys.current().filter(|keys| keys.has(&waiting.token)) {
        Some(keys) => conclude(waiting, &keys),
        None => (waiting.whose.answer)(Err(Unverified::Key(provider.keys.refusal()))),
    }
}

fn conclude(waiting: Waiting<Whose>, keys: &KeySet) {
    let Waiting { token, whose } = waiting;
    let verified = whose.provider.trust.verify(&token, keys, now_s());
    (whose.answer)(verified.map_err(Unverified::Token));
}

/// A fetch is over: those who have waited for it are looked at again, by the same thread as before.
fn go_on(waited: Vec<Waiting<Whose>>) {
    let Some(queue) = waited.first().map(|one| one.whose.provider.queue.clone()) else { return };
    let all = Arc::new(Mutex::new(waited));
    let job = {
        let all = Arc::clone(&all);
        move || take(&all).into_iter().for_each(judge_again)
    };
    if !queue.offer(job) {
        // As many wait as may: these have no better right than those who come now.
        for one in take(&all) {
            (one.whose.answer)(Err(Unverified::Key(Refused::Full)));
        }
    }
}

fn take(all: &Mutex<Vec<Waiting<Whose>>>) -> Vec<Waiting<Whose>> {
    std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Fetches the keys of such a provider once: how many there are, or what is wrong.
pub(crate) async fn keys_of(settings: &IdentitySettings) -> Result<usize, String> {
    let document = document(settings).map_err(|error| error.to_string())?;
    keys_in(document.read().await).map(|keys| keys.count())
}

fn document(settings: &IdentitySettings) -> Result<Document, ProviderError> {
    let tls = Tls::new(settings.ca.as_deref()).map_err(ProviderError::Tls)?;
    Document::new(&Client::new(tls), settings.keys.as_str()).map_err(ProviderError::Source)
}

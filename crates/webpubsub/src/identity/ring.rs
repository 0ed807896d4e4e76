//! When keys are fetched, and who waits for that. Times are of any clock that does not go back, from any beginning.

use std::sync::Arc;
use std::time::Duration;

use super::set::KeySet;
use super::token::ProviderToken;

/// How often keys are fetched, and how many tokens wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A token whose key is not known has keys fetched only if this long has passed since the last fetch began. After
    /// a fetch that failed the next begins of itself this long after its end.
    pub gap: Duration,
    /// How old keys get until they are fetched again: this long a key is good that a provider has withdrawn.
    pub age_max: Duration,
    /// How long after the end of a fetch that failed the next begins while there are no keys at all.
    pub retry: Duration,
    /// Most tokens that wait for a fetch.
    pub waiting_max: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gap: Duration::from_secs(60),
            age_max: Duration::from_secs(600),
            retry: Duration::from_secs(10),
            waiting_max: 256,
        }
    }
}

/// A token that waits for keys, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting<W> {
    /// The token.
    pub token: ProviderToken,
    /// Who is to be answered.
    pub whose: W,
}

/// Why a token whose key is not known is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Keys were fetched lately, and its is none of them: 401.
    Unknown,
    /// Keys could not be had: nobody can say. 503.
    Unavailable,
    /// Too many wait already: 503.
    Full,
}

/// What becomes of a token whose key is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<W> {
    /// Its key has come in the meantime: verify it again.
    Known(Waiting<W>),
    /// It waits for the end of a fetch. Where `begins` says so, that has to be made now.
    Waits {
        /// Whether it is the first that waits for it.
        begins: bool,
    },
    /// It does not wait.
    Refused(Waiting<W>, Refused),
}

/// The keys of a provider, which are replaced as a whole, and the tokens that wait for new ones.
#[derive(Debug)]
pub struct KeyRing<W> {
    pace: Pace,
    keys: Option<Arc<KeySet>>,
    waiting: Vec<Waiting<W>>,
    is_fetching: bool,
    /// When the last fetch began.
    begun: Option<Duration>,
    /// When the last fetch ended, and whether it failed.
    ended: Option<(Duration, bool)>,
}

impl<W> KeyRing<W> {
    /// Without keys: they are due at once.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, keys: None, waiting: Vec::new(), is_fetching: false, begun: None, ended: None }
    }

    /// With keys that were fetched earlier: new ones are due at once.
    #[must_use]
    pub fn with_keys(pace: Pace, keys: Option<Arc<KeySet>>) -> Self {
        Self { keys, ..Self::new(pace) }
    }

    /// The keys that are good, if any have been fetched.
    #[must_use]
    pub fn keys(&self) -> Option<&Arc<KeySet>> {
        self.keys.as_ref()
    }

    /// How many tokens wait.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// When keys are to be fetched though no token asks for it; `None` while they are being fetched.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let (begun, ended) = (self.begun.unwrap_or_default(), self.ended);
        match ended {
            _ if self.is_fetching => None,
            None => Some(Duration::ZERO),
            Some((_, false)) => Some(begun.saturating_add(self.pace.age_max)),
            Some((ended, true)) if self.keys.is_some() => Some(ended.saturating_add(self.pace.gap)),
            Some((ended, true)) => Some(ended.saturating_add(self.pace.retry)),
        }
    }

    /// Whether keys have to be fetched now: they are due. If so the fetch has begun.
    pub fn begin(&mut self, now: Duration) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due {
            self.set_begun(now);
        }
        is_due
    }

    /// A token came of which [`KeySet::has`] is not true.
    pub fn ask(&mut self, waiting: Waiting<W>, now: Duration) -> Asked<W> {
        if self.keys.as_ref().is_some_and(|keys| keys.has(&waiting.token)) {
            return Asked::Known(waiting);
        }
        let begins = !self.is_fetching;
        if begins && self.begun.is_some_and(|begun| now < begun.saturating_add(self.pace.gap)) {
            return Asked::Refused(waiting, self.refusal());
        }
        if self.waiting.len() >= self.pace.waiting_max {
            return Asked::Refused(waiting, Refused::Full);
        }
        self.waiting.push(waiting);
        if begins {
            self.set_begun(now);
        }
        Asked::Waits { begins }
    }

    /// Those of whom this is true do not wait any more.
    pub fn leave(&mut self, mut has_left: impl FnMut(&W) -> bool) {
        self.waiting.retain(|one| !has_left(&one.whose));
    }

    /// A fetch has ended: with keys, which take the place of those before, or without, and those before stay. Whoever
    /// waited is given back, to be verified again; whose key is still not there is [refused](Self::refusal).
    pub fn end(&mut self, keys: Option<KeySet>, now: Duration) -> Vec<Waiting<W>> {
        self.is_fetching = false;
        self.ended = Some((now, keys.is_none()));
        if let Some(keys) = keys {
            self.keys = Some(Arc::new(keys));
        }
        std::mem::take(&mut self.waiting)
    }

    /// Why one is refused whose key is not known after the last fetch.
    #[must_use]
    pub fn refusal(&self) -> Refused {
        match self.ended {
            Some((_, false)) => Refused::Unknown,
            _ => Refused::Unavailable,
        }
    }

    fn set_begun(&mut self, now: Duration) {
        self.is_fetching = true;
        self.begun = Some(now);
    }
}

//! The keys of an identity provider, and who waits for them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_upstream::{Document, DocumentError};
use holdfast_webpubsub::identity::{Asked, KeyRing, KeySet, Pace, Refused, Waiting};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

/// Keys that are fetched again and again, and `W`s that wait for them.
#[derive(Debug)]
pub(super) struct Keys<W> {
    hub: String,
    document: Document,
    began: Instant,
    state: Mutex<State<W>>,
    /// Wakes the task that fetches. That ends when this is gone.
    wake: Sender<()>,
    /// What it takes to start that task, until it is started.
    woken: Mutex<Option<Receiver<()>>>,
    fetches: Arc<Fetches>,
    /// What becomes of those who have waited, when a fetch is over.
    go_on: fn(Vec<Waiting<W>>),
}

#[derive(Debug)]
struct State<W> {
    ring: KeyRing<W>,
    had: Option<Instant>,
    /// Whether the last fetch has failed, which has been logged.
    is_failing: bool,
}

/// Keys, and when they were fetched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Had {
    pub(crate) keys: Option<Arc<KeySet>>,
    pub(crate) at: Option<Instant>,
    /// Since when they have been tried to be fetched.
    pub(crate) began: Option<Instant>,
}

/// How many fetches there were, for as long as a hub is served.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    ok: AtomicU64,
    failed: AtomicU64,
}

/// What the task does next.
enum Next {
    Fetch,
    Sleep(Duration),
}

impl<W: Send + 'static> Keys<W> {
    /// Of a document, from what was `had` before. Nothing is fetched yet.
    pub(super) fn new(
        hub: &str,
        document: Document,
        had: Had,
        pace: Pace,
        fetches: &Arc<Fetches>,
        go_on: fn(Vec<Waiting<W>>),
    ) -> Self {
        let (wake, woken) = channel(1);
        let ring = KeyRing::with_keys(pace, had.keys);
        Self {
            hub: hub.to_owned(),
            document,
            began: had.began.unwrap_or_else(Instant::now),
            state: Mutex::new(State { ring, had: had.at, is_failing: false }),
            wake,
            woken: Mutex::new(Some(woken)),
            fetches: Arc::clone(fetches),
            go_on,
        }
    }

    /// Reads them at once where they are in a file.
    ///
    /// # Errors
    /// Where what is there is of no use: a sentence for the operator.
    pub(super) fn read_file(&self) -> Result<(), String> {
        let Some(read) = self.document.read_file() else { return Ok(()) };
        let keys = keys_in(read).inspect_err(|_| self.fetches.count(false))?;
        let now = self.now();
        let mut state = self.state();
        state.ring.begin(now);
        // Nobody waits yet.
        drop(state.ring.end(Some(keys), now));
        state.had = Some(Instant::now());
        self.fetches.count(true);
        Ok(())
    }

    /// Fetches them from now on, until this is dropped. Does nothing if it is called again.
    pub(super) fn start(self: &Arc<Self>, runtime: &Runtime) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(woken) = woken {
            runtime.spawn(run(Arc::downgrade(self), woken));
        }
    }

    /// What there is, and since when.
    pub(super) fn had(&self) -> Had {
        let state = self.state();
        Had { keys: state.ring.keys().cloned(), at: state.had, began: Some(self.began) }
    }

    /// The keys.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.state().ring.keys().cloned()
    }

    /// How many wait for them.
    #[cfg(test)]
    pub(super) fn waiting_count(&self) -> usize {
        self.state().ring.waiting_count()
    }

    /// How long ago they were fetched, or, where they never were, has been tried to.
    pub(super) fn age(&self) -> Duration {
        let since = self.state().had.unwrap_or(self.began);
        since.elapsed()
    }

    /// A token came whose key is not among them.
    pub(super) fn ask(&self, waiting: Waiting<W>) -> Asked<W> {
        let asked = self.state().ring.ask(waiting, self.now());
        if matches!(asked, Asked::Waits { begins: true }) {
            // It has been woken already where there is no room.
            let _ = self.wake.try_send(());
        }
        asked
    }

    /// Why one is refused whose key is not among them after a fetch.
    pub(super) fn refusal(&self) -> Refused {
        self.state().ring.refusal()
    }

    /// Those of whom this is true do not wait any more.
    pub(super) fn leave(&self, has_left: impl FnMut(&W) -> bool) {
        self.state().ring.leave(has_left);
    }

    fn next(&self) -> Next {
        let now = self.now();
        let ring = &mut self.state().ring;
        match ring.due() {
            // A token has asked for it.
            None => Next::Fetch,
            Some(due) if due > now => Next::Sleep(due - now),
            Some(_) => {
                ring.begin(now);
                Next::Fetch
            }
        }
    }

    async fn fetch(&self) {
        let read = keys_in(self.document.read().await);
        self.fetches.count(read.is_ok());
        let waited = {
            let mut state = self.state();
            self.log(&read, &mut state);
            if read.is_ok() {
                state.had = Some(Instant::now());
            }
            state.ring.end(read.ok(), self.now())
        };
        if !waited.is_empty() {
            (self.go_on)(waited);
        }
    }

    /// Says when it begins to fail, and when it is over.
    fn log(&self, read: &Result<KeySet, String>, state: &mut State<W>) {
        let (hub, source) = (&self.hub, &self.document);
        match read {
            Ok(keys) => {
                if state.is_failing || state.had.is_none() {
                    tracing::info!(hub, %source, keys = keys.count(), "keys of the identity provider were fetched");
                }
                for ignored in keys.ignored() {
                    tracing::debug!(hub, %ignored, "a key of the identity provider");
                }
            }
            Err(error) if !state.is_failing => {
                let old =
                    if state.had.is_some() { "those before stay good" } else { "tokens get 503 until then" };
                tracing::warn!(
                    hub,
                    error,
                    "keys of the identity provider cannot be had, and are tried again: {old}"
                );
            }
            Err(error) => tracing::debug!(hub, error, "keys of the identity provider cannot be had"),
        }
        state.is_failing = read.is_err();
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Fetches {
    fn count(&self, is_ok: bool) {
        if is_ok { &self.ok } else { &self.failed }.fetch_add(1, Relaxed);
    }

    /// Those that brought keys, and those that did not.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.ok.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// The keys in a document, or a sentence for the operator.
pub(super) fn keys_in(read: Result<Bytes, DocumentError>) -> Result<KeySet, String> {
    KeySet::read(&read.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Fetches when it is time, and when it is woken.
async fn run<W: Send + 'static>(keys: Weak<Keys<W>>, mut woken: Receiver<()>) {
    while let Some(this) = keys.upgrade() {
        match this.next() {
            Next::Fetch => this.fetch().await,
            Next::Sleep(time) => {
                // Not held meanwhile, so that it can go.
                drop(this);
                tokio::select! {
                    () = sleep(time) => {}
                    more = woken.recv() => if more.is_none() { return },
                }
            }
        }
    }
}

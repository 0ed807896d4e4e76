//! Names become addresses, anew for each connection.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Most names that are looked up at once.
const LOOKUPS_MAX: usize = 16;

/// The addresses of a name, in the order in which they are tried.
pub type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Finds out where a host is. Whoever asks bounds the time.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of `host`, with `port`. Addresses in digits are not asked for.
    fn resolve(&self, host: &str, port: u16) -> Lookup;
}

/// The resolver of the system: `getaddrinfo`.
///
/// It may block for as long as it likes, so each name has a thread while it is looked up, 16 at most; who asks for the
/// same meanwhile gets the same answer. A name whose servers are silent costs one thread, and no other name's time.
#[derive(Clone, Debug, Default)]
pub struct SystemResolver {
    waiting: Arc<Waiting>,
}

type Found = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;
type Key = (String, u16);

#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<Key, Vec<oneshot::Sender<Found>>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<oneshot::Sender<Found>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Lookup {
        let asked =
            self.ask((host.to_owned(), port), |(host, port)| (host.as_str(), *port).to_socket_addrs());
        Box::pin(async move {
            let found = asked?.await.map_err(|_| io::Error::other("the resolver ended"))?;
            found.map_err(|(kind, text)| io::Error::new(kind, text))
        })
    }
}

impl SystemResolver {
    /// Asks in a thread, unless one does already.
    fn ask<A, F>(&self, key: Key, look: F) -> io::Result<oneshot::Receiver<Found>>
    where
        A: Iterator<Item = SocketAddr>,
        F: FnOnce(&Key) -> io::Result<A> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if let Some(others) = waiting.get_mut(&key) {
            others.retain(|other| !other.is_closed());
            others.push(sender);
            return Ok(receiver);
        }
        if waiting.len() >= LOOKUPS_MAX {
            return Err(io::Error::other("too many names are being looked up"));
        }
        waiting.insert(key.clone(), vec![sender]);
        drop(waiting);
        let turn = Turn { waiting: Arc::clone(&self.waiting), key };
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found =
                look(&turn.key).map(Iterator::collect).map_err(|error| (error.kind(), error.to_string()));
            turn.end(&found);
        })?;
        Ok(receiver)
    }
}

/// The lookup of one name. When it ends, however it ends, nobody waits for it any more.
struct Turn {
    waiting: Arc<Waiting>,
    key: Key,
}

impl Turn {
    fn end(&self, found: &Found) {
        let asked = self.waiting.lock().remove(&self.key).unwrap_or_default();
        for one in asked {
            // Whoever does not wait any more is none to tell.
            let _ = one.send(found.clone());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn names_of_this_machine_are_found() {
        let found = SystemResolver::default().resolve("localhost", 80).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
        assert!(SystemResolver::default().resolve("nowhere.invalid", 80).await.is_err());
    }

    #[tokio::test]
    async fn who_asks_for_the_same_name_shares_a_thread_and_a_hung_name_holds_up_no_other() {
        let resolver = SystemResolver::default();
        let there: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let hung = move |_: &Key| {
            let _ = wait.recv();
            Ok([there].into_iter())
        };
        let first = resolver.ask(("hung".to_owned(), 1), hung).unwrap();
        let second = resolver.ask(("hung".to_owned(), 1), |_| Ok([].into_iter())).unwrap();
        let other = resolver.ask(("other".to_owned(), 1), |_| Ok([].into_iter())).unwrap();
        assert_eq!(other.await.unwrap(), Ok(vec![]));
        go.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(vec![there]), Ok(vec![there])));
        assert!(resolver.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn names_looked_up_at_once_are_bounded() {
        let resolver = SystemResolver::default();
        let (sender, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let hung: Vec<_> = (0..LOOKUPS_MAX)
            .map(|number| {
                let wait = Arc::clone(&wait);
                let look = move |_: &Key| {
                    let _ = wait.lock().unwrap().recv();
                    Ok([].into_iter())
                };
                resolver.ask((number.to_string(), 1), look).unwrap()
            })
            .collect();
        assert!(resolver.ask(("more".to_owned(), 1), |_| Ok([].into_iter())).is_err());
        drop(sender);
        for one in hung {
            assert_eq!(one.await.unwrap(), Ok(vec![]));
        }
        assert!(resolver.ask(("more".to_owned(), 1), |_| Ok([].into_iter())).is_ok());
    }
}

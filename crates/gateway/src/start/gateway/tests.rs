//! A gateway one of whose shards breaks.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use holdfast_ring::{Buffers, Close, Event, Lent, ListenerId, Outgoing, Progress, Stats, Token, Waker};
use tungstenite::{Message, WebSocket};

use super::*;
use crate::control::{Phase, Readiness};
use crate::limits::Bounds;
use crate::{Drainer, Echo};

const PATIENCE: Duration = Duration::from_secs(30);

/// A driver that breaks when it is told to.
struct Breakable {
    inner: Epoll,
    broken: Arc<AtomicBool>,
}

impl Driver for Breakable {
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        self.inner.listen(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.inner.unlisten(listener);
    }

    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()> {
        self.inner.adopt(token, descriptor)
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        self.inner.promote(from, to)
    }

    fn receive(&mut self, token: Token, buffers: Buffers) {
        self.inner.receive(token, buffers);
    }

    fn has_unread(&self, token: Token) -> bool {
        self.inner.has_unread(token)
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        self.inner.send(token, outgoing)
    }

    fn confirm_sends(&mut self) {
        self.inner.confirm_sends();
    }

    fn offers(&self) -> usize {
        self.inner.offers()
    }

    fn shutdown(&mut self, token: Token) {
        self.inner.shutdown(token);
    }

    fn close(&mut self, token: Token, how: Close) {
        self.inner.close(token, how);
    }

    fn release(&mut self, token: Token) {
        self.inner.release(token);
    }

    fn lend(&mut self) -> Option<Lent> {
        self.inner.lend()
    }

    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        if self.broken.load(Relaxed) {
            return Err(Errno::BADF);
        }
        self.inner.turn(timeout, events)
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }
}

/// Two shards; and what breaks one of them.
fn two_shards(settings: &Settings) -> (Gateway, Arc<AtomicBool>) {
    let bounds = Bounds {
        shards: 2,
        listeners: 1,
        services: 0,
        descriptors: 1024,
        direct_table: None,
        memory_bytes: None,
        connection_bytes: 4096,
        connections_max: Some(100),
        shard_connections_max: None,
        handshakes_max: 100,
    };
    let room = Room::new(&bounds).unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let (flag, made) = (Arc::clone(&broken), Arc::new(AtomicUsize::new(0)));
    let driver = move |config: &Config| {
        let first = made.fetch_add(1, Relaxed) == 0;
        let broken = if first { Arc::clone(&flag) } else { Arc::default() };
        Ok(Breakable { inner: Epoll::new(config)?, broken })
    };
    let team = Team::assemble(Rung::Epoll, room, settings, &Arc::new(|_: &Handle| Echo::default()), driver);
    (team.unwrap().begin(open_all(settings).unwrap()), broken)
}

fn connect(gateway: &Gateway) -> WebSocket<TcpStream> {
    let Listen::Tcp(address) = gateway.addresses()[0] else { panic!("it listens on TCP") };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    tungstenite::client("ws://holdfast/", stream).unwrap().0
}

#[test]
fn when_a_shard_breaks_the_others_are_drained_and_it_is_said() {
    let settings = Settings {
        listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
        shards: 2,
        drain_timeout: PATIENCE,
        drain_spread: Some(Duration::ZERO),
        ..Settings::default()
    };
    let (mut gateway, broken) = two_shards(&settings);
    let mut peers: Vec<_> = (0..20).map(|_| connect(&gateway)).collect();
    let held: Vec<u64> = gateway.counters().iter().map(|shard| shard.opened.get()).collect();
    let readiness = Arc::new(Readiness::default());
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    let drainer = Arc::new(Drainer::new(handle, counters, Arc::clone(&readiness), &settings));
    readiness.set(Phase::Accepting);

    broken.store(true, Relaxed);
    let seen = thread::spawn(move || {
        let goodbye = |peer: &mut WebSocket<_>| match peer.read() {
            Ok(Message::Close(Some(frame))) => {
                assert_eq!(u16::from(frame.code), 1001);
                // Sends the answer.
                let _ = peer.flush();
                true
            }
            other => other.is_ok_and(|message| panic!("not {message:?}")),
        };
        peers.iter_mut().map(goodbye).filter(|said| *said).count() as u64
    });
    let outcome = drainer.supervise(&mut gateway);
    assert_eq!(outcome, Outcome { cut: 0, broken: 1 });
    assert_eq!(readiness.phase(), Phase::Ending);
    let goodbyes = seen.join().unwrap();
    assert!(held.contains(&goodbyes), "{goodbyes} goodbyes, {held:?} were held");
}

#[test]
fn a_drain_after_a_break_ends_in_time() {
    let settings = Settings {
        listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
        shards: 2,
        drain_timeout: Duration::from_millis(300),
        close_timeout: PATIENCE,
        drain_spread: Some(Duration::ZERO),
        ..Settings::default()
    };
    let (mut gateway, broken) = two_shards(&settings);
    // Nobody answers.
    let _peers: Vec<_> = (0..20).map(|_| connect(&gateway)).collect();
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    let drainer = Arc::new(Drainer::new(handle, counters, Arc::default(), &settings));
    broken.store(true, Relaxed);
    let outcome = drainer.supervise(&mut gateway);
    assert_eq!(outcome.broken, 1);
    let opened: Vec<u64> = gateway.counters().iter().map(|shard| shard.opened.get()).collect();
    assert!(opened.contains(&(outcome.cut as u64)), "{outcome:?} of {opened:?}");
}

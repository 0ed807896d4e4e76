//! The network of a simulation: links between peers and drivers, and the time.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use crate::Close;

/// Names a peer, and its link to a driver: 0-based, in order of [`Network::connect`].
pub type PeerId = usize;

/// What all drivers and peers of a simulation share: links, time, and the trace. Cheap to clone.
#[derive(Clone)]
pub struct Network(Rc<RefCell<State>>);

pub(super) struct State {
    start: Instant,
    now: Duration,
    links: Vec<Link>,
    /// Peers that wait to be accepted, for each driver.
    pub(super) queues: Vec<VecDeque<PeerId>>,
    /// Drivers that listen no more.
    pub(super) deaf: Vec<bool>,
    /// Whose an accepted descriptor is.
    descriptors: BTreeMap<RawFd, PeerId>,
    trace: Option<VecDeque<String>>,
}

/// One TCP connection, as both ends see it.
pub(super) struct Link {
    /// What the peer sent and the driver has not read.
    pub(super) inbound: VecDeque<u8>,
    /// The peer said end of stream.
    pub(super) inbound_ended: bool,
    /// What the driver sent and the peer has not read.
    outbound: VecDeque<u8>,
    /// How much of that there may be.
    window: usize,
    outbound_ended: bool,
    /// The peer takes nothing any more: what is sent to it is answered by a reset.
    gone: bool,
    /// The driver's side is closed.
    closed: bool,
    reset: Option<By>,
    /// A failure was injected: the peer gets less than it may expect.
    failed: bool,
    /// The other end of the descriptor that stands for this link, for what is done with it before a driver has it.
    backdoor: Option<OwnedFd>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Peer,
    Gateway,
}

/// How a link looks to its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Both directions work.
    Open,
    /// All was read, and the end of stream behind it.
    Ended,
    /// The gateway reset it.
    Reset,
}

/// Most lines of a trace that are kept: the last ones.
const TRACE_MAX: usize = 400;
/// Most bytes that wait to be read by a driver.
const INBOUND_MAX: usize = 64 << 10;

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// An empty network; with a trace of what happens in it if that is wanted.
    #[must_use]
    pub fn new(traced: bool) -> Self {
        Self(Rc::new(RefCell::new(State {
            start: Instant::now(),
            now: Duration::ZERO,
            links: Vec::new(),
            queues: Vec::new(),
            deaf: Vec::new(),
            descriptors: BTreeMap::new(),
            trace: traced.then(VecDeque::new),
        })))
    }

    /// Time since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.borrow().now
    }

    /// The same, for those who know no simulation.
    #[must_use]
    pub fn instant(&self) -> Instant {
        let state = self.0.borrow();
        state.start + state.now
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.borrow_mut().now += by;
    }

    /// Notes what happens, if there is a trace.
    pub fn trace(&self, what: impl FnOnce() -> String) {
        let mut state = self.0.borrow_mut();
        let now = state.now.as_secs_f64();
        if let Some(lines) = &mut state.trace {
            if lines.len() == TRACE_MAX {
                lines.pop_front();
            }
            lines.push_back(format!("{now:11.3} s  {}", what()));
        }
    }

    /// The last lines of the trace.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let state = self.0.borrow();
        state.trace.iter().flatten().map(|line| format!("{line}\n")).collect()
    }

    /// A peer connects to the driver with this index (in order of their making), and takes `window` bytes unread.
    /// Nothing if nobody listens.
    #[must_use]
    pub fn connect(&self, driver: usize, window: usize) -> Option<PeerId> {
        let mut state = self.0.borrow_mut();
        if state.deaf[driver] {
            return None;
        }
        state.links.push(Link {
            inbound: VecDeque::new(),
            inbound_ended: false,
            outbound: VecDeque::new(),
            window,
            outbound_ended: false,
            gone: false,
            closed: false,
            reset: None,
            failed: false,
            backdoor: None,
        });
        let peer = state.links.len() - 1;
        state.queues[driver].push_back(peer);
        Some(peer)
    }

    /// The peer sends as much of `bytes` as there is room for. Returns how much went.
    pub fn write(&self, peer: PeerId, bytes: &[u8]) -> usize {
        let mut link = self.link(peer);
        link.look_through_backdoor();
        if link.closed {
            // The kernel resets a connection on which something comes after its end was closed.
            link.reset_by_gateway();
        }
        if link.reset.is_some() {
            return bytes.len();
        }
        let len = bytes.len().min(INBOUND_MAX - link.inbound.len());
        link.inbound.extend(&bytes[..len]);
        len
    }

    /// Whether there is something for the peer to read.
    #[must_use]
    pub fn has_unread(&self, peer: PeerId) -> bool {
        !self.link(peer).outbound.is_empty()
    }

    /// The peer reads at most `most` bytes.
    #[must_use]
    pub fn read(&self, peer: PeerId, most: usize) -> Vec<u8> {
        let mut link = self.link(peer);
        link.look_through_backdoor();
        let len = link.outbound.len().min(most);
        link.outbound.drain(..len).collect()
    }

    /// The peer says end of stream; it goes on reading.
    pub fn end(&self, peer: PeerId) {
        self.link(peer).inbound_ended = true;
    }

    /// The peer is no more: it reads and sends nothing, and answers what is sent to it by a reset.
    pub fn leave(&self, peer: PeerId) {
        let mut link = self.link(peer);
        (link.inbound_ended, link.gone) = (true, true);
        link.outbound.clear();
    }

    /// The peer resets the connection.
    pub fn reset(&self, peer: PeerId) {
        self.link(peer).reset_by_peer();
    }

    /// How the link looks to the peer.
    #[must_use]
    pub fn status(&self, peer: PeerId) -> Status {
        let mut link = self.link(peer);
        link.look_through_backdoor();
        match link.reset {
            // What came before the reset may still be read.
            Some(By::Gateway) if link.outbound.is_empty() => Status::Reset,
            None if link.outbound.is_empty() && link.outbound_ended => Status::Ended,
            _ => Status::Open,
        }
    }

    /// Whether a failure was injected, so that the peer gets less than it may expect.
    #[must_use]
    pub fn has_failed(&self, peer: PeerId) -> bool {
        self.link(peer).failed
    }

    /// Whether the gateway's side is closed.
    #[must_use]
    pub fn is_closed(&self, peer: PeerId) -> bool {
        let mut link = self.link(peer);
        link.look_through_backdoor();
        link.closed
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    pub(super) fn link(&self, peer: PeerId) -> RefMut<'_, Link> {
        RefMut::map(self.0.borrow_mut(), |state| &mut state.links[peer])
    }

    /// A descriptor that stands for a link until a driver adopts it.
    pub(super) fn descriptor(&self, peer: PeerId) -> rustix::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let mut state = self.0.borrow_mut();
        state.descriptors.insert(ours.as_raw_fd(), peer);
        state.links[peer].backdoor = Some(theirs);
        Ok(ours)
    }

    /// Whose this descriptor is.
    ///
    /// # Panics
    /// When it was never accepted: a bug of the caller.
    pub(super) fn adopt(&self, descriptor: &OwnedFd) -> PeerId {
        let mut state = self.0.borrow_mut();
        let peer = state.descriptors.remove(&descriptor.as_raw_fd()).expect("it was accepted");
        state.links[peer].look_through_backdoor();
        state.links[peer].backdoor = None;
        peer
    }
}

impl Link {
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    pub(super) fn reset_by_peer(&mut self) {
        self.reset.get_or_insert(By::Peer);
        self.inbound.clear();
        self.outbound.clear();
    }

    fn reset_by_gateway(&mut self) {
        self.reset.get_or_insert(By::Gateway);
        self.closed = true;
        self.inbound.clear();
    }

    /// Whether the driver can neither read nor send any more.
    pub(super) fn is_reset(&self) -> bool {
        self.reset.is_some()
    }

    /// How many bytes the peer's window takes.
    pub(super) fn room(&self) -> usize {
        if self.gone { usize::MAX } else { self.window - self.outbound.len() }
    }

    /// The driver sends these bytes, for which there is room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        assert!(!self.outbound_ended, "nothing is sent after the end of stream");
        if self.gone {
            self.reset_by_peer();
        } else {
            self.outbound.extend(bytes);
        }
    }

    pub(super) fn end_outbound(&mut self) {
        self.outbound_ended = true;
    }

    pub(super) fn close(&mut self, how: Close) {
        self.closed = true;
        self.outbound_ended = true;
        if how == Close::Reset || !self.inbound.is_empty() {
            // Of what was sent, something may be lost: all that the peer has not read.
            self.outbound.clear();
            self.reset_by_gateway();
        }
    }

    /// What the gateway did with a descriptor that no driver has: refuse without waiting, and close.
    fn look_through_backdoor(&mut self) {
        let Some(backdoor) = &self.backdoor else { return };
        let mut bytes = [0; 1024];
        match recv(backdoor, &mut bytes, RecvFlags::DONTWAIT).map(|(len, _)| len) {
            Ok(0) | Err(rustix::io::Errno::CONNRESET) => {
                // It takes out what has come, up to some bytes, before it closes.
                self.inbound.clear();
                self.backdoor = None;
                self.close(Close::Orderly);
            }
            Ok(len) => {
                self.outbound.extend(&bytes[..len]);
                self.look_through_backdoor();
            }
            Err(_) => {}
        }
    }
}

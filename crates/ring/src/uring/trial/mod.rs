//! The start-up trial: which features of io_uring work here.
//!
//! A version says little: distributions backport, and seccomp profiles and sysctls forbid. So the driver itself is run
//! with one feature more each time over loopback (see [`transport`]), through the life of a connection: accept, read,
//! send, and a close while its poll and an older one are armed. A feature with which that fails stays off.

mod quiet;
mod transport;

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use transport::Transport;

use super::{Capabilities, READ, STREAM, Uring};
use crate::{Buffers, Close, Config, Driver, Event, Lent, Outgoing, Token};

/// How long a step of the trial may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a peer waits for what has been sent, or for the end of stream of a connection that is closed. Where direct
/// descriptors leak on close, the start takes this much longer.
const PEER_PATIENCE: Duration = Duration::from_millis(300);

/// What the trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What works, and is used.
    pub capabilities: Capabilities,
    /// What is off: its name, and why.
    pub off: Vec<(&'static str, String)>,
    /// Why connections were made by Unix sockets and not over loopback, if they were.
    pub without_loopback: Option<String>,
}

/// Why there is no io_uring here, and what an operator can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error of the first operation that failed; `None` if one merely went wrong.
    pub errno: Option<Errno>,
    what: String,
}

impl Refusal {
    fn of(failure: Failure) -> Self {
        match failure {
            Failure::Kernel(errno) => Self { errno: Some(errno), what: explain(errno) },
            Failure::Wrong(what) => {
                Self { errno: None, what: format!("io_uring does not work here: {what}") }
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}

fn explain(errno: Errno) -> String {
    match errno {
        Errno::PERM | Errno::ACCESS => {
            "io_uring is not permitted here: allow io_uring_setup, io_uring_enter and \
             io_uring_register in the seccomp profile (deploy/seccomp.json) or check kernel.io_uring_disabled"
                .into()
        }
        Errno::NOSYS => {
            "there is no io_uring here: the kernel is older than 5.10 or built without it, or the seccomp \
             profile hides it (deploy/seccomp.json allows it)"
                .into()
        }
        Errno::NOMEM => {
            "there is no memory for an io_uring ring: raise RLIMIT_MEMLOCK (ulimit -l, --ulimit memlock) \
             or use fewer shards"
                .into()
        }
        Errno::INVAL => "the kernel's io_uring is too old: Linux 5.10 or newer is needed".into(),
        errno => format!("io_uring cannot be set up: {errno}"),
    }
}

/// What went wrong in an exercise.
#[derive(Debug)]
enum Failure {
    Kernel(Errno),
    Wrong(String),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Kernel(errno)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Failure::Wrong(error.to_string()), Failure::Kernel)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Kernel(errno) => write!(formatter, "{errno}"),
            Failure::Wrong(what) => formatter.write_str(what),
        }
    }
}

impl Trial {
    /// Tries what 5.10 has, and then, unless `baseline_only`, every further feature. Takes a few milliseconds, and some
    /// hundred more for each feature that hangs; a second at most, once, where nothing arrives over loopback.
    ///
    /// # Errors
    /// When not even the baseline works.
    pub fn run(baseline_only: bool) -> Result<Self, Refusal> {
        let (transport, without_loopback) = Transport::find();
        Ok(Self { without_loopback, ..over(transport, baseline_only)? })
    }
}

fn over(transport: Transport, baseline_only: bool) -> Result<Trial, Refusal> {
    let mut capabilities = Capabilities::BASELINE;
    exercise(&capabilities, transport).map_err(Refusal::of)?;
    let mut off = Vec::new();
    let further = if baseline_only { &[][..] } else { &Capabilities::FEATURES[..] };
    for (name, feature) in further {
        let mut wider = capabilities;
        *feature(&mut wider) = true;
        match exercise(&wider, transport) {
            Ok(()) => capabilities = wider,
            Err(failure) => off.push((*name, failure.to_string())),
        }
    }
    Ok(Trial { capabilities, off, without_loopback: None })
}

/// The lives of three connections on a small driver with these capabilities. The peers of the two that are closed in
/// order must hear it while the poll of the oldest is armed: with a poll of its own armed, which shutdown(2) ends, and
/// without, where closing the descriptor is all that tells the peer.
fn exercise(capabilities: &Capabilities, transport: Transport) -> Result<(), Failure> {
    if capabilities.quiet_sends {
        quiet::exercise(capabilities, transport)?;
    }
    let mut bench = Bench::new(capabilities)?;
    let (listener, connect) = transport.listen()?;
    bench.driver.listen(listener)?;
    // One after the other: peers that connect together may be accepted in another order.
    let (oldest_peer, oldest) = (connect()?, bench.accept(0)?);
    let accepts_before = bench.driver.stats().submissions;
    let (mut waiting_peer, waiting) = (connect()?, bench.accept(1)?);
    let (mut peer, last) = (connect()?, bench.accept(2)?);
    if capabilities.multishot_accept && bench.driver.stats().submissions > accepts_before {
        return Err(Failure::Wrong("the accept operation ends after one peer".into()));
    }
    if capabilities.fixed_buffers {
        bench.read_without_data(oldest)?;
    } else {
        bench.driver.receive(oldest, Buffers::Short);
    }
    bench.echo(waiting, &mut waiting_peer)?;
    bench.driver.receive(waiting, Buffers::Short);
    bench.echo(last, &mut peer)?;
    if capabilities.multishot_receive {
        bench.stream(last, &mut peer)?;
    }
    bench.close(last, &mut peer)?;
    bench.close(waiting, &mut waiting_peer)?;
    bench.driver.close(oldest, Close::Reset);
    bench.wait("a reset connection is not closed", |event| matches!(event, Event::Closed { .. }))?;
    drop(oldest_peer);
    Ok(())
}

struct Bench {
    driver: Uring,
    events: Vec<Event>,
}

impl Bench {
    const HANDSHAKES: u32 = 3;

    fn new(capabilities: &Capabilities) -> Result<Self, Failure> {
        let config = Config {
            handshake_slots: Self::HANDSHAKES,
            connection_slots: 3,
            normal_descriptors_max: 0,
            buffer_bytes: 4096,
            buffer_count: 8,
            long_buffer_bytes: 8192,
            long_buffer_count: 1,
            submission_entries: 32,
            completion_entries: 64,
        };
        let driver = Uring::new(*capabilities, &config)?;
        if capabilities.fixed_buffers && !driver.pool_is_registered() {
            return Err(Failure::Wrong("the kernel refuses to register buffers".into()));
        }
        Ok(Self { driver, events: Vec::new() })
    }

    /// Turns until there is an event that `wanted` takes.
    fn wait(&mut self, otherwise: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(index) = self.events.iter().position(&wanted) {
                return Ok(self.events.remove(index));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Wrong(otherwise.into()));
            }
            self.driver.turn(left, &mut self.events)?;
            if let Some(error) = self.events.iter().find_map(failure_in) {
                return Err(Failure::Kernel(error));
            }
        }
    }

    fn accept(&mut self, slot: u32) -> Result<Token, Failure> {
        let event = self.wait("no peer is accepted", |event| matches!(event, Event::Accepted { .. }))?;
        let Event::Accepted { descriptor, .. } = event else { return Err(Failure::Wrong("no peer".into())) };
        let handshake = Token { slot, generation: 0 };
        let connection = Token { slot: Self::HANDSHAKES + slot, generation: 0 };
        self.driver.adopt(handshake, descriptor)?;
        self.driver.promote(handshake, connection)?;
        Ok(connection)
    }

    /// A read when there is nothing to read must come back, and leave the poll armed.
    fn read_without_data(&mut self, token: Token) -> Result<(), Failure> {
        let Some(buffer) = self.driver.lend() else { return Err(Failure::Wrong("no buffer".into())) };
        self.driver.start_read(token, buffer);
        let deadline = Instant::now() + PATIENCE;
        while self.driver.slots.owned(token).flags.has(READ) {
            if Instant::now() > deadline {
                return Err(Failure::Wrong("a read waits for data and keeps its buffer".into()));
            }
            self.driver.turn(Duration::from_millis(1), &mut self.events)?;
        }
        match self.events.iter().find_map(failure_in) {
            Some(error) => Err(Failure::Kernel(error)),
            None => Ok(()),
        }
    }

    fn receive(&mut self, token: Token) -> Result<Lent, Failure> {
        self.driver.receive(token, Buffers::Short);
        let mine = |event: &Event| matches!(event, Event::Received { token: of, .. } if *of == token);
        match self.wait("what a peer sends does not arrive", mine)? {
            Event::Received { buffer, .. } => Ok(buffer),
            _ => Err(Failure::Wrong("nothing arrived".into())),
        }
    }

    fn echo(&mut self, token: Token, peer: &mut File) -> Result<(), Failure> {
        peer.write_all(b"holdfast")?;
        let buffer = self.receive(token)?;
        self.answer(token, buffer, peer)
    }

    fn answer(&mut self, token: Token, buffer: Lent, peer: &mut File) -> Result<(), Failure> {
        self.driver.send(token, Outgoing::Lent(buffer));
        self.driver.confirm_sends();
        self.wait("a send does not end", |event| matches!(event, Event::Sent { .. }))?;
        let mut answer = [0; 8];
        peer.read_exact(&mut answer)?;
        if &answer == b"holdfast" { Ok(()) } else { Err(Failure::Wrong("the echo differs".into())) }
    }

    /// Two messages by one multishot receive, which stays in flight.
    fn stream(&mut self, token: Token, peer: &mut File) -> Result<(), Failure> {
        if self.driver.busy.is_none() {
            return Err(Failure::Wrong("the kernel takes no ring of buffers".into()));
        }
        self.driver.start_stream(token, Buffers::Short);
        for _ in 0..2 {
            peer.write_all(b"holdfast")?;
            let mine = |event: &Event| matches!(event, Event::Received { token: of, .. } if *of == token);
            let event = self.wait("what a peer sends does not arrive by a multishot receive", mine)?;
            let Event::Received { buffer, .. } = event else { return Err(Failure::Wrong("nothing".into())) };
            self.answer(token, buffer, peer)?;
            self.driver.receive(token, Buffers::Short);
        }
        if self.driver.slots.owned(token).flags.has(STREAM) {
            Ok(())
        } else {
            Err(Failure::Wrong("the multishot receive ends by itself".into()))
        }
    }

    /// The peer must hear the end of stream.
    fn close(&mut self, token: Token, peer: &mut File) -> Result<(), Failure> {
        self.driver.close(token, Close::Orderly);
        self.wait("a connection is not closed", |event| matches!(event, Event::Closed { .. }))?;
        loop {
            return match peer.read(&mut [0; 8]) {
                Ok(0) => Ok(()),
                Ok(_) => Err(Failure::Wrong("there is more than the echo".into())),
                // Work that the kernel does for a ring in this thread interrupts its waits.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(Failure::Wrong("a closed descriptor sends no end of stream".into()))
                }
                Err(error) => Err(error.into()),
            };
        }
    }
}

fn failure_in(event: &Event) -> Option<Errno> {
    match event {
        Event::AcceptFailed { error, .. } | Event::Failed { error, .. } => Some(*error),
        Event::Sent { sent: crate::Sent::Failed(error), .. } => Some(*error),
        _ => None,
    }
}

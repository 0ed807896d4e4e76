//! Bodies of fuzz targets.
//!
//! [`records`], [`state`], [`handshake`] and [`leaf`] take any bytes and panic when a promise of this crate is broken:
//! nothing is given out that was not sealed, in this order; whatever else comes is refused or waited for. The shells
//! around them are in `fuzz/`.

use std::ops::Range;

use crate::bounds::HANDSHAKE_BYTES_MAX;
use crate::config::Config;
use crate::handshake::{Handshake, Why};
use crate::leaf::Leaf;
use crate::open::{End, open};
use crate::seal::{refresh, seal_copy, sealed_len};
use crate::state::{CARRIED_LEN_MAX, Direction, Role, State};
use crate::suite::Suite;

/// Bytes as what happens to two ends of a connection: the first says with which suite, and each that follows does
/// something, with the one behind it as a number.
///
/// # Panics
///
/// When a promise is broken.
pub fn records(data: &[u8]) {
    let Some((first, script)) = data.split_first() else { return };
    let suite = Suite::ALL[usize::from(*first) % Suite::ALL.len()];
    let mut ends = Ends::new(suite);
    for pair in script.chunks_exact(2) {
        ends.act(pair[0], pair[1]);
    }
    ends.deliver(usize::MAX);
    assert!(ends.said.starts_with(&ends.heard), "something else was opened");
    assert!(ends.is_changed || (ends.heard == ends.said && ends.end.is_none()), "{:?}", ends.end);
}

/// A server, and its peer with a wire between.
struct Ends {
    server: State,
    peer: State,
    wire: Vec<u8>,
    rest: Vec<u8>,
    said: Vec<u8>,
    heard: Vec<u8>,
    end: Option<End>,
    is_changed: bool,
}

impl Ends {
    fn new(suite: Suite) -> Self {
        let (one, other) = (vec![1; suite.kept_len()], vec![2; suite.kept_len()]);
        let (one, other) = (Direction { secret: &one, number: 0 }, Direction { secret: &other, number: 0 });
        Self {
            server: State::new(suite, Role::Server, &one, &other).expect("a state"),
            peer: State::new(suite, Role::Client, &other, &one).expect("a state"),
            wire: Vec::new(),
            rest: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            end: None,
            is_changed: false,
        }
    }

    fn act(&mut self, what: u8, number: u8) {
        let count = usize::from(number);
        match what % 8 {
            0 => self.say(count),
            // Sometimes more than one record.
            1 => self.say(count * 130),
            2 => refresh(&mut self.peer.session().expect("a session"), number % 2 == 1),
            3 => self.deliver(count),
            4 => {
                let at = count % self.wire.len().max(1);
                if let Some(byte) = self.wire.get_mut(at) {
                    *byte ^= 1 << (what >> 5);
                    self.is_changed = true;
                }
            }
            5 => {
                self.wire.extend(std::iter::repeat_n(number, usize::from(what >> 3)));
                self.is_changed |= what >> 3 > 0;
            }
            6 => self.answer(count),
            _ => self.server = State::read(&self.server.carried()).expect("a state").0,
        }
    }

    fn say(&mut self, len: usize) {
        let data: Vec<u8> = (self.said.len()..self.said.len() + len).map(|at| at.to_le_bytes()[0]).collect();
        self.wire.extend(sealed(&mut self.peer, &data));
        self.said.extend(data);
    }

    /// The server reads as much of the wire.
    fn deliver(&mut self, len: usize) {
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.extend(self.wire.drain(..len.min(self.wire.len())));
        let len = buffer.len();
        let opened = open(&mut self.server.session().expect("a session"), &mut buffer, 0..len);
        let within = |range: &Range<usize>| range.start <= range.end && range.end <= len;
        assert!(within(&opened.plain) && within(&opened.rest) && opened.plain.end <= opened.rest.start);
        self.heard.extend_from_slice(&buffer[opened.plain]);
        self.rest.extend_from_slice(&buffer[opened.rest]);
        self.end = self.end.or(opened.end);
    }

    /// The server says something, and the peer hears just that.
    fn answer(&mut self, len: usize) {
        let data = vec![7; len];
        let mut wire = sealed(&mut self.server, &data);
        let len = wire.len();
        let opened = open(&mut self.peer.session().expect("a session"), &mut wire, 0..len);
        assert!(wire[opened.plain] == data && opened.end.is_none() && opened.rest.is_empty());
    }
}

fn sealed(state: &mut State, data: &[u8]) -> Vec<u8> {
    let mut session = state.session().expect("a session");
    let mut out = vec![0; sealed_len(&session, data.len())];
    let len = seal_copy(&mut session, data, &mut out).expect("sealed");
    assert_eq!(len, out.len(), "the length was known before");
    out
}

/// Any bytes as a state that another process has carried here, and behind it what its peer sends.
///
/// # Panics
///
/// When a promise is broken.
pub fn state(data: &[u8]) {
    let Some((mut state, len)) = State::read(data) else { return };
    assert!(
        len <= CARRIED_LEN_MAX && state.carried()[..] == data[..len],
        "written again it says something else"
    );
    let mut buffer = data[len..].to_vec();
    let end = buffer.len();
    let opened = open(&mut state.session().expect("a state that was read"), &mut buffer, 0..end);
    assert!(opened.plain.is_empty(), "nobody has sealed this");
    // It may be at the end of its numbers.
    let mut session = state.session().expect("a state that was opened with");
    let mut out = vec![0; sealed_len(&session, 10)];
    let _ = seal_copy(&mut session, &[7; 10], &mut out);
    drop(session);
    assert!(State::read(&state.carried()).is_some(), "it cannot be carried any more");
}

/// Any bytes as what a client sends. The first says how they are cut.
///
/// # Panics
///
/// When a promise is broken.
pub fn handshake(config: &Config, data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let mut handshake = Handshake::new(config).expect("a configuration that was checked");
    let mut out = Vec::new();
    for piece in data.chunks(usize::from(*cut) + 1) {
        match handshake.feed(piece, &mut out) {
            Ok(progress) => assert!(progress.done.is_none() && progress.used == piece.len()),
            Err(failure) => {
                assert!(failure.why != Why::Internal && !failure.text.is_empty(), "{failure:?}");
                break;
            }
        }
    }
    assert!(handshake.heard() <= HANDSHAKE_BYTES_MAX && out.len() <= 32 * 1024);
}

/// Any bytes as a certificate.
///
/// # Panics
///
/// When a promise is broken.
pub fn leaf(data: &[u8]) {
    let Some(leaf) = Leaf::read(data) else { return };
    assert!(leaf.subject.len() <= 512 && !leaf.subject.contains(char::is_control), "{leaf:?}");
    assert!(leaf.names.iter().map(String::len).sum::<usize>() <= data.len());
}

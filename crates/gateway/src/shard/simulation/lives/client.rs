//! A reliable client: what it does, and what it finds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_ring::simulated::{Network, PeerId, Random, Status};

use super::super::script::{frame, request};
use super::super::witness::{CLOSE, Heard, PING, PONG, TEXT, Witness};
use super::keeper::Book;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has no socket, and tries again at this time.
    Nowhere(Duration),
    /// It has one, and has not been greeted.
    Asking { is_back: bool },
    /// It hears and says things.
    Here,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    index: usize,
    stage: Stage,
    link: Option<PeerId>,
    witness: Witness,
    sending: Vec<u8>,
    /// Its connection in the book, once it knows that it has one.
    session: Option<usize>,
    /// What it has heard on this connection, by number.
    messages: BTreeMap<u64, u64>,
    /// The number that it has heard last on this socket.
    last: Option<u64>,
    acknowledged: u64,
    /// It has heard something since it said last what it has: perhaps again, since that was lost.
    owes_word: bool,
    /// It reads nothing until then.
    deaf_until: Duration,
    /// It was refused, so that its connection must have ended, or be about to: which ones, and when.
    lost: Vec<(usize, Duration)>,
    /// It found no place for a new one.
    found_it_full: bool,
    pub(super) recovered_while_full: u64,
    pub(super) refused: u64,
    pub(super) heard: u64,
    pub(super) heard_again: u64,
}

impl Client {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            stage: Stage::Nowhere(Duration::ZERO),
            link: None,
            witness: Witness::default(),
            sending: Vec::new(),
            session: None,
            messages: BTreeMap::new(),
            last: None,
            acknowledged: 0,
            owes_word: false,
            deaf_until: Duration::ZERO,
            lost: Vec::new(),
            found_it_full: false,
            recovered_while_full: 0,
            refused: 0,
            heard: 0,
            heard_again: 0,
        }
    }

    /// Its connection, once it knows that it has one.
    pub(super) fn session(&self) -> Option<usize> {
        self.session
    }

    pub(super) fn describe(&self) -> String {
        let Self { index, stage, session, last, acknowledged, messages, .. } = self;
        let heard = messages.len();
        format!(
            "client {index}, {stage:?}, session {session:?}, last {last:?} of {heard}, acknowledged {acknowledged}"
        )
    }

    pub(super) fn step(
        &mut self,
        network: &Network,
        random: &mut Random,
        book: &RefCell<Book>,
        shards: usize,
        is_wild: bool,
    ) {
        let now = network.now();
        match self.stage {
            Stage::Nowhere(at) if now >= at => self.connect(network, random, shards, is_wild),
            Stage::Nowhere(_) => {}
            Stage::Asking { .. } | Stage::Here => {
                if is_wild && random.per_mille(25) {
                    return self.drop_socket(network, random);
                }
                if is_wild && random.per_mille(15) {
                    self.deaf_until = now + Duration::from_millis(random.pick(&[100, 2000, 20_000]));
                }
                self.read(network, random, book, is_wild);
                self.write(network, random, is_wild);
                if is_wild && self.stage == Stage::Here && self.sending.is_empty() && random.per_mille(5) {
                    self.ask_to_go(network, random);
                }
            }
        }
    }

    fn connect(&mut self, network: &Network, random: &mut Random, shards: usize, is_wild: bool) {
        let is_back = self.session.is_some();
        // Some take very little at a time.
        let window = if is_wild { random.pick(&[200, 4096, 64 << 10]) } else { 64 << 10 };
        let Some(link) = network.connect(random.below(shards), window) else { return };
        self.link = Some(link);
        (self.witness, self.last) = (Witness::default(), None);
        self.sending = match self.session {
            Some(session) => request("back", session, false),
            None => [request("open", self.index, false), frame(true, TEXT, b"who am-i")].concat(),
        };
        self.stage = Stage::Asking { is_back };
    }

    /// It loses its socket, in one way or another, or leaves it where it is.
    fn drop_socket(&mut self, network: &Network, random: &mut Random) {
        if let Some(link) = self.link.take() {
            match random.below(6) {
                0 => network.reset(link),
                1 => network.leave(link),
                2 => network.end(link),
                // Not within another frame.
                3 if self.sending.is_empty() => say_close(network, link, 1001),
                4 if self.sending.is_empty() && random.per_mille(200) => say_close(network, link, 1000),
                // The gateway does not notice.
                _ => {}
            }
        }
        self.go_nowhere(network, random);
    }

    /// It asks the application to close it, and may be gone before that has done so.
    fn ask_to_go(&mut self, network: &Network, random: &mut Random) {
        let Some(link) = self.link else { return };
        let words = frame(true, TEXT, b"go now");
        let gone = network.write(link, &words);
        self.sending.extend(&words[gone..]);
        if self.sending.is_empty() && random.per_mille(700) {
            self.drop_socket(network, random);
        }
    }

    fn go_nowhere(&mut self, network: &Network, random: &mut Random) {
        if self.session.is_none() {
            // What it has heard belongs to nothing that it could come back to.
            self.forget();
        }
        let wait = random.pick(&[0, 0, 10, 500, 3000, 15_000, 40_000]);
        self.stage = Stage::Nowhere(network.now() + Duration::from_millis(wait));
        (self.link, self.deaf_until) = (None, Duration::ZERO);
        self.sending.clear();
    }

    fn read(&mut self, network: &Network, random: &mut Random, book: &RefCell<Book>, is_wild: bool) {
        let Some(link) = self.link else { return };
        if is_wild && network.now() < self.deaf_until {
            return;
        }
        let most = if is_wild { random.pick(&[50, 500, usize::MAX]) } else { usize::MAX };
        let bytes = network.read(link, most);
        for heard in self.witness.hear(&bytes) {
            self.on_frame(&heard, book);
        }
        if let Some(status) = self.witness.status.filter(|status| *status != 101) {
            assert_eq!(status, 503, "nothing else is refused like this");
            self.found_it_full |= self.session.is_none();
            network.end(link);
            return self.go_nowhere(network, random);
        }
        if let Some(code) = self.witness.closed {
            self.on_close(code, network.now());
            say_close(network, link, code);
            network.end(link);
            return self.go_nowhere(network, random);
        }
        if network.status(link) != Status::Open {
            network.end(link);
            self.go_nowhere(network, random);
        }
    }

    /// The gateway closes it: with 1008 it is not to come back.
    fn on_close(&mut self, code: u16, now: Duration) {
        if code == 1008 {
            self.refused += u64::from(self.stage == Stage::Asking { is_back: true });
            self.lost.extend(self.session.take().map(|session| (session, now)));
            self.forget();
        }
    }

    /// It begins anew.
    fn forget(&mut self) {
        self.messages.clear();
        (self.last, self.acknowledged, self.owes_word) = (None, 0, false);
    }

    fn on_frame(&mut self, heard: &Heard, book: &RefCell<Book>) {
        match heard.opcode {
            PING => self.sending.extend(frame(true, PONG, &heard.payload)),
            TEXT => self.on_text(&String::from_utf8_lossy(&heard.payload), book),
            _ => {}
        }
    }

    fn on_text(&mut self, text: &str, book: &RefCell<Book>) {
        match text {
            "hello" => {
                let Stage::Asking { is_back } = self.stage else {
                    panic!("{} is greeted twice", self.describe())
                };
                if is_back {
                    self.stage = Stage::Here;
                    self.recovered_while_full += u64::from(self.found_it_full);
                }
            }
            _ => match text.strip_prefix("welcome ") {
                Some(session) => {
                    let session: usize = session.parse().expect("a number");
                    book.borrow_mut().sessions[session].is_greeted = true;
                    (self.session, self.stage) = (Some(session), Stage::Here);
                }
                None => self.on_message(text, book),
            },
        }
    }

    /// Something with a number.
    fn on_message(&mut self, text: &str, book: &RefCell<Book>) {
        let who = self.describe();
        let (number, message) =
            text.trim().strip_prefix("m#").and_then(|it| it.split_once(' ')).expect("a number");
        let (number, message): (u64, u64) = (number.parse().unwrap(), message.trim().parse().unwrap());
        if let Some(session) = self.session {
            assert_eq!(self.stage, Stage::Here, "{who} hears {text} before it is greeted");
            let resumed_at = book.borrow().sessions[session].resumed_at;
            assert!(number > resumed_at, "{who} hears {number} again, and has acknowledged {resumed_at}");
        }
        match self.last {
            // What was acknowledged on this socket before it was sent again is left out.
            Some(last) => {
                let is_next = number == last + 1 || number > last && number <= self.acknowledged + 1;
                assert!(is_next, "{who} hears {number} after {last}");
            }
            None => assert!(number <= self.acknowledged + 1, "{who} hears {number} first"),
        }
        (self.last, self.owes_word) = (Some(number), true);
        self.heard += 1;
        let known = self.messages.insert(number, message);
        self.heard_again += u64::from(known.is_some());
        assert!(
            known.is_none_or(|known| known == message),
            "{who}: {number} is {message}, and was {known:?}"
        );
        let before = self.messages.range(..number).next_back();
        assert!(before.is_none_or(|(_, other)| *other < message), "{who} hears {message} after {before:?}");
    }

    fn write(&mut self, network: &Network, random: &mut Random, is_wild: bool) {
        let Some(link) = self.link else { return };
        let greatest = self.messages.keys().next_back().copied().unwrap_or(0);
        let says = if is_wild { 100 } else { 500 };
        if self.stage == Stage::Here && self.owes_word && random.per_mille(says) {
            (self.acknowledged, self.owes_word) = (greatest, false);
            self.sending.extend(frame(true, TEXT, format!("ack {greatest}").as_bytes()));
        }
        let len = if is_wild && random.per_mille(300) {
            random.between(0, self.sending.len())
        } else {
            self.sending.len()
        };
        let gone = network.write(link, &self.sending[..len]);
        self.sending.drain(..gone);
    }

    /// Whether it has heard all that it is to hear, and the gateway knows.
    pub(super) fn is_settled(&self, book: &Book) -> bool {
        if self.lost.iter().any(|(lost, _)| book.sessions[*lost].closed == 0) {
            return false;
        }
        let Some(session) = self.session.map(|index| &book.sessions[index]) else {
            // There may be no place for it.
            return self.found_it_full;
        };
        let newest = session.owed.last().copied().unwrap_or(0);
        let heard = self.messages.values().next_back().copied().unwrap_or(0);
        let all = self.messages.keys().next_back().copied().unwrap_or(0);
        self.stage == Stage::Here && session.closed == 0 && heard >= newest && session.acknowledged == all
    }

    /// Judges what it has found.
    ///
    /// # Panics
    /// When something is missing.
    pub(super) fn judge(&self, book: &Book) {
        let who = self.describe();
        for (lost, at) in &self.lost {
            let was_there = book.sessions[*lost].given_up.is_some_and(|given_up| given_up > *at);
            assert!(!was_there, "{who}: {lost} was refused and had not ended");
        }
        let Some(session) = self.session.map(|index| &book.sessions[index]) else { return };
        let heard: std::collections::BTreeSet<u64> = self.messages.values().copied().collect();
        let missed: Vec<&u64> = session.owed.iter().filter(|owed| !heard.contains(owed)).collect();
        assert!(missed.is_empty(), "{who} has missed {missed:?}");
    }
}

fn say_close(network: &Network, link: PeerId, code: u16) {
    // Who is gone may have had no room for all of it.
    let _ = network.write(link, &frame(true, CLOSE, &code.to_be_bytes()));
}

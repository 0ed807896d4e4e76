//! A peer that follows its script, and judges what it hears.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_ring::simulated::{Network, PeerId, Random, Status};

use super::book::{Book, Source};
use super::chorus::Chorus;
use super::script::{Action, Fate, Reading, Script, frame};
use super::witness::{CLOSE, Heard, PING, PONG, Witness};
use crate::settings::SlowPolicy;

/// Pushing so much to somebody who reads does no harm.
const PUSHED_BYTES_HARMLESS: usize = 64 << 10;

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Here,
    /// It does nothing any more; nor does it end.
    Vanished,
    /// It is gone, or has seen the end.
    Done,
}

/// A peer. See the module's documentation.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) index: usize,
    link: PeerId,
    script: Script,
    stage: Stage,
    witness: Witness,
    /// Messages may be missing, and how many were.
    may_miss: bool,
    missed: usize,
    /// What it is about to send.
    sending: Vec<u8>,
    /// Until when it pauses.
    until: Duration,
    /// How many pushed messages it has heard, by who pushed them.
    pushes_heard: BTreeMap<String, usize>,
    /// What was sent to many, what to it alone, and in which order.
    chorus: Chorus,
    /// How many of its messages were answered, or are never answered.
    answers: usize,
    /// The close frame that it sent itself came first.
    closes: bool,
    /// The gateway reset the connection.
    was_reset: bool,
    ended: bool,
    said_end: bool,
    /// How many echoes and pongs it has heard.
    heard: usize,
}

/// What others did to a peer, so that not all may come as its script says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interference {
    /// The application closed it, with this code.
    pub(super) closed_with: Option<u16>,
    /// Bytes that were pushed to it: it may be too slow for them.
    pub(super) pushed: usize,
    /// A shard's outboxes were full: who has more than a little waiting may lose some of it.
    pub(super) full: bool,
    /// A drain began before it was done.
    pub(super) drain: bool,
    /// It may be closed for sending too quickly.
    pub(super) rated: bool,
    /// The application had second thoughts.
    pub(super) refused: bool,
    /// There may have been no place for it.
    pub(super) crowded: bool,
    /// There are fewer slots for opening handshakes than peers.
    pub(super) few_slots: bool,
}

impl Peer {
    pub(super) fn new(index: usize, link: PeerId, script: Script, slow: SlowPolicy) -> Self {
        Self {
            index,
            link,
            script,
            stage: Stage::Here,
            witness: Witness::default(),
            may_miss: slow == SlowPolicy::DropOldest,
            missed: 0,
            sending: Vec::new(),
            until: Duration::ZERO,
            pushes_heard: BTreeMap::new(),
            chorus: Chorus::default(),
            answers: 0,
            closes: false,
            was_reset: false,
            ended: false,
            said_end: false,
            heard: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether its opening handshake has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.witness.status.is_some()
    }

    /// Whether it comes to an end by itself.
    pub(super) fn ends(&self) -> bool {
        !matches!(self.script.fate, Fate::Open) && self.stage != Stage::Vanished
    }

    /// How many messages came compressed.
    pub(super) fn inflated(&self) -> u64 {
        self.witness.inflated
    }

    pub(super) fn link(&self) -> PeerId {
        self.link
    }

    /// When it goes on, if it pauses.
    pub(super) fn wakes(&self, now: Duration) -> Option<Duration> {
        (self.stage == Stage::Here && self.until > now).then_some(self.until)
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "peer {} ({}, {:?}): {:?}, status {:?}, close code {:?}, {} echoes to come, {} actions and {} bytes left",
            self.index,
            self.script.name,
            self.script.fate,
            self.stage,
            self.witness.status,
            self.witness.closed,
            self.script.expected.len(),
            self.script.actions.len(),
            self.sending.len()
        )
    }

    /// Does the next thing. Whether it did anything.
    pub(super) fn step(&mut self, network: &Network, random: &mut Random) -> bool {
        if self.stage != Stage::Here {
            return false;
        }
        let read = self.read(network, random);
        let wrote = self.stage == Stage::Here && self.write(network, random);
        read || wrote
    }

    fn read(&mut self, network: &Network, random: &mut Random) -> bool {
        let most = match self.script.reading {
            Reading::All => usize::MAX,
            Reading::Slow(most) if random.per_mille(500) => most,
            Reading::Slow(_) | Reading::Never => 0,
        };
        let waits = network.has_unread(self.link);
        let bytes = network.read(self.link, most);
        for heard in self.witness.hear(&bytes) {
            self.on_frame(&heard, network);
        }
        let status = network.status(self.link);
        if status != Status::Open {
            network.trace(|| format!("peer {}: sees {status:?}", self.index));
            self.was_reset = status == Status::Reset;
            self.ended = true;
            self.stage = Stage::Done;
            network.end(self.link);
        } else if self.witness.status.is_some_and(|status| status != 101) {
            // It will not be served: it waits for the end.
            self.script.actions.clear();
        }
        // Who reads slowly goes on reading, without time passing in between.
        (waits && self.script.reading != Reading::Never) || status != Status::Open
    }

    fn on_frame(&mut self, heard: &Heard, network: &Network) {
        network.trace(|| {
            format!("peer {}: hears {} and {} bytes", self.index, heard.opcode, heard.payload.len())
        });
        match heard.opcode {
            // Nothing follows a close frame.
            PING if self.script.polite && !self.closes => {
                self.sending.extend(frame(true, PONG, &heard.payload));
            }
            PING => {}
            CLOSE if self.script.polite && !self.closes => {
                self.script.actions.clear();
                self.sending.extend(frame(true, CLOSE, &heard.payload));
                self.closes = true;
            }
            CLOSE => {}
            _ => self.on_message(heard),
        }
    }

    fn on_message(&mut self, heard: &Heard) {
        if heard.payload.starts_with(b"push ") {
            return self.on_push(&String::from_utf8_lossy(&heard.payload));
        }
        if heard.payload.starts_with(b"all ") {
            return self.chorus.hear(&String::from_utf8_lossy(&heard.payload));
        }
        let is_pong = |heard: &Heard| heard.opcode == PONG;
        let mut expected = self.expect_next();
        // RFC 6455 5.5.3: of several pings the newest may be the only one that is answered.
        while is_pong(heard) && expected.as_ref().is_some_and(|older| is_pong(older) && older != heard) {
            expected = self.expect_next();
        }
        while self.may_miss && expected.as_ref().is_some_and(|older| older != heard) {
            expected = self.expect_next();
            self.missed += 1;
        }
        let Some(expected) = expected else { panic!("peer {} hears too much: {heard:?}", self.index) };
        let same = expected == *heard;
        assert!(
            same,
            "peer {} ({}) hears {} {} bytes for {} {} bytes",
            self.index,
            self.script.name,
            heard.opcode,
            heard.payload.len(),
            expected.opcode,
            expected.payload.len()
        );
        if !is_pong(heard) {
            self.chorus.hear_answer(self.answers - 1);
        }
    }

    /// What it should hear next of what answers its own.
    fn expect_next(&mut self) -> Option<Heard> {
        let expected = self.script.expected.pop_front();
        self.heard += 1;
        self.answers += usize::from(expected.as_ref().is_some_and(|it| it.opcode != PONG));
        expected
    }

    /// Every source's messages come in order, and each once.
    fn on_push(&mut self, text: &str) {
        let mut words = text.split_whitespace().skip(1);
        let (peer, source, number) = (words.next(), words.next(), words.next());
        self.chorus.hear_push(words.next().unwrap_or_default());
        assert_eq!(peer, Some(self.index.to_string().as_str()), "it is for this peer: {text}");
        let heard = self.pushes_heard.entry(source.unwrap_or_default().to_owned()).or_default();
        let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or_default();
        assert!(
            number == *heard || (self.may_miss && number > *heard),
            "the next one is {heard}, not {text}"
        );
        self.missed += number - *heard;
        *heard = number + 1;
    }

    fn write(&mut self, network: &Network, random: &mut Random) -> bool {
        if self.said_end {
            return false;
        }
        if !self.sending.is_empty() {
            let len = if random.per_mille(300) { random.between(1, self.sending.len()) } else { usize::MAX };
            let len = network.write(self.link, &self.sending[..len.min(self.sending.len())]);
            self.sending.drain(..len);
            return len > 0;
        }
        if self.until > network.now() {
            return false;
        }
        let ready = match self.script.actions.front() {
            // One that is missing is never heard.
            Some(Action::AwaitEchoes(count)) => self.may_miss || self.heard >= *count,
            Some(Action::AwaitAnswer) => self.witness.status.is_some(),
            Some(_) => true,
            None => false,
        };
        if !ready {
            return false;
        }
        let Some(action) = self.script.actions.pop_front() else { return false };
        self.act(action, network);
        true
    }

    fn act(&mut self, action: Action, network: &Network) {
        match action {
            Action::Send(bytes) => {
                self.closes |= bytes.first() == Some(&(0x80 | CLOSE));
                self.sending = bytes;
            }
            Action::Pause(period) => self.until = network.now() + period,
            Action::AwaitEchoes(_) | Action::AwaitAnswer => {}
            Action::End => {
                network.end(self.link);
                self.said_end = true;
            }
            Action::Leave => {
                network.leave(self.link);
                self.stage = Stage::Done;
            }
            Action::Reset => {
                network.reset(self.link);
                self.stage = Stage::Done;
            }
            Action::Vanish => self.stage = Stage::Vanished,
        }
    }

    /// Judges in which order it has heard what was sent to many, to it alone, and in answer.
    ///
    /// # Panics
    /// When it was done wrong.
    pub(super) fn judge_order(&self, book: &Book) {
        if !book.stays.contains_key(&self.index) {
            return;
        }
        let who = self.describe();
        self.chorus.judge(&who, self.index, book, self.may_miss);
        let end = match self.witness.closed {
            // Only a drain says so.
            Some(1012) => book.drained_at.map(|at| (at, Source::Outside)),
            Some(4001 | 4002) => book.closed_at.get(&self.index).copied(),
            _ => None,
        };
        // Who stays to hear the goodbye hears before it what was sent before.
        let hears_all = self.script.reading == Reading::All && !self.may_miss;
        if let Some(end) = end.filter(|_| hears_all) {
            self.chorus.judge_end(&who, self.index, book, end);
        }
        if hears_all && matches!(self.witness.closed, Some(1007..=1009)) {
            self.chorus.judge_last_word(&who, &book.stays[&self.index]);
        }
    }

    /// Compares what it has heard with what another one has.
    ///
    /// # Panics
    /// When both were connected to the same shard, and the order differs.
    pub(super) fn compare(&self, other: &Self, book: &Book) {
        let shard = |peer: &Self| book.stays.get(&peer.index).map(|stay| stay.shard);
        if shard(self).is_some() && shard(self) == shard(other) {
            self.chorus.compare(&other.chorus, &self.describe());
        }
    }

    /// Judges how it went for a peer that has seen the end.
    ///
    /// # Panics
    /// When it was done wrong.
    pub(super) fn judge(&self, network: &Network, interference: Interference) {
        let who = self.describe();
        if network.has_failed(self.link) || !self.ended {
            return;
        }
        let status = self.witness.status;
        if status == Some(503) {
            return assert!(interference.drain || interference.crowded, "{who} was refused");
        }
        if status == Some(408) && interference.few_slots {
            // It took its time while others waited.
            return;
        }
        if status == Some(403) && interference.refused {
            return;
        }
        match self.script.fate {
            Fate::Open => return,
            Fate::Refused => {
                assert!(status.is_some_and(|status| status >= 400), "{who} gets an answer");
                return;
            }
            Fate::Closed(_) | Fate::Ended => {
                assert_eq!(status, Some(101), "{who} is let in");
                assert_eq!(self.witness.answers, self.script.asks, "{who} hears all answers");
            }
        }
        // Those who are slow, or get a lot, may be given up, and may be cut off while they are closed.
        let slow = self.script.reading != Reading::All
            || interference.pushed > PUSHED_BYTES_HARMLESS
            || interference.full;
        let allowed_codes = [
            interference.closed_with,
            interference.drain.then_some(1001),
            interference.drain.then_some(1012),
            slow.then_some(1013),
            interference.rated.then_some(1008),
            slow.then_some(1001),
        ];
        if self.witness.closed.is_some() && allowed_codes.contains(&self.witness.closed) {
            return;
        }
        assert!(self.missed == 0 || slow, "{who} has missed {} messages", self.missed);
        let missing_is_right = slow && self.may_miss;
        let slow = slow || interference.drain;
        assert!(!self.was_reset || slow, "{who} is reset");
        if slow && self.witness.closed.is_none() {
            return;
        }
        assert!(self.script.expected.is_empty() || missing_is_right, "{who} misses echoes");
        match self.script.fate {
            Fate::Closed(code) => assert_eq!(self.witness.closed, Some(code), "{who}"),
            Fate::Ended | Fate::Refused | Fate::Open => assert_eq!(self.witness.closed, None, "{who}"),
        }
    }
}

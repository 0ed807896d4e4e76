//! What peers do: each has a script, written by chance.

use std::collections::VecDeque;
use std::time::Duration;

use holdfast_ring::simulated::Random;

use super::witness::{BINARY, CLOSE, Heard, PING, TEXT, deflate};
use crate::settings::SlowPolicy;

/// Longest message of a simulation.
pub(super) const MESSAGE_BYTES_MAX: usize = 128 << 10;

/// One thing after the other.
#[derive(Debug)]
pub(super) enum Action {
    Send(Vec<u8>),
    Pause(Duration),
    /// Until so many echoes and pongs are there.
    AwaitEchoes(usize),
    /// Until the answer to the opening handshake is there.
    AwaitAnswer,
    /// End of stream; reading goes on.
    End,
    /// Gone without a word; what comes is answered by a reset.
    Leave,
    Reset,
    /// Gone without anybody noticing.
    Vanish,
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    All,
    /// So many bytes now and then.
    Slow(usize),
    Never,
}

/// What is to become of a peer, if nobody interferes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All echoes, then a close frame with this code.
    Closed(u16),
    /// All echoes, then the end of stream.
    Ended,
    /// An answer other than 101.
    Refused,
    /// Nothing that could be said beforehand.
    Open,
}

/// What a script has to know of the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) slow: SlowPolicy,
    pub(super) deflate: bool,
    /// Somebody serves requests that ask for no WebSocket.
    pub(super) requests: bool,
    /// Most peers stay for a while, and make much of groups.
    pub(super) gathers: bool,
}

/// What a peer does, and what is to come of it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) actions: VecDeque<Action>,
    pub(super) reading: Reading,
    /// Data messages and pongs that the peer gets, in order.
    pub(super) expected: VecDeque<Heard>,
    pub(super) fate: Fate,
    /// Whether it answers pings and close frames.
    pub(super) polite: bool,
    /// Requests that it makes before it asks for a WebSocket.
    pub(super) asks: usize,
}

impl Script {
    fn new(name: &'static str, fate: Fate) -> Self {
        Self {
            name,
            path: "echo",
            actions: VecDeque::new(),
            reading: Reading::All,
            expected: VecDeque::new(),
            fate,
            polite: true,
            asks: 0,
        }
    }

    fn await_echoes(&mut self) {
        self.actions.push_back(Action::AwaitEchoes(self.expected.len()));
    }

    /// Some script.
    pub(super) fn write(random: &mut Random, index: usize, buffer_bytes: usize, rules: Rules) -> Self {
        let compresses = rules.deflate && random.per_mille(600);
        let mut writer = Writer { random, buffer_bytes, index, compresses, requests: rules.requests };
        match writer.random.below(21) {
            _ if rules.gathers && writer.random.per_mille(600) => writer.member(),
            0..7 => writer.honest(),
            7 => writer.half_close(),
            8 => writer.slow(),
            9 => writer.never_reads(),
            10 => writer.dies(),
            11..14 => writer.violates(),
            14 => writer.garbage(),
            15 => writer.flood(),
            16 => writer.dawdles(),
            17 => writer.rude(),
            18 => writer.asks_to_be_closed(),
            19 if rules.slow == SlowPolicy::Close => writer.asks_for_too_much(),
            _ => writer.refused(),
        }
    }
}

struct Writer<'a> {
    random: &'a mut Random,
    buffer_bytes: usize,
    index: usize,
    /// It offers permessage-deflate, and uses it.
    compresses: bool,
    /// It may make other requests first.
    requests: bool,
}

impl Writer<'_> {
    /// The opening handshake, in one piece or several.
    fn open(&mut self, script: &mut Script) {
        if self.random.per_mille(150) {
            script.path = "later";
        }
        let mut request = request(script.path, self.index, self.compresses);
        if self.requests && self.random.per_mille(300) {
            script.asks = self.random.between(1, 3);
            request = [ASK.repeat(script.asks), request].concat();
        }
        if self.random.per_mille(300) {
            let mut rest = &request[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(self.random.between(1, rest.len()));
                script.actions.push_back(Action::Send(piece.to_vec()));
                self.pause(script, 100);
                rest = behind;
            }
        } else {
            script.actions.push_back(Action::Send(request));
        }
        if self.random.per_mille(600) {
            script.actions.push_back(Action::AwaitAnswer);
        }
    }

    fn size(&mut self) -> usize {
        let around = self.buffer_bytes + self.random.below(20);
        let sizes = [
            0,
            1,
            5,
            20,
            100,
            125,
            126,
            127,
            500,
            1000,
            2000,
            around.saturating_sub(15),
            5000,
            65_535,
            65_536,
            100_000,
        ];
        // The long ones are rare.
        let most = if self.random.per_mille(100) { sizes.len() } else { 12 };
        self.random.pick(&sizes[..most])
    }

    fn payload(&mut self, opcode: u8, len: usize) -> Vec<u8> {
        let seed = self.random.below(256);
        let byte = |at: usize| (seed + at * 7 + at / 251).to_le_bytes()[0];
        (0..len).map(|at| if opcode == TEXT { b' ' + byte(at) % 90 } else { byte(at) }).collect()
    }

    /// A message in some fragments, with pings between them.
    fn message(&mut self, script: &mut Script) {
        if self.random.per_mille(250) {
            return self.wish(script);
        }
        let opcode = self.random.pick(&[TEXT, BINARY]);
        let len = self.size();
        let payload = self.payload(opcode, len);
        self.say(script, opcode, payload);
    }

    /// Something that the application does, and then answers.
    fn wish(&mut self, script: &mut Script) {
        let what = self.random.pick(&["change", "change", "user", "publish", "publish"]);
        self.say(script, TEXT, format!("do {what} {}", script.expected.len()).into_bytes());
    }

    fn say(&mut self, script: &mut Script, opcode: u8, payload: Vec<u8>) {
        let mut bytes = Vec::new();
        let compressed = (self.compresses && self.random.per_mille(600)).then(|| deflate(&payload));
        // RFC 7692 6: the first fragment's first reserved bit says so.
        let first = if compressed.is_some() { opcode | 0x40 } else { opcode };
        let (mut rest, mut fragment) = (compressed.as_deref().unwrap_or(&payload), first);
        while self.random.per_mille(250) {
            let (piece, behind) = rest.split_at(self.random.between(0, rest.len()));
            bytes.extend(frame(false, fragment, piece));
            (rest, fragment) = (behind, 0);
            if self.random.per_mille(300) {
                // One of its own each, so that an answer says which pings it answers.
                let ping =
                    [script.expected.len().to_string().as_bytes(), &self.payload(BINARY, self.index % 120)]
                        .concat();
                bytes.extend(frame(true, PING, &ping));
                script.expected.push_back(Heard { opcode: super::witness::PONG, payload: ping });
            }
        }
        bytes.extend(frame(true, fragment, rest));
        script.actions.push_back(Action::Send(bytes));
        script.expected.push_back(Heard { opcode, payload });
    }

    fn messages(&mut self, script: &mut Script, most: usize) {
        for _ in 0..self.random.between(0, most) {
            self.message(script);
            match self.random.below(10) {
                0 => script.await_echoes(),
                1 => self.pause(script, 1000),
                _ => {}
            }
        }
    }

    fn close(&mut self, script: &mut Script) {
        let code = self.random.pick(&[1000, 1000, 1001, 3000, 4999, 1005]);
        let payload = if code == 1005 { Vec::new() } else { u16::to_be_bytes(code).to_vec() };
        script.actions.push_back(Action::Send(frame(true, CLOSE, &payload)));
        script.fate = Fate::Closed(code);
    }

    fn honest(&mut self) -> Script {
        let mut script = Script::new("honest", Fate::Open);
        self.open(&mut script);
        self.messages(&mut script, 8);
        if self.random.per_mille(700) {
            script.await_echoes();
        }
        self.close(&mut script);
        script
    }

    /// Stays for a while, and makes much of groups.
    fn member(&mut self) -> Script {
        let mut script = Script::new("member", Fate::Open);
        self.open(&mut script);
        script.actions.push_back(Action::AwaitAnswer);
        for _ in 0..self.random.between(5, 30) {
            if self.random.per_mille(800) {
                self.wish(&mut script);
            } else {
                self.message(&mut script);
            }
            match self.random.below(10) {
                0 => script.await_echoes(),
                1..6 => self.pause(&mut script, 60),
                _ => {}
            }
        }
        self.pause(&mut script, 1000);
        if self.random.per_mille(700) {
            script.await_echoes();
        }
        self.close(&mut script);
        script
    }

    fn pause(&mut self, script: &mut Script, millis_max: usize) {
        let pause = Duration::from_millis(self.random.below(millis_max) as u64);
        script.actions.push_back(Action::Pause(pause));
    }

    fn half_close(&mut self) -> Script {
        let mut script = Script::new("half-closes", Fate::Ended);
        self.open(&mut script);
        // An end of stream before the answer may end the opening handshake.
        script.actions.push_back(Action::AwaitAnswer);
        self.messages(&mut script, 5);
        script.actions.push_back(Action::End);
        script
    }

    fn slow(&mut self) -> Script {
        let mut script = self.honest();
        (script.name, script.reading) = ("slow", Reading::Slow(self.random.between(300, 3000)));
        script
    }

    fn never_reads(&mut self) -> Script {
        let mut script = Script::new("never reads", Fate::Open);
        (script.reading, script.polite) = (Reading::Never, false);
        self.open(&mut script);
        script.actions.retain(|action| !matches!(action, Action::AwaitAnswer));
        for _ in 0..self.random.between(1, 12) {
            self.message(&mut script);
        }
        script
    }

    fn dies(&mut self) -> Script {
        let mut script = Script::new("dies", Fate::Open);
        self.open(&mut script);
        self.messages(&mut script, 4);
        let at = self.random.between(0, script.actions.len());
        script.actions.truncate(at);
        script.actions.push_back(match self.random.below(4) {
            0 => Action::Leave,
            1 => Action::Reset,
            2 => Action::End,
            _ => Action::Vanish,
        });
        script
    }

    /// Breaks a rule, perhaps goes on as if nothing had happened, and reads.
    fn violates(&mut self) -> Script {
        let mut script = Script::new("violates", Fate::Open);
        self.open(&mut script);
        self.messages(&mut script, 3);
        let mut unmasked = frame(true, BINARY, b"hello");
        unmasked[1] &= 0x7f;
        let mut reserved_bit = frame(true, BINARY, b"hello");
        reserved_bit[0] |= 0x20;
        let (bytes, code) = match self.random.below(9) {
            0 => (unmasked, 1002),
            1 => (reserved_bit, 1002),
            2 => (frame(true, 3, b"hello"), 1002),
            3 => (frame(true, 0, b"hello"), 1002),
            4 => (frame(true, PING, &[0; 126]), 1002),
            5 => (frame(true, TEXT, b"\xff\xfe"), 1007),
            6 => (frame(true, BINARY, &vec![0; MESSAGE_BYTES_MAX + 1]), 1009),
            7 => (frame(true, CLOSE, &[3, 237]), 1002),
            _ => (frame(false, PING, b"hello"), 1002),
        };
        script.fate = Fate::Closed(code);
        script.actions.push_back(Action::Send(bytes));
        for _ in 0..self.random.below(3) {
            let len = self.random.below(50_000);
            let rest = self.payload(BINARY, len);
            script.actions.push_back(Action::Send(rest));
        }
        script.polite = false;
        script
    }

    fn garbage(&mut self) -> Script {
        let mut script = Script::new("garbage", Fate::Refused);
        let len = self.random.between(1, 2000);
        let mut bytes = self.payload(BINARY, len);
        // As it may look like the start of a head for ever.
        bytes.extend(b"\r\n\r\n\r\n\r\n");
        script.actions.push_back(Action::Send(bytes));
        script
    }

    fn flood(&mut self) -> Script {
        let mut script = Script::new("floods", Fate::Open);
        self.open(&mut script);
        let mut bytes = Vec::new();
        for at in 0..self.random.between(100, 2000) {
            let (opcode, answer) = self.random.pick(&[(PING, super::witness::PONG), (BINARY, BINARY)]);
            let payload = at.to_string().into_bytes();
            bytes.extend(frame(true, opcode, &payload));
            script.expected.push_back(Heard { opcode: answer, payload });
        }
        script.actions.push_back(Action::Send(bytes));
        self.close(&mut script);
        script
    }

    /// Never finishes its request.
    fn dawdles(&mut self) -> Script {
        let mut script = Script::new("dawdles", Fate::Refused);
        let request = request("echo", self.index, false);
        for byte in &request[..request.len() - 2] {
            script.actions.push_back(Action::Send(vec![*byte]));
            script.actions.push_back(Action::Pause(Duration::from_secs(1)));
        }
        script
    }

    /// Neither answers nor leaves.
    fn rude(&mut self) -> Script {
        let mut script = Script::new("rude", Fate::Open);
        self.open(&mut script);
        self.messages(&mut script, 3);
        script.polite = false;
        script
    }

    fn asks_to_be_closed(&mut self) -> Script {
        let mut script = Script::new("asks to be closed", Fate::Closed(4001));
        self.open(&mut script);
        self.messages(&mut script, 3);
        script.actions.push_back(Action::Send(frame(true, TEXT, super::CLOSE_ME)));
        script
    }

    fn asks_for_too_much(&mut self) -> Script {
        let mut script = Script::new("asks for too much", Fate::Closed(1013));
        // Compressed, it would not be too much.
        self.compresses = false;
        self.open(&mut script);
        self.messages(&mut script, 3);
        script.await_echoes();
        script.actions.push_back(Action::Send(frame(true, TEXT, super::FILL_ME)));
        self.messages(&mut script, 0);
        script
    }

    fn refused(&mut self) -> Script {
        let mut script = Script::new("refused", Fate::Refused);
        script.path = "refuse";
        script.actions.push_back(Action::Send(request(script.path, self.index, false)));
        script
    }
}

/// A request for no WebSocket, which leaves the connection open for the next one.
pub(super) const ASK: &[u8] = b"GET /ask HTTP/1.1\r\nHost: simulated\r\n\r\n";

pub(super) fn request(path: &str, index: usize, compresses: bool) -> Vec<u8> {
    let offer = if compresses { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    format!(
        "GET /{path}/{index} HTTP/1.1\r\nHost: simulated\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    )
    .into_bytes()
}

/// A masked frame.
pub(super) fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![u8::from(fin) << 7 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..126), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

//! One visit: from connect to its end.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rustix::io::Errno;
use rustix::net::{SendFlags, send, sockopt};

use super::plan::{End, Plan};
use super::tally::Tally;
use crate::frame::{Found, FrameReader, Opcode, write_frame, write_header};
use crate::handshake;
use crate::payload::{Kind, fill, mask, masking_key};
use crate::target::Target;

/// RFC 6455 7.4.1: normal closure.
const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
/// RFC 6455 7.4.1: protocol error.
const PROTOCOL: [u8; 2] = 1002_u16.to_be_bytes();

/// What a visit waits for.
#[derive(Debug, Eq, PartialEq)]
enum Stage {
    Connecting,
    /// The rest of the answer to its opening handshake.
    Handshaking(Vec<u8>),
    /// The moment of its next step.
    Resting,
    /// The rest of the echo of its last message.
    Asked,
    /// The server's close frame.
    Closing,
    /// The end of the stream.
    Over,
    /// The answer to something that is no opening handshake, and the end of the stream.
    Refused,
}

/// What is to be done with a visit next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Wait for the peer.
    Wait,
    /// Call [`Life::step`] after this time.
    Rest(Duration),
    /// It is over, as planned.
    Gone,
}

#[derive(Debug)]
pub(super) struct Life {
    pub(super) descriptor: OwnedFd,
    /// Number of the visit.
    pub(super) number: u64,
    /// permessage-deflate was offered.
    deflate: bool,
    plan: Plan,
    stage: Stage,
    /// When what it waits for now began, or was due to begin.
    since: Instant,
    /// Messages sent so far.
    said: u32,
    /// Bytes of the echo that were right so far.
    right: usize,
    reader: FrameReader,
    unsent: Vec<u8>,
}

impl Life {
    /// `due`: when it was to come.
    pub(super) fn new(descriptor: OwnedFd, number: u64, plan: Plan, deflate: bool, due: Instant) -> Self {
        Self {
            descriptor,
            number,
            deflate,
            plan,
            stage: Stage::Connecting,
            since: due,
            said: 0,
            right: 0,
            reader: FrameReader::default(),
            unsent: Vec::new(),
        }
    }

    /// Everybody is to leave: no further message, and a polite end.
    pub(super) fn dismiss(&mut self) {
        self.plan.messages = self.said;
        if !matches!(self.plan.end, End::HalfHead | End::Garbage) {
            self.plan.end = End::Goodbye;
        }
    }

    pub(super) fn is_resting(&self) -> bool {
        self.stage == Stage::Resting
    }

    /// The socket can be written to.
    pub(super) fn writable(&mut self, target: &Target, tally: &mut Tally) -> anyhow::Result<Next> {
        if self.stage != Stage::Connecting {
            self.send_unsent()?;
            return Ok(Next::Wait);
        }
        sockopt::socket_error(&self.descriptor).and_then(|result| result).map_err(io::Error::from)?;
        tally.connected += 1;
        match self.plan.end {
            End::HalfHead => {
                self.send(&handshake::request(target, 0).as_bytes()[..20])?;
                self.stage = Stage::Resting;
                Ok(Next::Rest(self.plan.pause(0).min(Duration::from_secs(5))))
            }
            End::Garbage => {
                self.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03 this is no HTTP\r\n\r\n")?;
                self.stage = Stage::Refused;
                Ok(Next::Wait)
            }
            _ => {
                self.stage = Stage::Handshaking(Vec::new());
                self.send(handshake::request(target, self.key()).as_bytes())?;
                Ok(Next::Wait)
            }
        }
    }

    fn key(&self) -> u32 {
        u32::try_from(self.number & 0xFFFF_FFFF).unwrap_or(0)
    }

    /// Bytes came.
    pub(super) fn take_in(&mut self, bytes: &[u8], tally: &mut Tally) -> anyhow::Result<Next> {
        match &mut self.stage {
            Stage::Handshaking(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                match handshake::check_answer(&head, self.key(), self.deflate)? {
                    None => {
                        self.stage = Stage::Handshaking(head);
                        Ok(Next::Wait)
                    }
                    Some(head_len) => {
                        tally.opened += 1;
                        tally.opening.record(self.since.elapsed());
                        self.stage = Stage::Resting;
                        ensure!(head.len() == head_len, "bytes that nobody asked for");
                        Ok(Next::Rest(self.plan.pause(0)))
                    }
                }
            }
            Stage::Refused => Ok(Next::Wait),
            // 408, after ten seconds.
            Stage::Resting if self.plan.end == End::HalfHead => Ok(Next::Wait),
            _ => {
                tally.received_bytes += bytes.len() as u64;
                self.take_in_frames(bytes, tally)
            }
        }
    }

    fn take_in_frames(&mut self, mut bytes: &[u8], tally: &mut Tally) -> anyhow::Result<Next> {
        let mut next = Next::Wait;
        let mut reader = std::mem::take(&mut self.reader);
        while !bytes.is_empty() {
            match reader.next(&mut bytes)? {
                None => {}
                Some(Found::Payload { bytes, last, .. }) if !self.check(bytes, last)? => {}
                Some(Found::Payload { .. }) => {
                    tally.messages += 1;
                    tally.echo.record(self.since.elapsed());
                    self.stage = Stage::Resting;
                    next = Next::Rest(self.plan.pause(self.said));
                }
                Some(Found::Control { opcode: Opcode::Close, payload }) => self.on_close(payload)?,
                Some(Found::Control { opcode: Opcode::Ping, payload }) => {
                    let mut pong = Vec::new();
                    write_frame(&mut pong, Opcode::Pong, payload, masking_key(self.number));
                    self.send_counted(&pong, tally)?;
                }
                Some(Found::Control { .. }) => bail!("a pong that nobody asked for"),
            }
        }
        self.reader = reader;
        Ok(next)
    }

    /// A piece of the echo. Whether it is whole.
    fn check(&mut self, bytes: &[u8], last: bool) -> anyhow::Result<bool> {
        ensure!(self.stage == Stage::Asked, "a message that nobody asked for");
        let (number, size, kind) = self.plan.message(self.said - 1);
        let mut expected = vec![0; bytes.len()];
        fill(number, self.right, kind, &mut expected);
        ensure!(bytes == expected, "a wrong echo");
        self.right += bytes.len();
        ensure!(self.right <= size && (!last || self.right == size), "an echo of another length");
        Ok(last)
    }

    fn on_close(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        let expected = if self.plan.end == End::Unmasked { PROTOCOL } else { NORMAL };
        let code = payload.first_chunk::<2>();
        ensure!(self.stage == Stage::Closing && code == Some(&expected), "closed with {code:?}");
        self.stage = Stage::Over;
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn on_end(&self) -> anyhow::Result<Next> {
        match self.stage {
            Stage::Over | Stage::Refused => Ok(Next::Gone),
            Stage::Resting if self.plan.end == End::HalfHead => Ok(Next::Gone),
            _ => bail!("lost while {}", self.doing()),
        }
    }

    /// What it was doing, for people.
    pub(super) fn doing(&self) -> &'static str {
        match self.stage {
            Stage::Connecting => "connecting",
            Stage::Handshaking(_) => "in the opening handshake",
            Stage::Resting => "resting",
            Stage::Asked => "waiting for an echo",
            Stage::Closing => "waiting for a close frame",
            Stage::Over | Stage::Refused => "waiting for the end",
        }
    }

    /// It has rested: the next message, or the end.
    pub(super) fn step(&mut self, tally: &mut Tally) -> anyhow::Result<Next> {
        if self.plan.end == End::HalfHead {
            return Ok(Next::Gone);
        }
        let mut frame = Vec::new();
        if self.said < self.plan.messages {
            write_message(self.plan.message(self.said), &mut frame);
            self.since = Instant::now();
            (self.said, self.right, self.stage) = (self.said + 1, 0, Stage::Asked);
            self.send_counted(&frame, tally)?;
            return Ok(Next::Wait);
        }
        match self.plan.end {
            End::Fin | End::HalfHead | End::Garbage => return Ok(Next::Gone),
            End::FinInMessage => {
                write_message((self.number, 1000, Kind::Binary), &mut frame);
                frame.truncate(500);
                self.send_counted(&frame, tally)?;
                return Ok(Next::Gone);
            }
            End::Reset => {
                sockopt::set_socket_linger(&self.descriptor, Some(Duration::ZERO))?;
                return Ok(Next::Gone);
            }
            End::Goodbye => write_frame(&mut frame, Opcode::Close, &NORMAL, masking_key(self.number)),
            // RFC 6455 5.1: a server must close the connection upon a frame that is not masked.
            End::Unmasked => frame.extend_from_slice(&[0x81, 1, b'!']),
        }
        self.stage = Stage::Closing;
        self.send_counted(&frame, tally)?;
        Ok(Next::Wait)
    }

    /// How it ends.
    pub(super) fn end(&self) -> End {
        self.plan.end
    }

    fn send_counted(&mut self, bytes: &[u8], tally: &mut Tally) -> anyhow::Result<()> {
        tally.sent_bytes += bytes.len() as u64;
        self.send(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.send_unsent()
    }

    fn send_unsent(&mut self) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match send(&self.descriptor, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => bail!("send: {}", io::Error::from(error)),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }
}

fn write_message((number, size, kind): (u64, usize, Kind), frame: &mut Vec<u8>) {
    let key = masking_key(number);
    let opcode = if kind == Kind::Text { Opcode::Text } else { Opcode::Binary };
    write_header(frame, opcode, size, key);
    let start = frame.len();
    frame.resize(start + size, 0);
    fill(number, 0, kind, &mut frame[start..]);
    mask(key, 0, &mut frame[start..]);
}

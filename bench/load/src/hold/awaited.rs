//! Orders for which only the server can do something: to hear a message to all, and the goodbye.

use hdrhistogram::Histogram;

use super::connection::State;
use super::hearing::{Hearing, now};
use super::holder::Holder;
use super::protocol::{Meant, Order};
use crate::frame::Opcode;

impl Holder {
    /// Takes in an order that begins with nothing. Whether it is over with that.
    pub(super) fn prepare(&mut self, order: Order) -> bool {
        match order {
            Order::Expect { number, len, at, to } => {
                let left = self.open_count(to);
                let delays = Histogram::new_with_bounds(1, 1 << 36, 3).ok();
                let payload = self.speech.heard(number, len as usize);
                self.hearing = Hearing { number, to, payload, at, left, delays, parting: false, done: false };
                true
            }
            Order::Part => {
                self.hearing =
                    Hearing { left: self.open_count(Meant::ALL), parting: true, ..Hearing::default() };
                true
            }
            _ => false,
        }
    }

    /// How many of these are open.
    fn open_count(&self, of: Meant) -> u32 {
        let is_open = |state: State| state == State::Open || state.is_asked();
        let open = self.connections.iter().enumerate().filter(|(_, connection)| is_open(connection.state()));
        u32::try_from(open.filter(|(index, _)| of.has(self.number(*index))).count()).unwrap_or(u32::MAX)
    }

    /// Whether an order is under way for which only the server can do something.
    pub(super) fn is_awaiting(&self) -> bool {
        matches!(self.order, Some(Order::Hear | Order::Goodbye))
    }

    /// Ends an order to wait when all has come.
    pub(super) fn await_the_server(&mut self, order: Order) {
        if self.hearing.left == 0 && self.in_flight == 0 {
            self.hearing.done = order == Order::Hear;
            self.order = None;
        }
    }

    /// A piece of a message to all or to some.
    pub(super) fn hear(&mut self, index: usize, bytes: &[u8], last: bool) {
        let number = self.number(index);
        let hearing = &mut self.hearing;
        let right = hearing.is_for(number).then(|| {
            let connection = &mut self.connections[index];
            connection.hear(hearing.number, &hearing.payload, bytes, last)
        });
        match right {
            Some(None) => {}
            Some(Some(true)) => {
                let micros = now().saturating_sub(hearing.at) / 1000;
                if let Some(delays) = &mut hearing.delays {
                    delays.saturating_record(micros.max(1));
                }
                hearing.left = hearing.left.saturating_sub(1);
                self.totals.heard += 1;
                let number = hearing.number;
                self.moved = std::time::Instant::now();
                if let Some(answer) = self.speech.answer(number) {
                    self.send_frame(index, Opcode::Text, answer.as_bytes());
                }
            }
            Some(Some(false)) | None => {
                self.totals.wrong += 1;
                self.totals.blame("a wrong message, one for others, or one that came twice".to_owned());
            }
        }
    }

    /// The server says goodbye.
    pub(super) fn part(&mut self, index: usize, payload: &[u8]) {
        self.in_flight += 1;
        self.connections[index].set_state(State::CloseReceived);
        // RFC 6455 5.5.1: the answer "typically echos the status code it received".
        let code: Vec<u8> = payload.iter().take(2).copied().collect();
        self.send_frame(index, Opcode::Close, &code);
    }

    /// Nothing has moved for too long.
    pub(super) fn give_up_waiting(&mut self) {
        match self.order {
            Some(Order::Hear) => {
                self.totals.missed += u64::from(std::mem::take(&mut self.hearing.left));
                self.totals.blame("a message did not come to everybody it was for".to_owned());
            }
            Some(Order::Goodbye) => {
                for index in 0..self.connections.len() {
                    if self.connections[index].state() == State::Open {
                        self.end(index, "no goodbye");
                    }
                }
            }
            _ => {}
        }
    }

    /// When the last message to all came, once, after it has been waited for: microseconds, and on how many
    /// connections.
    pub(crate) fn delays(&mut self) -> Vec<(u64, u64)> {
        if !std::mem::take(&mut self.hearing.done) {
            return Vec::new();
        }
        let delays = self.hearing.delays.take();
        let values = delays.iter().flat_map(|delays| delays.iter_recorded());
        values.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::arguments::TargetArguments;
    use crate::target::Target;

    #[test]
    fn a_goodbye_before_it_is_waited_for_counts() {
        let (ours, mut server) = UnixStream::pair().unwrap();
        let target = Target::new(&TargetArguments::to("ws://127.0.0.1:1/")).unwrap();
        let mut holder = Holder::adopt(&target, vec![ours.into()], 1, Duration::from_secs(60)).unwrap();
        holder.begin(Order::Part);
        server.write_all(&[0x88, 2, 3, 0xf4]).unwrap();
        holder.turn(Some(Duration::from_secs(10))).unwrap();
        holder.begin(Order::Goodbye);
        assert!(holder.is_busy(), "the end of the stream is still to come");
        drop(server);
        holder.turn(Some(Duration::from_secs(10))).unwrap();
        assert!(!holder.is_busy() && holder.totals().closed == 1);
    }
}

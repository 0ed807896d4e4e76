//! Slots that are ready and wait for a buffer, first come, first served.
//!
//! Those that want a long buffer have a queue of their own: neither wait for what the others hold.

use std::collections::VecDeque;

use crate::pool::Pools;
use crate::slots::{Flags, Slots};
use crate::{Lent, Token};

/// Two queues for short buffers: one for those with something to say, and one for those that hung up. When ten thousand
/// peers leave in the same moment their ends are read a few each turn, so that the others' messages do not wait behind
/// all of them.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    speaking: VecDeque<Token>,
    hanging_up: VecDeque<Token>,
    /// Those with something to say that want a long buffer.
    long: VecDeque<Token>,
    /// How many of the speaking have been served since the last hangup.
    speaking_in_a_row: usize,
}

/// How far one pass over the queues has come.
#[derive(Debug)]
pub(crate) struct Pass {
    hangups_left: usize,
    from_hangups: bool,
}

impl Ready {
    /// Most hangups that are read in one turn.
    const HANGUPS_PER_TURN: usize = 32;
    /// After so many who speak a hangup has its turn, or it would wait for ever while there are too few buffers.
    const SPEAKING_IN_A_ROW_MAX: usize = 64;

    pub(crate) fn push(&mut self, token: Token) {
        self.speaking.push_back(token);
    }

    pub(crate) fn push_hangup(&mut self, token: Token) {
        self.hanging_up.push_back(token);
    }

    pub(crate) fn push_long(&mut self, token: Token) {
        self.long.push_back(token);
    }

    /// How many wait. Some of them may have been closed meanwhile.
    pub(crate) fn len(&self) -> usize {
        self.speaking.len() + self.hanging_up.len() + self.long.len()
    }

    /// Whether there is a buffer for one of those who wait.
    pub(crate) fn can_go_on(&self, pools: &Pools) -> bool {
        let short = !self.speaking.is_empty() || !self.hanging_up.is_empty();
        (short && pools.short.has_free()) || (!self.long.is_empty() && pools.long.has_free())
    }

    /// Whether some of those who wait do so because no buffer is free.
    pub(crate) fn lacks_buffers(&self, pools: &Pools) -> bool {
        let short = !self.speaking.is_empty() || !self.hanging_up.is_empty();
        (short && !pools.short.has_free()) || (!self.long.is_empty() && !pools.long.has_free())
    }

    /// The next one to read from in this pass, and the buffer for it: those for short buffers first. Those in `slots`
    /// that no longer have the flag `waiting` are passed over; it is taken from the one that is served.
    pub(crate) fn serve(
        &mut self,
        pass: &mut Pass,
        pools: &Pools,
        slots: &mut Slots,
        waiting: Flags,
    ) -> Option<(Token, Lent)> {
        while let Some(token) = self.next(pass) {
            let Some(flags) = waits(slots, token, waiting) else {
                self.skip(pass);
                continue;
            };
            let Some(buffer) = pools.short.lend() else {
                self.put_back(token, pass);
                break;
            };
            flags.clear(waiting);
            return Some((token, buffer));
        }
        while pools.long.has_free() {
            let token = self.long.pop_front()?;
            let Some(flags) = waits(slots, token, waiting) else { continue };
            flags.clear(waiting);
            return pools.long.lend().map(|buffer| (token, buffer));
        }
        None
    }

    /// Starts a pass.
    pub(crate) fn begin(&self) -> Pass {
        Pass { hangups_left: Self::HANGUPS_PER_TURN, from_hangups: false }
    }

    /// The next one to serve in this pass.
    fn next(&mut self, pass: &mut Pass) -> Option<Token> {
        let hangup_is_due = self.speaking_in_a_row >= Self::SPEAKING_IN_A_ROW_MAX
            && pass.hangups_left > 0
            && !self.hanging_up.is_empty();
        pass.from_hangups = hangup_is_due || self.speaking.is_empty();
        if !pass.from_hangups {
            self.speaking_in_a_row += 1;
            return self.speaking.pop_front();
        }
        pass.hangups_left = pass.hangups_left.checked_sub(1)?;
        self.speaking_in_a_row = 0;
        self.hanging_up.pop_front()
    }

    /// The one that [`next`](Self::next) gave last is gone: it does not count as served.
    fn skip(&self, pass: &mut Pass) {
        if pass.from_hangups {
            pass.hangups_left += 1;
        }
    }

    /// Returns the one that [`next`](Self::next) gave last to the head of its queue: there was no buffer for it.
    fn put_back(&mut self, token: Token, pass: &Pass) {
        if pass.from_hangups {
            self.speaking_in_a_row = Self::SPEAKING_IN_A_ROW_MAX;
            self.hanging_up.push_front(token);
        } else {
            self.speaking_in_a_row -= 1;
            self.speaking.push_front(token);
        }
    }
}

/// The flags of a slot that still waits.
fn waits(slots: &mut Slots, token: Token, waiting: Flags) -> Option<&mut Flags> {
    slots.get(token).map(|slot| &mut slot.flags).filter(|flags| flags.has(waiting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(slot: u32) -> Token {
        Token { slot, generation: 0 }
    }

    #[test]
    fn who_speaks_goes_before_who_hangs_up_and_hangups_are_bounded() {
        let mut ready = Ready::default();
        for slot in 0..100 {
            ready.push_hangup(token(slot));
        }
        ready.push(token(100));
        let mut pass = ready.begin();
        assert_eq!(ready.next(&mut pass), Some(token(100)));
        let served = std::iter::from_fn(|| ready.next(&mut pass)).count();
        assert_eq!(served, Ready::HANGUPS_PER_TURN);
        assert_eq!(ready.len(), 100 - Ready::HANGUPS_PER_TURN);
    }

    #[test]
    fn hangups_that_are_gone_already_do_not_count() {
        let mut ready = Ready::default();
        for slot in 0..100 {
            ready.push_hangup(token(slot));
        }
        let mut pass = ready.begin();
        while let Some(gone) = ready.next(&mut pass) {
            assert!(gone.slot < 100);
            ready.skip(&mut pass);
        }
        assert_eq!(ready.len(), 0);
    }

    #[test]
    fn a_hangup_has_its_turn_when_there_are_always_more_who_speak_than_buffers() {
        const BUFFERS: usize = 4;
        let mut ready = Ready::default();
        ready.push_hangup(token(1000));
        for turn in 0.. {
            assert!(turn < 100, "the hangup waits for ever");
            for slot in 0..8 {
                ready.push(token(slot));
            }
            let mut pass = ready.begin();
            let served: Vec<Token> = std::iter::from_fn(|| ready.next(&mut pass)).take(BUFFERS).collect();
            if served.contains(&token(1000)) {
                break;
            }
            let next = ready.next(&mut pass).unwrap();
            ready.put_back(next, &pass);
        }
    }

    #[test]
    fn one_that_found_no_buffer_is_first_next_time() {
        let mut ready = Ready::default();
        ready.push(token(1));
        ready.push(token(2));
        let mut pass = ready.begin();
        let first = ready.next(&mut pass).unwrap();
        ready.put_back(first, &pass);
        assert_eq!(ready.next(&mut ready.begin()), Some(token(1)));
    }
}

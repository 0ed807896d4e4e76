//! What a completion is about: the operation and its owner, packed into the 64 bits of `user_data`.

use crate::{ListenerId, Token};

/// An operation in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Readiness of a slot's descriptor.
    Poll(Token),
    /// A read into the lent buffer with this index; its owner is in the table of lent operations.
    Read(u16),
    /// A multishot receive of the busy connection with this index.
    Stream(u16),
    /// A send from the lent buffer with this index.
    SendLent(u16),
    /// A send of shared bytes; index into the table of shared sends.
    SendShared(u32),
    /// A send of shared bytes that does not wait; index into the table of offers.
    Offer(u32),
    /// An accept of a listener: which of those in flight. Each has a name of its own, since several requests to cancel
    /// the same name may all meet the same operation.
    Accept(ListenerId, u8),
    /// Closing of a slot's descriptor.
    Close(Token),
    /// Installing a normal descriptor for a slot's direct one.
    Install(Token),
    /// Saying the end of stream on a slot's direct descriptor.
    Shutdown(Token),
    /// Resetting a slot's direct descriptor.
    Disconnect(Token),
    /// Readiness of the waker's descriptor.
    Wake,
    /// The timeout of a turn, where the wait itself cannot have one: which one.
    Timer(u32),
    /// A request to cancel another operation. Its own result does not matter.
    Cancel,
}

impl Op {
    /// The operation as `user_data`: its kind in the upper 8 bits, its owner in the rest.
    pub(crate) fn to_user_data(self) -> u64 {
        let (kind, owner) = match self {
            Op::Poll(token) => (1, token.to_bits()),
            Op::Read(index) => (2, index.into()),
            Op::SendLent(index) => (3, index.into()),
            Op::SendShared(index) => (4, index.into()),
            Op::Offer(index) => (14, index.into()),
            Op::Accept(listener, index) => (5, u64::from(index) << 16 | u64::from(listener.0)),
            Op::Close(token) => (6, token.to_bits()),
            Op::Install(token) => (7, token.to_bits()),
            Op::Wake => (8, 0),
            Op::Timer(count) => (9, count.into()),
            Op::Cancel => (10, 0),
            Op::Shutdown(token) => (11, token.to_bits()),
            Op::Disconnect(token) => (12, token.to_bits()),
            Op::Stream(index) => (13, index.into()),
        };
        kind << 56 | owner
    }

    /// The operation that `user_data` stands for.
    ///
    /// # Panics
    /// When it is not one of ours, which only a bug can bring about.
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub(crate) fn from_user_data(user_data: u64) -> Self {
        match user_data >> 56 {
            1 => Op::Poll(Token::from_bits(user_data)),
            2 => Op::Read(user_data as u16),
            3 => Op::SendLent(user_data as u16),
            4 => Op::SendShared(user_data as u32),
            5 => Op::Accept(ListenerId(user_data as u16), (user_data >> 16) as u8),
            6 => Op::Close(Token::from_bits(user_data)),
            7 => Op::Install(Token::from_bits(user_data)),
            8 => Op::Wake,
            9 => Op::Timer(user_data as u32),
            10 => Op::Cancel,
            11 => Op::Shutdown(Token::from_bits(user_data)),
            12 => Op::Disconnect(Token::from_bits(user_data)),
            13 => Op::Stream(user_data as u16),
            14 => Op::Offer(user_data as u32),
            kind => panic!("operation kind {kind} was never submitted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_the_way_through_user_data() {
        let token = Token { slot: 4_000_000, generation: Token::GENERATION_MAX };
        let owned = [Op::Poll, Op::Close, Op::Install, Op::Shutdown, Op::Disconnect].map(|op| op(token));
        let indexed = [
            Op::Read(65),
            Op::Stream(1023),
            Op::SendLent(u16::MAX),
            Op::SendShared(u32::MAX),
            Op::Accept(ListenerId(3), 15),
        ];
        let single = [Op::Wake, Op::Timer(u32::MAX), Op::Cancel, Op::Offer(u32::MAX)];
        for op in owned.into_iter().chain(indexed).chain(single) {
            assert_eq!(Op::from_user_data(op.to_user_data()), op);
        }
    }
}

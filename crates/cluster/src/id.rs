//! Names of nodes, of connections and of questions.

use std::fmt;
use std::num::NonZeroU64;

/// Bits of a connection's name behind its node's: how often its node's generations have run out.
const EPOCH_BITS: u32 = 16;

/// A node: 48 random bits of each start of a process, because hosts' names are not unique. The names of its connections
/// have them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u64);

impl NodeId {
    /// Hex digits of one.
    pub const DIGITS: usize = 12;
    /// The greatest number that is one.
    pub const MAX: u64 = (1 << 48) - 1;

    /// The node with these bits. Those above the 48th are left out.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits & Self::MAX)
    }

    /// Its 48 bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// From its 12 hex digits, as they are displayed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == Self::DIGITS).then(|| hex(text).and_then(|bits| u64::try_from(bits).ok()).map(Self))?
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A connection as clients and services call it: 128 bits, 32 hex digits. The second half begins with its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionName(u128);

impl ConnectionName {
    /// The one with these bits.
    #[must_use]
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.0
    }

    /// From its 32 hex digits; upper case is read too. Any other text is nobody's name, on no node.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| hex(&text.to_ascii_lowercase()).map(Self))?
    }

    /// Whose connection it is, or was: the node may have ended.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub fn node(self) -> NodeId {
        NodeId::new(self.0 as u64 >> EPOCH_BITS)
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A question that a node has asked; no two of its have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(NonZeroU64);

impl QuestionId {
    /// The one with this number. 0 is none.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

/// Lower-case hex digits. A sign would be taken for a part of the number.
fn hex(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.bytes().all(is_digit).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_as_it_is_displayed_and_in_no_other_way() {
        for bits in [0, 1, 0xABC, NodeId::MAX] {
            let id = NodeId::new(bits);
            assert_eq!(NodeId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(NodeId::new(u64::MAX), NodeId::new(NodeId::MAX));
        for text in ["", "0", "0000000000AB", "+00000000001", "0000000000001", "00000000000g", "ééé000"] {
            assert_eq!(NodeId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_connections_name_tells_its_node() {
        let name = ConnectionName::parse("0123456789ABCDEF00000000002a0003").unwrap();
        assert_eq!(name.node(), NodeId::new(42));
        assert_eq!(name.to_string(), "0123456789abcdef00000000002a0003");
        assert_eq!(ConnectionName::new(name.bits()), name);
        for text in ["", "nobody", "+123456789abcdef00000000002a0003", &"é".repeat(16)] {
            assert_eq!(ConnectionName::parse(text), None, "{text}");
        }
    }
}

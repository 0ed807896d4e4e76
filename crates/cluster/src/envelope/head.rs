//! The beginning of a message, which all versions share, and why one can't be read.

use std::fmt;

use crate::id::{NodeId, QuestionId};

/// The first byte of every message.
pub const MAGIC: u8 = 0xB5;
/// The version that this is.
pub const VERSION: u8 = 1;

/// What all versions say in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the operation.
    pub operation: u8,
    /// Flags of the operation.
    pub(super) flags: u8,
    /// Who says it.
    pub node: NodeId,
    /// Of the numbers.
    pub epoch: u32,
    /// On its way.
    pub number: u64,
    /// What an answer is wanted to, or is the answer to.
    pub question: Option<QuestionId>,
}

/// Why a message can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// No release has written it. What is wrong.
    Garbage(&'static str),
    /// A later release may have written it. What it asks, if it asks, is not supported here.
    Later(Unknown, Head),
}

/// What is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The version.
    Version(u8),
    /// The operation.
    Operation(u8),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbage(what) => f.write_str(what),
            Self::Later(Unknown::Version(version), head) => {
                write!(f, "node {} speaks version {version}", head.node)
            }
            Self::Later(Unknown::Operation(number), head) => {
                write!(f, "node {} wants operation {number}", head.node)
            }
        }
    }
}

impl std::error::Error for Unread {}

//! Filters: which connections a service means, as an expression in a subset of OData.
//!
//! `userId in ('kim','pat') and not ('quiet' in groups)` means some. [`Filter::parse`] reads one, once for a request,
//! and refuses what can mean nobody, with a place and a sentence; [`Filter::matches`] is asked for each connection.
//!
//! What there is, loosest first; names, words and functions are read in any letter case:
//!
//! | what | means |
//! |---|---|
//! | `a or b`, `a and b` | both sides are true or false |
//! | `x eq y`, `ne`, `gt`, `ge`, `lt`, `le` | two texts, or two integers; `eq` and `ne` of what is true or false too |
//! | `x in ('a','b')`, `'g' in groups` | whether it is equal to one of these |
//! | `not a` | binds tightest: `not userId eq 'a'` is an error, `not (userId eq 'a')` is meant |
//! | `userId`, `connectionId`, `groups` | who it is about; `userId` is null where there is no user |
//! | `'it''s'`, `-7`, `true`, `false`, `null` | literals |
//! | `tolower(s)`, `toupper(s)` | characters one by one; none beyond ASCII becomes one of ASCII, so `ß` stays |
//! | `trim(s)` | without white space at both ends |
//! | `concat(s,t)` | null counts as nothing; of two nulls, null |
//! | `substring(s,start)`, `substring(s,start,length)` | null where that is not within the text |
//! | `startswith(s,t)`, `endswith(s,t)`, `contains(s,t)` | false where one is null |
//! | `indexof(s,t)` | -1 where it is not there, and where one is null |
//! | `length(s)`, `length(groups)` | of null, null |
//!
//! Null is equal to null and to nothing else; it is neither less nor greater than anything, nor than itself: "a data
//! service MUST return the value false if one or both of the operands is null" (MS-ODATA 2.2.3.6.1.1.5, of relational
//! operators). All of this about null is what the vendor's emulator does. Beyond what it does, texts have an order
//! here, and functions and words any letter case, as OData 4.01 part 2, 5.1.1, has it.
//!
//! Lengths and places are counted in UTF-16 code units, as the vendor's service, JavaScript, Java and .NET count them:
//! who computes a place there finds the same one here. A place between the two halves of a character is not within the
//! text. Texts are compared character by character, letter case counts, and their order is that of Unicode's numbers.
//!
//! # Bounds
//!
//! Reading takes time in proportion to the text's length, which is bounded by [`FILTER_BYTES_MAX`], and so is what a
//! filter keeps: at most some ten bytes for each of the text. A connection costs at most one look at each node. Names
//! and literals are never copied: without functions that make texts, nothing is allocated. The texts that are made on
//! the way live no longer than the comparison they are in. Together they have at most the bytes of the filter and of
//! [`DEPTH_MAX`] + [`CONCATS_MAX`] + 2 user ids, half as much again where letters grow by changing case.

mod bounds;
mod calls;
mod error;
mod evaluate;
mod function;
mod member;
mod nodes;
mod parse;
mod planted;
mod text;
mod token;
mod uses;

#[cfg(test)]
mod tests;

pub use bounds::{CLAUSES_MAX, CONCATS_MAX, DEPTH_MAX, FILTER_BYTES_MAX};
pub use error::FilterError;
pub use member::Member;

use self::evaluate::Look;
use self::nodes::{Nodes, TruthId};
use self::parse::Parser;
use self::uses::Uses;

/// Which connections are meant.
#[derive(Clone, Debug)]
pub struct Filter {
    nodes: Nodes,
    root: TruthId,
    uses: Uses,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Says where the text is none, and what to change.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let (nodes, root, uses) = Parser::parse(text)?;
        Ok(Self { nodes, root, uses })
    }

    /// Whether a connection is meant.
    #[must_use]
    pub fn matches(&self, member: &(impl Member + ?Sized)) -> bool {
        Look { nodes: &self.nodes, member }.truth(self.root)
    }

    /// Whether it asks for the user.
    #[must_use]
    pub fn uses_user(&self) -> bool {
        self.uses.user
    }

    /// Whether it asks for the connection's id.
    #[must_use]
    pub fn uses_connection(&self) -> bool {
        self.uses.connection
    }

    /// Whether it asks for groups. If not, joining and leaving changes nothing of who is meant.
    #[must_use]
    pub fn uses_groups(&self) -> bool {
        self.uses.groups
    }

    /// How many nodes it has: no connection costs more looks than this.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.nodes.count()
    }
}

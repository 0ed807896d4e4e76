//! What nodes say to each other.
#![forbid(unsafe_code)]

pub mod envelope;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod id;
mod planted;
pub mod subject;

pub use id::{ConnectionName, NodeId, QuestionId};

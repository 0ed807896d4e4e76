//! What services ask for over REST, and how they are answered.
//!
//! [`route()`] reads method and target, [`payload`] and [`GroupsBody`] the body; [`Call::success_status`],
//! [`write_page`], [`write_token`] and [`RestError`] answer.

mod answer;
mod body;
mod call;
mod error;
mod read;
mod route;
#[cfg(test)]
mod tests;

pub use answer::{Member, NextPage, write_page, write_token};
pub use body::{GROUPS_MAX, GroupsBody, payload};
pub use call::{Call, PAGE_SIZE_MAX, Permit, Route, Target, Who};
pub use error::RestError;
pub use route::route;

//! The I/O of Holdfast: sockets, descriptors, buffers, submissions and completions.
//!
//! One interface, [`Driver`], with two drivers behind it: [`Uring`] on io_uring, in what it finds to work on the kernel
//! at hand, and [`Epoll`]. Both hold an idle connection without a buffer, lend it one when there is something to read,
//! and take it back when the bytes are handled.
//!
//! This crate knows nothing of WebSocket, and it is the only one of the project with `unsafe` in it.

mod budget;
mod driver;
mod epoll;
mod listener;
mod pool;
mod ready;
#[cfg(feature = "simulated")]
pub mod simulated;
mod size;
mod slots;
mod token;
mod uring;
mod wake;

pub use budget::Budget;
pub use driver::{Buffers, Close, Config, Driver, Event, ListenerId, Outgoing, Progress, Sent, Stats};
pub use epoll::Epoll;
pub use pool::Lent;
pub use token::Token;
pub use uring::{Capabilities, Refusal, Trial, Uring};
pub use wake::Waker;

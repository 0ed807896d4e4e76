//! Events for services: CloudEvents 1.0 in binary form, over HTTP.
//!
//! [`Event::headers`] and a body make the POST; [`ConnectAnswer`] and [`UserAnswer`] say what its answer means.
//! [`allows_origin`] reads the answer to the OPTIONS that comes before the first of them.

mod answer;
mod body;
mod connect;
mod headers;
mod origin;
#[cfg(test)]
mod tests;
mod time;
mod trace;
mod user;

pub use answer::{Answer, Failure, STATE_LEN_MAX};
pub use body::{CONNECTED_BODY, ConnectBody, connect_body, disconnected_body};
pub use connect::{ConnectAnswer, REFUSAL_LEN_MAX};
pub use headers::{Event, EventKind, signature, validation_headers};
pub use origin::allows_origin;
pub use trace::is_traceparent;
pub use user::UserAnswer;

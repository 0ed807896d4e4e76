//! Tokens of clients and of services: JWTs (RFC 7519), signed with an access key by HMAC-SHA256 (RFC 7515, HS256).
//!
//! A client's token has the audience `{endpoint}/client/hubs/{hub}`, a service's the URL of its request, below
//! `/api/`. Audiences are compared whole, so neither opens what the other does. Tokens that others sign with keys of
//! their own are in [`identity`](crate::identity); reconnection tokens are none of these ([`Keys::sign_reconnection`]).

mod audience;
mod bearer;
pub(crate) mod claims;
pub(crate) mod compact;
mod error;
mod key;
mod reconnection;
mod sign;
pub(crate) mod times;
mod verify;

pub use audience::Audiences;
pub use bearer::bearer;
pub use claims::Claims;
pub use compact::TOKEN_LEN_MAX;
pub use error::TokenError;
pub use key::{AccessKey, KEY_LEN_MIN, KeyError, Keys};
pub use reconnection::RECONNECTION_S;
pub use sign::{ClientToken, sign_client, sign_rest};
pub use times::LEEWAY_S;
pub use verify::verify;

#[cfg(test)]
mod tests;

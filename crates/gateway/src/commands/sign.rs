//! Tokens.

use holdfast_webpubsub::token::{self, AccessKey};

use super::error::CommandError;
use crate::settings::Secret;

pub(super) use holdfast_webpubsub::token::ClientToken;

/// A token for a client.
pub(super) fn client_token(key: &Secret, says: &ClientToken<'_>) -> Result<String, CommandError> {
    Ok(token::sign_client(&access_key(key)?, says))
}

/// A token for a REST request to `url`, good from now on until `expires_s`, in seconds since 1970.
pub(super) fn rest_token(
    key: &Secret,
    url: &str,
    issued_s: u64,
    expires_s: u64,
) -> Result<String, CommandError> {
    Ok(token::sign_rest(&access_key(key)?, url, issued_s, expires_s))
}

fn access_key(key: &Secret) -> Result<AccessKey, CommandError> {
    AccessKey::new(key.expose()).map_err(|error| CommandError::failed(error.to_string()))
}

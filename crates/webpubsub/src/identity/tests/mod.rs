//! Keys and tokens made here and elsewhere, good ones and hostile ones.

mod cost;
mod ring;
mod set;
mod signer;
mod tokens;
mod vectors;

use super::*;
use crate::token::{Claims, TokenError};

const NOW: u64 = 1_000_000_000;
const ISSUER: &str = "https://id.example/";
const AUDIENCE: &str = "https://chat.example";

fn trust() -> Trust {
    Trust {
        issuer: ISSUER.into(),
        audiences: vec!["https://other.example".into(), AUDIENCE.into()],
        user_claim: "sub".into(),
        roles_claim: None,
        groups_claim: None,
    }
}

fn judge_by(trust: &Trust, keys: &KeySet, token: &str) -> Result<Claims, TokenError> {
    trust.verify(&ProviderToken::read(token)?, keys, NOW)
}

/// Claims of ann's, with `more` behind them.
fn claims(more: &str) -> String {
    format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":2e9,"sub":"ann"{more}}}"#)
}

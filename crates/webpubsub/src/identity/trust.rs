//! Whom settings believe, and what of a token counts.

use super::set::KeySet;
use super::token::ProviderToken;
use crate::object::Object;
use crate::token::claims::{all, texts, texts_in};
use crate::token::compact::decode;
use crate::token::times::judge_times;
use crate::token::{Claims, TokenError};

/// The claim of which RFC 8693 4.2 says that it is one text with spaces between its values.
const SCOPE: &str = "scope";

/// What settings say of an identity provider. Claims are named as they stand in the token; what is within a claim has
/// no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// What `iss` must be, letter by letter.
    pub issuer: String,
    /// One of these must be in `aud`, letter by letter. Without any, no token is good.
    pub audiences: Vec<String>,
    /// The claim that is the user, such as `sub`.
    pub user_claim: String,
    /// The claim that has the roles. Without it a token gives none.
    pub roles_claim: Option<String>,
    /// The claim that has the groups that a client is in from the start. Without it a token puts it into none.
    pub groups_claim: Option<String>,
}

impl Trust {
    /// What a token says, if one of the keys signed it, the issuer made it for one of the audiences, its time is now,
    /// and it names a user. `now_s` is in seconds since 1970.
    ///
    /// # Errors
    /// When it is not good; [`TokenError::Key`] where no key fits, so that keys may have to be fetched. What it says is
    /// not looked at before its signature.
    pub fn verify(&self, token: &ProviderToken, keys: &KeySet, now_s: u64) -> Result<Claims, TokenError> {
        let parts = token.parts()?;
        let (payload, signature) = (decode(parts.payload)?, decode(parts.signature)?);
        let key = keys.find(token).ok_or(TokenError::Key)?;
        if !key.is_signature(parts.signed.as_bytes(), &signature) {
            return Err(TokenError::Signature);
        }
        let object = Object::read(&payload).ok_or(TokenError::Malformed)?;
        self.judge_origin(&object)?;
        judge_times(&object, now_s)?;
        self.claims(&object)
    }

    /// RFC 8725 3.8 and 3.9: who made it, and for whom.
    fn judge_origin(&self, object: &Object<'_>) -> Result<(), TokenError> {
        let issuer = object.get("iss").and_then(|json| serde_json::from_str::<String>(json).ok());
        if issuer.ok_or(TokenError::Claim("iss"))? != self.issuer {
            return Err(TokenError::Issuer);
        }
        let own = texts(object, "aud")?.ok_or(TokenError::Claim("aud"))?;
        if own.iter().any(|one| self.audiences.contains(one)) { Ok(()) } else { Err(TokenError::Audience) }
    }

    fn claims(&self, object: &Object<'_>) -> Result<Claims, TokenError> {
        let user = object.get(&self.user_claim).and_then(|json| serde_json::from_str::<String>(json).ok());
        let user = user.filter(|user| !user.is_empty()).ok_or(TokenError::User)?;
        let named = |name: &Option<String>, error| match name {
            Some(name) => values(object, name).ok_or(error),
            None => Ok(Vec::new()),
        };
        Ok(Claims {
            user: Some(user),
            roles: named(&self.roles_claim, TokenError::Roles)?,
            groups: named(&self.groups_claim, TokenError::Groups)?,
            all: all(object),
        })
    }
}

/// The texts of a claim, none where it is not there. `scope` is taken apart at its spaces; elsewhere a space may be
/// part of a role or a group.
fn values(object: &Object<'_>, name: &str) -> Option<Vec<String>> {
    let Some(json) = object.get(name) else { return Some(Vec::new()) };
    let texts = texts_in(json)?;
    if name == SCOPE {
        return Some(
            texts
                .iter()
                .flat_map(|text| text.split(' '))
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect(),
        );
    }
    Some(texts)
}

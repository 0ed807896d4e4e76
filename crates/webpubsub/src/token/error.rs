//! Why a token is refused.

use std::fmt;

/// A token that opens nothing. Nothing of the token is in it, so it may be logged and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenError {
    /// It has more than [`TOKEN_LEN_MAX`](super::TOKEN_LEN_MAX) bytes.
    TooLong,
    /// It is not three parts of base64url without padding, two of which are JSON objects without a name twice.
    Malformed,
    /// Its header names another algorithm than HS256, which is the keys' own, or none.
    Algorithm,
    /// Its header names another algorithm than those of identity providers, RS256 and ES256, or none.
    ProviderAlgorithm,
    /// Its header says that it is no token for access: `typ`.
    Type,
    /// None of the identity provider's keys fits: another name, another algorithm, or several without a name.
    Key,
    /// Its header asks for what is never done: `crit`, or a key from elsewhere.
    Header,
    /// None of the keys made its signature.
    Signature,
    /// A claim is missing, or is not what it must be; the claim's name.
    Claim(&'static str),
    /// The claim that names the user, by the settings, is missing, empty or no text.
    User,
    /// The claim that has the roles, by the settings, is neither a text nor a list of texts.
    Roles,
    /// The claim that has the groups, by the settings, is neither a text nor a list of texts.
    Groups,
    /// Another issuer made it.
    Issuer,
    /// It is not for what was asked.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token is not signed by HS256",
            Self::ProviderAlgorithm => "the token is not signed by RS256 or ES256",
            Self::Type => "the token is not one for access: see its header typ",
            Self::Key => "the token is signed with a key that its issuer has not published",
            Self::Header => "the token's header has fields that are not taken",
            Self::Signature => "the token is signed with another key",
            Self::Claim(name) => return write!(f, "the token's claim {name} is missing or malformed"),
            Self::User => "the token's claim for the user is missing or malformed",
            Self::Roles => "the token's claim for roles is malformed",
            Self::Groups => "the token's claim for groups is malformed",
            Self::Issuer => "the token is of another issuer: see its claim iss",
            Self::Audience => "the token is for something else: see its claim aud",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
        })
    }
}

impl std::error::Error for TokenError {}

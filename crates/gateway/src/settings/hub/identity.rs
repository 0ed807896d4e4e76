//! An identity provider whose tokens a hub takes: `[hub.NAME.identity]`.

use std::fmt;
use std::path::PathBuf;

use holdfast_upstream::{SourceError, check_source};
use toml::Value as Toml;

use super::upstream::shown;
use crate::settings::declare::settings;
use crate::settings::files::File;
use crate::settings::kinds::{Kind, List, Off};

settings! {
    /// What `[hub.NAME.identity]` says.
    pub struct IdentitySettings {}

    /// Where the provider publishes its keys, a JSON Web Key Set: https://HOST/PATH, http://HOST/PATH on this machine,
    /// or the path of a file. Read at the start, every 10 minutes and on SIGHUP; and when a token names a key that is
    /// not known, once a minute at most. While it cannot be had the keys before stay good; until there are any, tokens
    /// get 503.
    ///
    /// Cost: up to 256 KiB while it is read, and about 1 KiB for each key.
    keys: KeysPlace = KeysPlace::default(), shown "none, must be set"; Place;

    /// What tokens must have as iss, letter by letter.
    ///
    /// Cost: none.
    issuer: String = String::new(), shown "none, must be set"; Line;

    /// What tokens must have as aud, letter by letter: of a list of texts, one that is in the token. It is what the
    /// provider calls this hub or this gateway, not the URL of the hub.
    ///
    /// Cost: none.
    audience: Vec<String> = Vec::new(), shown "none, must be set"; List(Line);

    /// The claim that is the user. A token without it is refused.
    ///
    /// Cost: none.
    user_claim: String = String::from("sub"); Line;

    /// The claim that has the roles of a client, a text or a list of texts; scope is taken apart at its spaces. "off":
    /// tokens give no roles, whatever they say.
    ///
    /// Cost: none.
    roles_claim: Option<String> = None; Off(Line);

    /// The claim that has the groups that a client is in from the start, in the same way. "off": tokens put nobody into
    /// a group.
    ///
    /// Cost: none.
    groups_claim: Option<String> = None; Off(Line);

    /// File with certificates of authorities in PEM that are trusted when they vouch for the host of keys, besides the
    /// built-in ones. Read again on SIGHUP.
    ///
    /// Cost: none.
    ca: Option<PathBuf> = None, shown "built-in authorities"; Off(File);
}

/// Most tokens of a hub that wait to be verified.
pub(crate) const TOKENS_WAITING_MAX: u32 = 512;

impl IdentitySettings {
    /// What is missing or makes no sense, with `place` in it.
    pub(super) fn check(&self, place: &str) -> Result<(), String> {
        let missing = [
            ("keys", self.keys.as_str().is_empty(), "where the provider publishes its keys"),
            ("issuer", self.issuer.is_empty(), "what its tokens have as iss"),
            ("audience", self.audience.is_empty(), "what its tokens for this hub have as aud"),
        ];
        if let Some((key, _, what)) = missing.iter().find(|(_, is_missing, _)| *is_missing) {
            return Err(format!("{key} is missing in {place}: set it to {what}"));
        }
        if self.ca.is_some() && !check_source(self.keys.as_str()).is_ok_and(|is_tls| is_tls) {
            return Err(format!("ca is set in {place} but keys are not fetched by https: remove ca"));
        }
        Ok(())
    }
}

/// Where keys are. Its query may hold a code, so that is shown to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeysPlace(String);

impl KeysPlace {
    /// The whole of it, query and all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeysPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for KeysPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<&str> for KeysPlace {
    type Error = String;

    /// Reads it, or says what was expected instead.
    fn try_from(text: &str) -> Result<Self, String> {
        if text.contains("://") && text.contains('@') {
            return Err("expected no name and password in a URL".to_owned());
        }
        check_source(text).map_err(|error| match error {
            SourceError::Address(error) => format!("expected a URL or the path of a file: {error}"),
            error => error.to_string(),
        })?;
        Ok(Self(text.to_owned()))
    }
}

struct Place;

impl Kind for Place {
    type Value = KeysPlace;

    fn placeholder(&self) -> String {
        "URL|FILE".to_owned()
    }

    fn parse(&self, text: &str) -> Result<KeysPlace, String> {
        text.try_into()
    }

    fn show(&self, value: &KeysPlace) -> Toml {
        Toml::String(value.to_string())
    }

    fn may_hide(&self) -> bool {
        true
    }

    fn hides(&self, value: &KeysPlace) -> bool {
        value.0.contains('?')
    }
}

/// A text of one line.
struct Line;

impl Kind for Line {
    type Value = String;

    fn placeholder(&self) -> String {
        "TEXT".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        /// Far more than issuers, audiences and names of claims have.
        const LEN_MAX: usize = 1024;
        let is_line = (1..=LEN_MAX).contains(&text.len()) && !text.contains(char::is_control);
        is_line.then(|| text.to_owned()).ok_or_else(|| format!("expected one line of 1 to {LEN_MAX} bytes"))
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_a_file_by_https_or_by_http_from_this_machine() {
        for text in [
            "https://id.example/keys",
            "https://id.example/keys?p=policy",
            "http://127.0.0.1:8080/realms/a/protocol/openid-connect/certs",
            "http://localhost/keys",
            "http://[::1]/keys",
            "/etc/holdfast/keys.json",
            "keys.json",
        ] {
            assert_eq!(Place.parse(text).map(|place| place.0).as_deref(), Ok(text));
        }
        for (text, part) in [
            ("http://id.example/keys?code=marker", "write https://"),
            ("http://10.0.0.1/keys", "write https://"),
            ("ftp://id.example/marker", "expected https://"),
            ("https://ann:marker@id.example/keys", "no name and password"),
            ("https:///marker", "expected a URL"),
            ("", "expected a URL"),
        ] {
            let refused = Place.parse(text).expect_err(text);
            assert!(refused.contains(part) && !refused.contains("marker"), "{text}: {refused}");
        }
        let place = Place.parse("https://a/keys?code=marker").expect("a place");
        assert!(Place.hides(&place) && !format!("{place} {place:?}").contains("marker"));
    }
}

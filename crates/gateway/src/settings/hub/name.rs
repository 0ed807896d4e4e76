//! What hubs may be called.

use holdfast_webpubsub::names::is_hub;
use toml::Value as Toml;

use crate::settings::kinds::Kind;

/// A hub's name: `` ^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$ `` (Web PubSub, REST API of the data plane).
pub(in crate::settings) struct HubName;

impl Kind for HubName {
    type Value = String;

    fn placeholder(&self) -> String {
        "NAME".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        hub_name(text)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// A hub's name from its text.
///
/// # Errors
///
/// What was expected instead.
pub(crate) fn hub_name(text: &str) -> Result<String, String> {
    is_hub(text).then(|| text.to_owned()).ok_or_else(|| {
        "expected a hub's name: a letter, then at most 127 letters, digits and characters of _`,.[]"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_called_by_a_letter_and_at_most_127_more() {
        for name in ["a", "Chat", "a_`,.[]9", &"x".repeat(128)] {
            assert_eq!(HubName.parse(name).as_deref(), Ok(name));
        }
        for name in ["", "9", "_a", "a-b", "a b", "é", "aé", "a/b", &"x".repeat(129)] {
            assert!(HubName.parse(name).is_err(), "{name}");
        }
    }
}

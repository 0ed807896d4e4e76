//! Where REST is served, and what the world calls this gateway.

use holdfast_webpubsub::Endpoint;
use toml::Value as Toml;

use super::address::Listen;
use super::kinds::Kind;

/// Where REST is served. Nowhere, if it is neither on the addresses for clients nor on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Whether it is where clients connect.
    pub on_listen: bool,
    /// Addresses of its own.
    pub addresses: Vec<Listen>,
}

impl Rest {
    /// Where clients connect, and nowhere else.
    #[must_use]
    pub fn on_listen() -> Self {
        Self { on_listen: true, addresses: Vec::new() }
    }

    /// Whether it is served nowhere.
    #[must_use]
    pub fn is_off(&self) -> bool {
        !self.on_listen && self.addresses.is_empty()
    }
}

const LISTEN: &str = "listen";
const OFF: &str = "off";

/// The word "listen" and addresses, separated by commas; or "off".
pub(super) struct RestPlaces;

impl Kind for RestPlaces {
    type Value = Rest;

    fn placeholder(&self) -> String {
        "listen|ADDR:PORT|unix:PATH|off".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Rest, String> {
        let mut rest = Rest { on_listen: false, addresses: Vec::new() };
        if text == OFF {
            return Ok(rest);
        }
        for text in text.split(',').map(str::trim) {
            match text {
                LISTEN => rest.on_listen = true,
                _ => rest.addresses.push(text.parse().map_err(|problem| {
                    format!("{problem}, not \"{text}\"; or listen, for where clients connect; or off")
                })?),
            }
        }
        Ok(rest)
    }

    fn show(&self, value: &Rest) -> Toml {
        let on_listen = value.on_listen.then(|| LISTEN.to_owned());
        let all = on_listen.into_iter().chain(value.addresses.iter().map(ToString::to_string));
        let mut all: Vec<_> = all.map(Toml::String).collect();
        match all.len() {
            0 => Toml::String(OFF.to_owned()),
            1 => all.remove(0),
            _ => Toml::Array(all),
        }
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// A public name.
pub(super) struct PublicName;

impl Kind for PublicName {
    type Value = String;

    fn placeholder(&self) -> String {
        "URL".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        endpoint(text)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// Scheme, host and port of a gateway: in lower case, without a default port and without a slash at its end.
///
/// # Errors
///
/// What was expected instead.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let expected =
        || format!("expected the URL of a gateway such as https://chat.example.com, not \"{text}\"");
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://").ok_or_else(expected)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(expected()),
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    let kept = format!("{scheme}://{authority}");
    Endpoint::parse(&kept).map(|_| kept).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_kept_in_one_form() {
        for (text, kept) in [
            ("https://Chat.Example.com", "https://chat.example.com"),
            ("HTTPS://chat.example.com:443/", "https://chat.example.com"),
            ("http://127.0.0.1:8085", "http://127.0.0.1:8085"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://a:80", "https://a:80"),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "a",
            "ws://a",
            "http://",
            "http://:80",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://a b",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rest_is_on_the_addresses_of_clients_or_its_own_or_both_or_off() {
        let own = |text: &str| vec![text.parse::<Listen>().expect("an address")];
        for (text, rest) in [
            ("listen", Rest::on_listen()),
            ("off", Rest { on_listen: false, addresses: Vec::new() }),
            ("127.0.0.1:1", Rest { on_listen: false, addresses: own("127.0.0.1:1") }),
            ("listen, unix:/a", Rest { on_listen: true, addresses: own("unix:/a") }),
        ] {
            assert_eq!(RestPlaces.parse(text).as_ref(), Ok(&rest));
            assert_eq!(rest.is_off(), text == "off");
        }
        for text in ["", "on", "off,listen", "listen,"] {
            assert!(RestPlaces.parse(text).is_err(), "{text}");
        }
    }
}

//! What a token may be for.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::endpoint::Endpoint;
use crate::names::is_hub;
use crate::query::decode;

/// The audiences of which a token must have one.
#[derive(Clone, Debug)]
pub struct Audiences<'e> {
    endpoints: &'e [Endpoint],
    /// What comes behind an endpoint.
    paths: Vec<String>,
}

impl<'e> Audiences<'e> {
    /// For a client of a hub: `{endpoint}/client/hubs/{hub}` of each of the gateway's endpoints, the hub as it is or
    /// percent-encoded.
    #[must_use]
    pub fn of_client(endpoints: &'e [Endpoint], hub: &str) -> Self {
        let path = |hub: &dyn std::fmt::Display| format!("/client/hubs/{hub}");
        let mut paths = Vec::new();
        if is_hub(hub) {
            paths.push(path(&hub));
            let encoded = utf8_percent_encode(hub, NON_ALPHANUMERIC);
            if hub.bytes().any(|byte| !byte.is_ascii_alphanumeric()) {
                paths.push(path(&encoded));
            }
        }
        Self { endpoints, paths }
    }

    /// For a REST request: its URL by each of the endpoints, `target` being path and query as they were sent. With
    /// and without the query, each as sent or percent-decoded. A target that is not below `/api/` has none.
    #[must_use]
    pub fn of_request(endpoints: &'e [Endpoint], target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let sent: &[&str] = if path.starts_with("/api/") { &[target, path] } else { &[] };
        let mut paths: Vec<_> = sent.iter().map(|text| (*text).to_owned()).collect();
        paths.extend(sent.iter().filter_map(|text| decode(text)));
        Self { endpoints, paths }
    }

    /// What a client's token of this endpoint and hub has as its audience.
    #[must_use]
    pub fn client(endpoint: &Endpoint, hub: &str) -> String {
        format!("{}/client/hubs/{hub}", endpoint.as_str())
    }

    /// Whether this is one of them, whole, whatever its letter case.
    pub(super) fn has(&self, audience: &str) -> bool {
        let is_path = |rest: &str| self.paths.iter().any(|path| path.eq_ignore_ascii_case(rest));
        self.endpoints.iter().flat_map(|endpoint| endpoint.rests_of(audience)).any(is_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> [Endpoint; 2] {
        ["http://127.0.0.1:8085", "https://Chat.example"].map(|text| Endpoint::parse(text).unwrap())
    }

    #[test]
    fn a_clients_audience_is_compared_whole_and_without_case() {
        let endpoints = endpoints();
        let audiences = Audiences::of_client(&endpoints, "Chat");
        for audience in [
            "http://127.0.0.1:8085/client/hubs/Chat",
            "https://chat.example/client/hubs/chat",
            "https://chat.example:443/client/hubs/chat",
            "HTTPS://CHAT.EXAMPLE:443/CLIENT/HUBS/CHAT",
        ] {
            assert!(audiences.has(audience), "{audience}");
        }
        for audience in [
            "http://127.0.0.1:8085/client/hubs/xChat",
            "http://127.0.0.1:8085/client/hubs/Chat/",
            "http://127.0.0.1:8085/client/hubs/Cha",
            "http://127.0.0.1:8085/client/hubs/Chat?a=b",
            "ws://127.0.0.1:8085/client/hubs/Chat",
            "https://127.0.0.1:8085/client/hubs/Chat",
            "http://127.0.0.1/client/hubs/Chat",
            "https://chat.example:80/client/hubs/Chat",
            "https://chat.example:443:443/client/hubs/Chat",
            "https://chat.exampl\u{e9}/client/hubs/Chat",
            "/client/hubs/Chat",
            "Chat",
            "",
        ] {
            assert!(!audiences.has(audience), "{audience}");
        }
        assert!(Audiences::of_client(&endpoints, "a,b").has("https://chat.example/client/hubs/a%2Cb"));
        assert!(
            !Audiences::of_client(&endpoints, "../../api/x")
                .has("https://chat.example/client/hubs/../../api/x")
        );
    }

    #[test]
    fn a_requests_audience_is_its_url_with_the_query_or_without_encoded_or_not() {
        let target = "/api/hubs/chat/groups/a%20b/:send?api-version=1&filter=a%3Db";
        let endpoints = endpoints();
        let audiences = Audiences::of_request(&endpoints[1..], target);
        for rest in [
            "/api/hubs/chat/groups/a%20b/:send?api-version=1&filter=a%3Db",
            "/api/hubs/chat/groups/a b/:send?api-version=1&filter=a=b",
            "/api/hubs/chat/groups/a%20b/:send",
            "/API/hubs/chat/groups/A b/:send",
        ] {
            assert!(audiences.has(&format!("https://chat.example{rest}")), "{rest}");
        }
        for rest in ["/api/hubs/chat/groups/a%2520b/:send", "/api/hubs/chat/groups/a%20b/:send?", "/api/", ""]
        {
            assert!(!audiences.has(&format!("https://chat.example{rest}")), "{rest}");
        }
    }

    #[test]
    fn what_is_for_clients_is_never_for_rest() {
        let endpoints = endpoints();
        let audiences = Audiences::of_request(&endpoints, "/client/hubs/chat");
        assert!(!audiences.has("http://127.0.0.1:8085/client/hubs/chat"));
        let audiences = Audiences::of_request(&endpoints, "/api?/client/hubs/chat");
        assert!(audiences.paths.is_empty());
    }
}

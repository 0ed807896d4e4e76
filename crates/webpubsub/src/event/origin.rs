//! Whether a service wants events at all.

use crate::endpoint::Endpoint;

/// Whether the answer to an OPTIONS with `WebHook-Request-Origin` allows events: a status of 2xx, and among the values
/// of `WebHook-Allowed-Origin`, each of a header line, `*`, or the endpoint's host, with its port or without, in any
/// case. A list with commas is one value, and no host.
#[must_use]
pub fn allows_origin<'v>(
    endpoint: &Endpoint,
    status: u16,
    mut values: impl Iterator<Item = &'v [u8]>,
) -> bool {
    let spellings: Vec<_> = endpoint.spellings().collect();
    let authorities =
        spellings.iter().filter_map(|text| text.split_once("://")).map(|(_, authority)| authority);
    let allowed: Vec<_> = authorities.chain(["*", endpoint.host()]).collect();
    let is_allowed =
        |value: &[u8]| allowed.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(value.trim_ascii()));
    (200..300).contains(&status) && values.any(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(endpoint: &str, status: u16, values: &[&str]) -> bool {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        allows_origin(&endpoint, status, values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn one_line_must_name_the_host_or_be_a_star() {
        let endpoint = "http://Chat.example:8085";
        for values in
            [&["*"][..], &["chat.example"], &["CHAT.EXAMPLE:8085"], &["other", " chat.example "], &["", "*"]]
        {
            assert!(allows(endpoint, 200, values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["other"],
            &["chat.example:80"],
            &["chat.example,other"],
            &["*,other"],
            &["*.example"],
            &["http://chat.example:8085"],
            &["xchat.example"],
        ] {
            assert!(!allows(endpoint, 200, values), "{values:?}");
        }
        assert!(allows("https://chat.example", 204, &["chat.example:443"]));
        assert!(allows("https://chat.example:443", 204, &["chat.example"]));
        assert!(!allows("https://chat.example", 204, &["chat.example:80"]));
    }

    #[test]
    fn only_success_allows() {
        for status in [100, 199, 300, 404, 500] {
            assert!(!allows("http://a", status, &["*"]), "{status}");
        }
    }
}

//! Bodies of system events.

use std::collections::HashMap;

use crate::sink::{Sink as _, put_text, put_texts};

/// The body of the event `connected`.
pub const CONNECTED_BODY: &[u8] = b"{}";

/// Headers that no service is told: they have the client's token, or what a proxy lets it in by.
const KEPT: [&str; 2] = ["authorization", "proxy-authorization"];

/// What the event `connect` says.
#[derive(Clone, Copy, Debug)]
pub struct ConnectBody<'a> {
    /// Of the client's token: [`Claims::all`](crate::token::Claims::all).
    pub claims: &'a [(String, Vec<String>)],
    /// The pairs of the client's query, without its tokens:
    /// [`ClientTarget::query`](crate::client::ClientTarget::query).
    pub query: &'a [(String, String)],
    /// The headers of the client's request, in the order they came. The Authorization header is left out; cookies are
    /// not. Bytes that are not UTF-8 are replaced.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// What the client offers.
    pub subprotocols: &'a [&'a str],
}

impl ConnectBody<'_> {
    /// As JSON. Values of the same name are in one list, names of headers being the same in any case.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_claims(&mut out, self.claims);
        self.put_rest(&mut out);
        out
    }

    /// All but the claims, where those are not known yet: [`connect_body`] makes the whole of it.
    #[must_use]
    pub fn write_rest(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put_rest(&mut out);
        out
    }

    fn put_rest(&self, out: &mut Vec<u8>) {
        out.put(b",\"query\":");
        let query = self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        put_lists(out, grouped(query, str::to_owned));
        out.put(b",\"headers\":");
        let told =
            self.headers.iter().filter(|(name, _)| !KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name)));
        let told: Vec<_> = told.map(|(name, value)| (*name, String::from_utf8_lossy(value))).collect();
        put_lists(out, grouped(told.iter().map(|(name, value)| (*name, &**value)), str::to_ascii_lowercase));
        out.put(b",\"subprotocols\":");
        put_texts(out, self.subprotocols);
        out.put(b",\"clientCertificates\":[]}");
    }
}

/// The body of the event `connect`, of claims and of [what was known before](ConnectBody::write_rest).
#[must_use]
pub fn connect_body(claims: &[(String, Vec<String>)], rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_claims(&mut out, claims);
    out.put(rest);
    out
}

fn put_claims(out: &mut Vec<u8>, claims: &[(String, Vec<String>)]) {
    out.put(b"{\"claims\":");
    put_lists(
        out,
        claims.iter().map(|(name, values)| (name.as_str(), values.iter().map(String::as_str).collect())),
    );
}

/// The body of the event `disconnected`.
#[must_use]
pub fn disconnected_body(reason: &str) -> Vec<u8> {
    let mut out = b"{\"reason\":".to_vec();
    put_text(&mut out, reason.as_bytes());
    out.put(b"}");
    out
}

/// Each name once, as it was written first, with its values, in the order they came. Names are the same if their keys
/// are.
fn grouped<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    key: impl Fn(&str) -> String,
) -> Vec<(&'a str, Vec<&'a str>)> {
    let (mut groups, mut places): (Vec<(&str, Vec<&str>)>, _) = (Vec::new(), HashMap::new());
    for (name, value) in pairs {
        let place = *places.entry(key(name)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

fn put_lists<'a>(out: &mut Vec<u8>, lists: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) {
    out.put(b"{");
    for (at, (name, values)) in lists.into_iter().enumerate() {
        if at > 0 {
            out.put(b",");
        }
        put_text(out, name.as_bytes());
        out.put(b":");
        put_texts(out, values);
    }
    out.put(b"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_event_tells_what_the_client_said_but_its_token() {
        let text = |text: &str| text.to_owned();
        let body = ConnectBody {
            claims: &[(text("sub"), vec![text("cat")]), (text("role"), vec![text("a"), text("b")])],
            query: &[(text("mark"), text("1")), (text("x"), text("\"")), (text("mark"), text("2"))],
            headers: &[
                ("Host", b"chat.example"),
                ("Cookie", b"a=b"),
                ("AUTHORIZATION", b"Bearer secret"),
                ("Proxy-Authorization", b"Basic secret"),
                ("cookie", b"c=\xff"),
            ],
            subprotocols: &["json.webpubsub.azure.v1"],
        };
        let expected = concat!(
            r#"{"claims":{"sub":["cat"],"role":["a","b"]},"query":{"mark":["1","2"],"x":["\""]},"#,
            r#""headers":{"Host":["chat.example"],"Cookie":["a=b","c=�"]},"#,
            r#""subprotocols":["json.webpubsub.azure.v1"],"clientCertificates":[]}"#
        );
        assert_eq!(String::from_utf8(body.write()).unwrap(), expected);
        let rest = ConnectBody { claims: &[], ..body }.write_rest();
        assert_eq!(connect_body(body.claims, &rest), expected.as_bytes(), "also where claims come later");
    }

    #[test]
    fn nothing_is_an_empty_list_of_everything() {
        let body = ConnectBody { claims: &[], query: &[], headers: &[], subprotocols: &[] };
        let expected = br#"{"claims":{},"query":{},"headers":{},"subprotocols":[],"clientCertificates":[]}"#;
        assert_eq!(body.write(), expected);
        assert_eq!(disconnected_body("a\nb"), br#"{"reason":"a\nb"}"#);
    }
}

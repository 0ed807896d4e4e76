//! Bodies of answers.

use percent_encoding::utf8_percent_encode;

use crate::endpoint::Endpoint;
use crate::query::RESERVED;
use crate::sink::{Sink as _, put_text};

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The connection's id.
    pub connection_id: &'a str,
    /// Its user; left out where there is none.
    pub user: Option<&'a str>,
}

/// Where the rest of a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextPage<'a> {
    /// By which name the gateway is reached.
    pub endpoint: &'a Endpoint,
    /// The hub.
    pub hub: &'a str,
    /// The group.
    pub group: &'a str,
    /// Most members of a page.
    pub page_size: u16,
    /// Most members of all pages that follow.
    pub top: Option<u32>,
    /// Where the next page begins; comes back as it is.
    pub continuation: &'a str,
}

impl NextPage<'_> {
    /// The URL to get the next page from.
    #[must_use]
    pub fn url(&self) -> String {
        let encode = |text| utf8_percent_encode(text, RESERVED);
        let (endpoint, hub, group) = (self.endpoint.as_str(), encode(self.hub), encode(self.group));
        let (size, continuation) = (self.page_size, encode(self.continuation));
        let top = self.top.map(|top| format!("&top={top}")).unwrap_or_default();
        format!(
            "{endpoint}/api/hubs/{hub}/groups/{group}/connections\
             ?maxpagesize={size}{top}&continuationToken={continuation}&api-version=2024-12-01"
        )
    }
}

/// The body of a page of members: `{"value":[{"connectionId":…,"userId":…}],"nextLink":…}`.
#[must_use]
pub fn write_page<'a>(members: impl IntoIterator<Item = Member<'a>>, next: Option<&NextPage<'_>>) -> Vec<u8> {
    let mut out = b"{\"value\":[".to_vec();
    for (at, member) in members.into_iter().enumerate() {
        out.put(if at == 0 { b"{\"connectionId\":" } else { b",{\"connectionId\":" });
        put_text(&mut out, member.connection_id.as_bytes());
        if let Some(user) = member.user {
            out.put(b",\"userId\":");
            put_text(&mut out, user.as_bytes());
        }
        out.put(b"}");
    }
    out.put(b"]");
    if let Some(next) = next {
        out.put(b",\"nextLink\":");
        put_text(&mut out, next.url().as_bytes());
    }
    out.put(b"}");
    out
}

/// The body that has a client's token: `{"token":…}`.
#[must_use]
pub fn write_token(token: &str) -> Vec<u8> {
    let mut out = b"{\"token\":".to_vec();
    put_text(&mut out, token.as_bytes());
    out.put(b"}");
    out
}

#[cfg(test)]
mod tests {
    use super::super::call::{Call, Route};
    use super::super::route::route;
    use super::*;

    #[test]
    fn a_page_has_a_link_to_the_next_one() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8085").unwrap();
        let members =
            [Member { connection_id: "1", user: Some("a\"b") }, Member { connection_id: "2", user: None }];
        let next = NextPage {
            endpoint: &endpoint,
            hub: "chat",
            group: "a b/ü?#",
            page_size: 2,
            top: Some(3),
            continuation: "x/y",
        };
        let body = String::from_utf8(write_page(members, Some(&next))).unwrap();
        let link = "http://127.0.0.1:8085/api/hubs/chat/groups/a%20b%2F%C3%BC%3F%23/connections\
                    ?maxpagesize=2&top=3&continuationToken=x%2Fy&api-version=2024-12-01";
        let value = r#"[{"connectionId":"1","userId":"a\"b"},{"connectionId":"2"}]"#;
        assert_eq!(body, format!(r#"{{"value":{value},"nextLink":"{link}"}}"#));
        // The link asks for what it says.
        let expected = Call::List {
            group: "a b/ü?#".into(),
            page_size: 2,
            top: Some(3),
            continuation: Some("x/y".into()),
        };
        let target = link.strip_prefix("http://127.0.0.1:8085").unwrap();
        assert_eq!(route("GET", target), Ok(Route::Hub { hub: "chat".into(), call: expected }));
        assert_eq!(write_page([], None), b"{\"value\":[]}");
        assert_eq!(write_token("a.b.c"), b"{\"token\":\"a.b.c\"}");
    }
}

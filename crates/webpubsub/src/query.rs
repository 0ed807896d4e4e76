//! Targets of requests: paths, queries, and what is percent-encoded in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

/// What is percent-encoded in a part of a path, or in a query: all but the unreserved characters (RFC 3986 2.3).
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path and the query of a request's target: of `/path?query`, or of an absolute http or https URI (RFC 9112
/// 3.2.2). Nothing where it is neither, or has a fragment.
pub(crate) fn split_target(target: &str) -> Option<(&str, &str)> {
    if target.contains('#') {
        return None;
    }
    let local = match target.split_once("://") {
        _ if target.starts_with('/') => target,
        Some((scheme, rest)) if is_http(scheme) => &rest[rest.find(['/', '?']).unwrap_or(rest.len())..],
        _ => return None,
    };
    Some(local.split_once('?').unwrap_or((local, "")))
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The text without percent-encoding. Nothing where an escape is none, or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let is_whole = escapes.all(|(at, _)| is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)));
    if !is_whole {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// The parts of a path that begins with `/`, each decoded after the path was split: an encoded `/` separates nothing.
/// Nothing where one cannot be decoded.
pub(crate) fn path_parts(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// The pairs of a query, decoded: a `+` is a space, as forms write it.
#[derive(Debug)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    /// Nothing where a pair cannot be decoded.
    pub(crate) fn read(query: &str) -> Option<Self> {
        let decode = |text: &str| decode(&text.replace('+', " "));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let read = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        };
        pairs.map(read).collect::<Option<_>>().map(Self)
    }

    /// The values with this name, in any case.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_and_a_query_or_an_absolute_uri() {
        for (target, parts) in [
            ("/a/b?c=d?e", Some(("/a/b", "c=d?e"))),
            ("/a", Some(("/a", ""))),
            ("/a://b", Some(("/a://b", ""))),
            ("http://h:1/a?b", Some(("/a", "b"))),
            ("HTTPS://h", Some(("", ""))),
            ("http://h?b", Some(("", "b"))),
            ("ftp://h/a", None),
            ("*", None),
            ("", None),
            ("/a#b", None),
        ] {
            assert_eq!(split_target(target), parts, "{target}");
        }
    }

    #[test]
    fn an_encoded_slash_separates_nothing() {
        let parts = path_parts("/groups/a%20b%2F%C3%BC%3F%23+/").unwrap();
        assert_eq!(parts, ["groups", "a b/ü?#+", ""]);
        for path in ["", "a", "/%", "/%2", "/%zz", "/%ff", "/a%2", "/%%41"] {
            assert_eq!(path_parts(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_is_decoded_pair_by_pair() {
        let query = Query::read("a=1&&A=%26+%2B&b&c=d=e&=f").unwrap();
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "& +"]);
        assert_eq!(query.all("b").collect::<Vec<_>>(), [""]);
        assert_eq!(query.all("c").collect::<Vec<_>>(), ["d=e"]);
        assert_eq!(query.0.len(), 5);
        assert!(Query::read("").unwrap().0.is_empty());
        for query in ["a=%", "%c3=1", "a=%4"] {
            assert!(Query::read(query).is_none(), "{query}");
        }
    }
}

//! Requests that somebody's browser makes for a web page.

use axum::http::{HeaderMap, StatusCode, header};

/// A page that somebody visits can make his browser send a POST to his own loopback. The browser then says from where
/// (Fetch standard: Origin is sent with every request other than GET and HEAD), and no other client does.
pub(super) fn from_a_browser(headers: &HeaderMap) -> Option<(StatusCode, String)> {
    let browser = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    browser.then(|| (StatusCode::FORBIDDEN, "not from a web page\n".to_owned()))
}

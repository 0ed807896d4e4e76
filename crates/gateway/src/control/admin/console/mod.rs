//! `GET /`: the console, one page that shows what goes on and lets whoever has the admin token drain.
//!
//! Everything is in the page: it loads nothing but the numbers of this server, and speaks to nothing but this server
//! and the gateway's own listeners. What it may do its Content-Security-Policy says, which names its script and its
//! style by their hashes.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{Html, IntoResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::state::Shared;

const PAGE: &str = include_str!("console.html");

/// The console. Nobody may show it in a frame or keep it.
pub(super) async fn console(State(state): Shared, headers: HeaderMap) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy(&state.started.clients(&headers))),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin".to_owned()),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
    ];
    (headers, Html(PAGE))
}

/// Content Security Policy Level 3: nothing but what the page has in it, the data of this server, and `clients`, where
/// its WebSocket client may connect.
fn policy(clients: &[String]) -> String {
    let connect: String = clients.iter().map(|client| format!(" {}", client.trim_end_matches('/'))).collect();
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'{connect}; base-uri \
         'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
}

/// The hash of what this element of the page holds, as policies write it.
fn hash(element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let inner = PAGE.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |it| it.0);
    format!("sha256-{}", STANDARD.encode(Sha256::digest(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_loads_nothing() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            assert_eq!(PAGE.matches(&format!("</{element}>")).count(), 1, "{element}");
            assert_ne!(hash(element), hash("nothing"), "{element}");
        }
        for foreign in [" src=", "@import", "url(", " style=", "http-equiv", "onclick="] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
        assert!(
            !PAGE.contains("innerHTML") && !PAGE.contains("Storage"),
            "what is shown is text, and nothing stays"
        );
    }

    #[test]
    fn the_policy_names_where_clients_connect() {
        let policy = policy(&["ws://127.0.0.1:8085/".to_owned(), "wss://chat.example.com/".to_owned()]);
        let connect = "connect-src 'self' ws://127.0.0.1:8085 wss://chat.example.com;";
        for part in ["default-src 'none';", connect, "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

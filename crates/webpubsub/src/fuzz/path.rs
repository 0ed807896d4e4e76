//! Requests of services, and targets of clients.

use super::input::text_and_rest;
use crate::client::parse_target;
use crate::names::{is_group, is_hub};
use crate::rest::{Call, GROUPS_MAX, GroupsBody, PAGE_SIZE_MAX, Route, Target, payload, route};

/// Any bytes as a method, a target and, behind a byte of 0xFF, a body.
///
/// # Panics
///
/// When a promise is broken.
pub fn rest_path(data: &[u8]) {
    let Some((line, body)) = text_and_rest(data) else { return };
    let (method, target) = line.split_once(' ').unwrap_or(("POST", line));
    match route(method, target) {
        Ok(Route::Health) => assert_eq!(method, "HEAD"),
        Ok(Route::Hub { hub, call }) => {
            assert!(is_hub(&hub), "{hub}");
            check(&call);
        }
        Err(error) => {
            assert!(matches!(error.status(), 400 | 404 | 405), "{}", error.status());
            assert_eq!(error.status() == 405, error.allow().is_some());
            assert!(serde_json::from_slice::<serde_json::Value>(&error.body()).is_ok());
        }
    }
    if let Ok(found) = parse_target(target) {
        assert!(is_hub(&found.hub));
        let is_secret = |name: &str| name.eq_ignore_ascii_case("access_token");
        assert!(!found.query.iter().any(|(name, _)| is_secret(name)), "a token is passed on");
    }
    for kind in ["text/plain", "application/json", "application/octet-stream"] {
        if let Ok(data) = payload(Some(kind.as_bytes()), body) {
            assert!(data.bytes.len() <= body.len());
        }
    }
    if let Ok(body) = GroupsBody::read(Some(b"application/json"), body) {
        assert!(
            (1..=GROUPS_MAX).contains(&body.groups.len()) && body.groups.iter().all(|group| is_group(group))
        );
    }
}

fn check(call: &Call) {
    assert!(matches!(call.success_status(), 200 | 202 | 204));
    let group = match call {
        Call::Send { to: Target::Group(group), .. }
        | Call::Close { of: Target::Group(group), .. }
        | Call::Exists { what: Target::Group(group) }
        | Call::Join { group, .. }
        | Call::List { group, .. } => Some(group),
        Call::Leave { group, .. } => group.as_ref(),
        Call::Grant(permit) | Call::Revoke(permit) | Call::Check(permit) => permit.group.as_ref(),
        _ => None,
    };
    assert!(group.is_none_or(|group| is_group(group)), "{group:?}");
    if let Call::List { page_size, top, .. } = call {
        assert!((1..=PAGE_SIZE_MAX).contains(page_size) && *top != Some(0));
    }
}

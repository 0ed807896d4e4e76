//! Every route, and requests that are none.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::role::Action;

fn call(method: &str, rest: &str) -> Result<Call, RestError> {
    match route(method, &format!("/api/hubs/chat/{rest}"))? {
        Route::Hub { hub, call } => {
            assert_eq!(hub, "chat");
            Ok(call)
        }
        Route::Health => panic!("{method} {rest} is health"),
    }
}

fn send(to: Target) -> Call {
    Call::Send { to, excluded: vec![], filter: None, ttl_s: 0 }
}

fn close(of: Target) -> Call {
    Call::Close { of, excluded: vec![], reason: None }
}

fn permit(group: Option<&str>) -> Permit {
    Permit { connection: "c".into(), action: Action::Send, group: group.map(str::to_owned) }
}

#[test]
fn each_route_is_found_and_has_the_status_that_sdks_demand() {
    let (group, user, connection) =
        (|| Target::Group("g".into()), || Target::User("u".into()), || Target::Connection("c".into()));
    let (of_user, of_connection) = (|| Who::User("u".into()), || Who::Connection("c".into()));
    let list = Call::List { group: "g".into(), page_size: 200, top: None, continuation: None };
    let token = Call::GenerateToken { user: None, roles: vec![], groups: vec![], minutes: 60 };
    for (method, rest, expected, status) in [
        ("POST", ":send", send(Target::All), 202),
        ("POST", "connections/c/:send", send(connection()), 202),
        ("POST", "users/u/:send", send(user()), 202),
        ("POST", "groups/g/:send", send(group()), 202),
        ("HEAD", "connections/c", Call::Exists { what: connection() }, 200),
        ("HEAD", "users/u", Call::Exists { what: user() }, 200),
        ("HEAD", "groups/g", Call::Exists { what: group() }, 200),
        ("DELETE", "connections/c", close(connection()), 204),
        ("POST", ":closeConnections", close(Target::All), 204),
        ("POST", "groups/g/:closeConnections", close(group()), 204),
        ("POST", "users/u/:closeConnections", close(user()), 204),
        ("PUT", "groups/g/connections/c", Call::Join { who: of_connection(), group: "g".into() }, 200),
        (
            "DELETE",
            "groups/g/connections/c",
            Call::Leave { who: of_connection(), group: Some("g".into()) },
            204,
        ),
        ("GET", "groups/g/connections", list, 200),
        ("DELETE", "connections/c/groups", Call::Leave { who: of_connection(), group: None }, 204),
        ("PUT", "users/u/groups/g", Call::Join { who: of_user(), group: "g".into() }, 200),
        ("DELETE", "users/u/groups/g", Call::Leave { who: of_user(), group: Some("g".into()) }, 204),
        ("DELETE", "users/u/groups", Call::Leave { who: of_user(), group: None }, 204),
        ("POST", ":addToGroups", Call::ChangeGroups { join: true }, 200),
        ("POST", ":removeFromGroups", Call::ChangeGroups { join: false }, 200),
        ("PUT", "permissions/sendToGroup/connections/c?targetName=g", Call::Grant(permit(Some("g"))), 200),
        (
            "DELETE",
            "permissions/sendToGroup/connections/c?targetName=g",
            Call::Revoke(permit(Some("g"))),
            204,
        ),
        ("HEAD", "permissions/sendToGroup/connections/c", Call::Check(permit(None)), 200),
        ("POST", ":generateToken", token, 200),
    ] {
        let found = call(method, rest).unwrap();
        assert_eq!(found, expected, "{method} {rest}");
        assert_eq!(found.success_status(), status, "{method} {rest}");
        let versioned = format!("{rest}{}api-version=2024-12-01", if rest.contains('?') { "&" } else { "?" });
        assert_eq!(call(method, &versioned).unwrap(), expected);
    }
    assert_eq!(route("HEAD", "/api/health?api-version=2024-12-01"), Ok(Route::Health));
}

#[test]
fn parameters_are_read() {
    let found =
        call("POST", "groups/g/:send?excluded=a&excluded=b%20c&filter=x+eq+1&messageTtlSeconds=300").unwrap();
    let expected = Call::Send {
        to: Target::Group("g".into()),
        excluded: vec!["a".into(), "b c".into()],
        filter: Some("x eq 1".into()),
        ttl_s: 300,
    };
    assert_eq!(found, expected);
    let found = call("POST", "users/u/:closeConnections?excluded=a&reason=your%20time%20is%20up").unwrap();
    let reason = Some("your time is up".into());
    assert_eq!(found, Call::Close { of: Target::User("u".into()), excluded: vec!["a".into()], reason });
    let found = call("GET", "groups/g/connections?maxpagesize=2&top=5&continuationToken=x%2Fy").unwrap();
    let continuation = Some("x/y".into());
    assert_eq!(found, Call::List { group: "g".into(), page_size: 2, top: Some(5), continuation });
    let query = "userId=jan&role=a&role=b&group=g&minutesToExpire=5&clientType=default";
    let found = call("POST", &format!(":generateToken?{query}")).unwrap();
    let (roles, groups) = (vec!["a".into(), "b".into()], vec!["g".into()]);
    assert_eq!(found, Call::GenerateToken { user: Some("jan".into()), roles, groups, minutes: 5 });
}

#[test]
fn an_encoded_slash_is_part_of_a_name() {
    let found = call("PUT", "users/%2Fu%25/groups/a%20b%2F%C3%BC%3F%23").unwrap();
    assert_eq!(found, Call::Join { who: Who::User("/u%".into()), group: "a b/ü?#".into() });
    assert_eq!(call("POST", "groups/%3Asend/%3Asend"), Ok(send(Target::Group(":send".into()))));
}

#[test]
fn parameters_that_are_none_are_bad_requests_that_name_them() {
    let longest = "a".repeat(1025);
    for (method, rest, target) in [
        ("POST", ":send?messageTtlSeconds=301", "messageTtlSeconds"),
        ("POST", ":send?messageTtlSeconds=-1", "messageTtlSeconds"),
        ("POST", ":send?messageTtlSeconds=%2B1", "messageTtlSeconds"),
        ("POST", ":send?messageTtlSeconds=1&messageTtlSeconds=1", "messageTtlSeconds"),
        ("POST", ":send?filter=a&filter=b", "filter"),
        ("GET", "groups/g/connections?maxpagesize=0", "maxpagesize"),
        ("GET", "groups/g/connections?maxpagesize=201", "maxpagesize"),
        ("GET", "groups/g/connections?top=0", "top"),
        ("GET", "groups/g/connections?top=99999999999", "top"),
        ("POST", ":generateToken?minutesToExpire=0", "minutesToExpire"),
        ("POST", ":generateToken?minutesToExpire=x", "minutesToExpire"),
        ("POST", ":generateToken?clientType=MQTT", "clientType"),
        ("POST", ":generateToken?group=%20", "group"),
        ("PUT", "permissions/other/connections/c", "permission"),
        ("PUT", "permissions/sendToGroup/connections/c?targetName=%20", "group"),
        ("POST", "groups/%20/:send", "group"),
        ("POST", &format!("groups/{longest}/:send"), "group"),
        ("POST", ":send?a=%", "Request"),
        ("POST", "groups/%ff/:send", "Request"),
        ("POST", ":send#a", "Request"),
    ] {
        let error = call(method, rest).unwrap_err();
        let body: Value = serde_json::from_slice(&error.body()).unwrap();
        assert_eq!(
            (error.status(), error.code(), &body["target"]),
            (400, "Error.BadRequest", &json!(target)),
            "{rest}"
        );
    }
    assert_eq!(route("POST", "/api/hubs/1/:send").unwrap_err().status(), 400);
}

#[test]
fn other_paths_lead_nowhere() {
    for target in [
        "/",
        "/api",
        "/api/",
        "/api/hubs",
        "/api/hubs/chat",
        "/api/hubs/chat/",
        "/api/hubs//:send",
        "/api/hubs/chat/:send/",
        "/api//hubs/chat/:send",
        "/api/hubs/chat/connections",
        "/api/hubs/chat/connections//:send",
        "/api/hubs/chat/connections/c/:closeConnections",
        "/api/hubs/chat/groups/a/b/:send",
        "/API/hubs/chat/:send",
        "/api/hubs/chat/:Send",
        "/client/hubs/chat",
        "http://host",
    ] {
        let status = route("POST", target).unwrap_err().status();
        assert!(status == 404 || target == "http://host" && status == 400, "{target}: {status}");
    }
    assert!(route("POST", "http://host/api/hubs/chat/:send").is_ok());
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    for (method, rest, allow) in [
        ("GET", ":send", "POST"),
        ("GET", "connections/c", "HEAD, DELETE"),
        ("post", ":send", "POST"),
        ("POST", "groups/g", "HEAD"),
        ("POST", "groups/g/connections/c", "PUT, DELETE"),
        ("PATCH", "permissions/sendToGroup/connections/c", "HEAD, PUT, DELETE"),
        ("", "groups/g/connections", "GET"),
    ] {
        let error = call(method, rest).unwrap_err();
        assert_eq!((error.status(), error.allow()), (405, Some(allow)), "{method} {rest}");
    }
    assert_eq!(route("GET", "/api/health").unwrap_err().allow(), Some("HEAD"));
}

proptest! {
    #[test]
    fn any_request_is_routed_or_refused_without_a_panic(
        method in "GET|HEAD|POST|PUT|DELETE|\\PC*", target in "\\PC*", rest in "[a-z:/%0-9A-F?&=]*",
    ) {
        let _ = route(&method, &target);
        let _ = route(&method, &format!("/api/hubs/chat/{rest}"));
    }

    /// What `methods` lists is what the rest of the router knows.
    #[test]
    fn an_allowed_method_leads_somewhere(
        parts in prop::collection::vec(
            "connections|users|groups|sendToGroup|permissions|:send|:closeConnections|:addToGroups", 1..5,
        ),
    ) {
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        for method in route::methods(&parts).into_iter().flat_map(|allowed| allowed.split(", ")) {
            let error = call(method, &parts.join("/")).err().map(|error| error.status());
            prop_assert!(matches!(error, None | Some(400)), "{} {:?}", method, parts);
        }
    }
}

//! From method and target to what is asked for.

use super::call::{Call, Permit, Route, Target, Who};
use super::error::RestError;
use super::read;
use crate::query::{Query, path_parts, split_target};

/// What a request is for: its method, and its target as it was sent.
///
/// Parts of the path are percent-decoded after it was split. Letter case counts in the path, not in the names of the
/// query's parameters. `api-version` and parameters that are not known are ignored.
///
/// # Errors
/// 404 for a path that leads nowhere, 405 for another method than the path has, 400 for names and parameters that are
/// not what they must be.
pub fn route(method: &str, target: &str) -> Result<Route, RestError> {
    let malformed = || RestError::bad_request("Request", "the target is malformed");
    let (path, query) = split_target(target).ok_or_else(malformed)?;
    let parts = path_parts(path).ok_or_else(malformed)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let nowhere = || RestError::not_found("this path leads nowhere");
    match parts[..] {
        _ if parts.iter().any(|part| part.is_empty()) => Err(nowhere()),
        ["api", "health"] if method == "HEAD" => Ok(Route::Health),
        ["api", "health"] => Err(RestError::method_not_allowed("HEAD")),
        ["api", "hubs", hub, ref rest @ ..] => {
            let allowed = methods(rest).ok_or_else(nowhere)?;
            if !allowed.split(", ").any(|own| own == method) {
                return Err(RestError::method_not_allowed(allowed));
            }
            let query = Query::read(query).ok_or_else(malformed)?;
            let hub = read::hub(hub)?;
            let call = match method {
                "POST" => post(rest, &query)?,
                "DELETE" => delete(rest, &query)?,
                _ => other(method, rest, &query)?,
            };
            Ok(Route::Hub { hub, call: call.ok_or_else(nowhere)? })
        }
        _ => Err(nowhere()),
    }
}

/// The methods that a path behind the hub has, as Allow lists them; nothing if it leads nowhere.
pub(super) fn methods(rest: &[&str]) -> Option<&'static str> {
    Some(match rest {
        [":send" | ":closeConnections" | ":addToGroups" | ":removeFromGroups" | ":generateToken"]
        | ["connections" | "users" | "groups", _, ":send"]
        | ["users" | "groups", _, ":closeConnections"] => "POST",
        ["connections", _] => "HEAD, DELETE",
        ["users" | "groups", _] => "HEAD",
        ["groups", _, "connections"] => "GET",
        ["connections" | "users", _, "groups"] => "DELETE",
        ["groups", _, "connections", _] | ["users", _, "groups", _] => "PUT, DELETE",
        ["permissions", _, "connections", _] => "HEAD, PUT, DELETE",
        _ => return None,
    })
}

type Found = Result<Option<Call>, RestError>;

fn post(rest: &[&str], query: &Query) -> Found {
    Ok(Some(match rest {
        [":addToGroups"] => Call::ChangeGroups { join: true },
        [":removeFromGroups"] => Call::ChangeGroups { join: false },
        [":generateToken"] => generate_token(query)?,
        [of @ .., ":send"] => Call::Send {
            to: target(of)?,
            excluded: read::texts(query, "excluded"),
            filter: read::text(query, "filter")?,
            ttl_s: read::ttl(query)?,
        },
        [of @ .., ":closeConnections"] => close(of, query)?,
        _ => return Ok(None),
    }))
}

fn delete(rest: &[&str], query: &Query) -> Found {
    Ok(Some(match *rest {
        ["connections", _] => close(rest, query)?,
        [kind, name, "groups"] => Call::Leave { who: who(kind, name), group: None },
        ["users", user, "groups", group] => {
            Call::Leave { who: who("users", user), group: Some(read::group(group)?) }
        }
        ["groups", group, "connections", id] => {
            Call::Leave { who: who("connections", id), group: Some(read::group(group)?) }
        }
        ["permissions", permission, _, id] => Call::Revoke(permit(permission, id, query)?),
        _ => return Ok(None),
    }))
}

fn other(method: &str, rest: &[&str], query: &Query) -> Found {
    Ok(Some(match *rest {
        ["users", user, "groups", group] => {
            Call::Join { who: who("users", user), group: read::group(group)? }
        }
        ["groups", group, "connections", id] => {
            Call::Join { who: who("connections", id), group: read::group(group)? }
        }
        ["groups", group, "connections"] => Call::List {
            group: read::group(group)?,
            page_size: read::page_size(query)?,
            top: read::top(query)?,
            continuation: read::text(query, "continuationToken")?,
        },
        ["permissions", permission, _, id] => {
            let permit = permit(permission, id, query)?;
            if method == "PUT" { Call::Grant(permit) } else { Call::Check(permit) }
        }
        [_, _] => Call::Exists { what: target(rest)? },
        _ => return Ok(None),
    }))
}

fn close(of: &[&str], query: &Query) -> Result<Call, RestError> {
    let of = target(of)?;
    // One connection is closed, or it is not asked for.
    let is_one = matches!(of, Target::Connection(_));
    let excluded = if is_one { Vec::new() } else { read::texts(query, "excluded") };
    Ok(Call::Close { of, excluded, reason: read::text(query, "reason")? })
}

fn generate_token(query: &Query) -> Result<Call, RestError> {
    read::client_type(query)?;
    Ok(Call::GenerateToken {
        user: read::text(query, "userId")?,
        roles: read::texts(query, "role"),
        groups: read::groups(query)?,
        minutes: read::minutes(query)?,
    })
}

fn permit(permission: &str, connection: &str, query: &Query) -> Result<Permit, RestError> {
    let group = read::text(query, "targetName")?.map(|name| read::group(&name)).transpose()?;
    Ok(Permit { connection: connection.to_owned(), action: read::action(permission)?, group })
}

fn target(of: &[&str]) -> Result<Target, RestError> {
    Ok(match of {
        ["groups", name] => Target::Group(read::group(name)?),
        ["users", name] => Target::User((*name).to_owned()),
        ["connections", id] => Target::Connection((*id).to_owned()),
        _ => Target::All,
    })
}

fn who(kind: &str, name: &str) -> Who {
    let name = name.to_owned();
    if kind == "users" { Who::User(name) } else { Who::Connection(name) }
}

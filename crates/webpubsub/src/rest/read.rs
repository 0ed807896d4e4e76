//! Parameters of requests.

use std::str::FromStr;

use super::call::PAGE_SIZE_MAX;
use super::error::RestError;
use crate::json::TTL_S_MAX;
use crate::names::{is_group, is_hub};
use crate::query::Query;
use crate::role::Action;

/// How long a token is good if nothing is said.
const TOKEN_MINUTES: u32 = 60;

pub(super) fn hub(name: &str) -> Result<String, RestError> {
    let valid = is_hub(name).then(|| name.to_owned());
    valid.ok_or_else(|| RestError::bad_request("hub", "this is no name of a hub"))
}

pub(super) fn group(name: &str) -> Result<String, RestError> {
    let valid = is_group(name).then(|| name.to_owned());
    valid.ok_or_else(|| RestError::bad_request("group", "this is no name of a group"))
}

pub(super) fn action(permission: &str) -> Result<Action, RestError> {
    match permission {
        "joinLeaveGroup" => Ok(Action::JoinLeave),
        "sendToGroup" => Ok(Action::Send),
        _ => Err(RestError::bad_request("permission", "this is neither joinLeaveGroup nor sendToGroup")),
    }
}

/// A parameter that may be there once. An empty one is none.
pub(super) fn text(query: &Query, name: &'static str) -> Result<Option<String>, RestError> {
    let mut values = query.all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(RestError::bad_request(name, "this parameter is there more than once"));
    }
    Ok(first.filter(|value| !value.is_empty()).map(str::to_owned))
}

pub(super) fn texts(query: &Query, name: &str) -> Vec<String> {
    query.all(name).map(str::to_owned).collect()
}

pub(super) fn ttl(query: &Query) -> Result<u16, RestError> {
    let in_range = |ttl: &u16| *ttl <= TTL_S_MAX;
    Ok(number(query, "messageTtlSeconds", in_range, "this is not 0 to 300")?.unwrap_or_default())
}

pub(super) fn page_size(query: &Query) -> Result<u16, RestError> {
    let in_range = |size: &u16| (1..=PAGE_SIZE_MAX).contains(size);
    Ok(number(query, "maxpagesize", in_range, "this is not 1 to 200")?.unwrap_or(PAGE_SIZE_MAX))
}

pub(super) fn top(query: &Query) -> Result<Option<u32>, RestError> {
    number(query, "top", |top| *top > 0, "this is no number from 1 on")
}

pub(super) fn minutes(query: &Query) -> Result<u32, RestError> {
    let found = number(query, "minutesToExpire", |minutes| *minutes > 0, "this is no number from 1 on")?;
    Ok(found.unwrap_or(TOKEN_MINUTES))
}

pub(super) fn groups(query: &Query) -> Result<Vec<String>, RestError> {
    query.all("group").map(group).collect()
}

/// Only one type of client is known here.
pub(super) fn client_type(query: &Query) -> Result<(), RestError> {
    match text(query, "clientType")? {
        Some(other) if !other.eq_ignore_ascii_case("Default") => {
            Err(RestError::bad_request("clientType", "only tokens of the type Default are made here"))
        }
        _ => Ok(()),
    }
}

/// A number in decimal digits. One that is there and empty is none.
fn number<T: FromStr>(
    query: &Query,
    name: &'static str,
    in_range: impl Fn(&T) -> bool,
    otherwise: &'static str,
) -> Result<Option<T>, RestError> {
    let Some(text) = text(query, name)? else { return Ok(None) };
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(in_range);
    number.map(Some).ok_or_else(|| RestError::bad_request(name, otherwise))
}

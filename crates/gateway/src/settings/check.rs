//! Combinations that cannot work.

use super::outbox::{Answers, HEADER_BYTES_MAX, outbox_needed};
use super::text::{show_bytes, show_duration};
use super::{Listen, RatePolicy, Settings, SettingsError, address, cluster};

/// So many of the longest messages fit into what events have, at least.
pub(crate) const EVENT_MESSAGES_MIN: usize = 4;

/// Refuses settings that contradict each other, and says what to change.
pub(super) fn check(settings: &Settings, answers: Answers) -> Result<(), SettingsError> {
    let others = [
        check_times,
        check_rates,
        check_shares,
        check_addresses,
        check_proxies,
        check_hubs,
        cluster::check::check,
    ];
    check_sizes(settings, answers)
        .and_then(|()| others.iter().try_for_each(|check| check(settings)))
        .map_err(SettingsError::new)
}

fn check_proxies(settings: &Settings) -> Result<(), String> {
    if settings.proxy_protocol && settings.trusted_proxies.is_empty() {
        return Err(
            "proxy-protocol is on but trusted-proxies is empty, so nobody could connect: name the proxies, \
                    such as 10.0.0.0/8, or turn proxy-protocol off"
                .to_owned(),
        );
    }
    if let Some(header) = settings.forwarded.filter(|_| settings.trusted_proxies.is_empty()) {
        return Err(format!(
            "forwarded is set but trusted-proxies is empty, so {} would always be ignored: name the proxies, such as \
             10.0.0.0/8, or set forwarded to off",
            header.name()
        ));
    }
    Ok(())
}

fn check_sizes(settings: &Settings, answers: Answers) -> Result<(), String> {
    let (frame, message) = (settings.frame_bytes_max, settings.message_bytes_max);
    if frame > message {
        return Err(format!(
            "frame-bytes-max ({}) is larger than message-bytes-max ({}), so a frame of that size would never be \
             accepted: lower the first or raise the second",
            show_bytes(frame),
            show_bytes(message)
        ));
    }
    let needed = outbox_needed(message, settings.buffer_bytes, answers.longer_by);
    if settings.outbox_bytes_max < needed {
        let more = answers.setting.map_or_else(String::new, |setting| format!(" and {setting}"));
        return Err(format!(
            "outbox-bytes-max ({}) cannot hold the answers to one read, each with its header{more}, so a client that \
             reads could be closed: raise it to at least {needed} bytes, or lower message-bytes-max ({}) or \
             buffer-bytes ({})",
            show_bytes(settings.outbox_bytes_max),
            show_bytes(message),
            show_bytes(settings.buffer_bytes)
        ));
    }
    match settings.shard_partial_bytes_max {
        Some(all) if all < 2 * message => {
            return Err(format!(
                "shard-partial-bytes-max ({}) is less than twice message-bytes-max ({}), so one client could keep the \
                 others from sending: raise the first or lower the second",
                show_bytes(all),
                show_bytes(message)
            ));
        }
        _ => {}
    }
    match settings.shard_outbox_bytes_max {
        Some(all) if all < settings.outbox_bytes_max => {
            return Err(format!(
                "shard-outbox-bytes-max ({}) is less than outbox-bytes-max ({}): raise the first or lower the second",
                show_bytes(all),
                show_bytes(settings.outbox_bytes_max)
            ));
        }
        _ => {}
    }
    match settings.shard_unacknowledged_bytes_max {
        Some(all) if all < settings.message_bytes_max => {
            return Err(format!(
                "shard-unacknowledged-bytes-max ({}) is less than message-bytes-max ({}), so one message could end all \
                 reliable clients: raise the first or lower the second",
                show_bytes(all),
                show_bytes(settings.message_bytes_max)
            ));
        }
        _ => {}
    }
    match settings.pool_bytes {
        Some(pool) if pool < settings.buffer_bytes => Err(format!(
            "pool-bytes ({}) is smaller than buffer-bytes ({}), the size of one buffer: raise the first or lower the \
             second",
            show_bytes(pool),
            show_bytes(settings.buffer_bytes)
        )),
        _ => Ok(()),
    }
}

fn check_times(settings: &Settings) -> Result<(), String> {
    if settings.pings_unanswered_max.is_some() && settings.ping_interval.is_none() {
        return Err(
            "pings-unanswered-max needs pings: set ping-interval, or set pings-unanswered-max to off"
                .to_owned(),
        );
    }
    if let (Some(age), Some(jitter)) = (settings.connection_age_max, settings.connection_age_jitter)
        && jitter > age
    {
        return Err(format!(
            "connection-age-jitter ({}) is longer than connection-age-max ({}): raise the second or lower the first",
            show_duration(jitter),
            show_duration(age)
        ));
    }
    if let Some(spread) = settings.drain_spread.filter(|spread| *spread > settings.drain_timeout) {
        return Err(format!(
            "drain-spread ({}) is longer than drain-timeout ({}), so the drain would end before all goodbyes are said: \
             lower the first or raise the second",
            show_duration(spread),
            show_duration(settings.drain_timeout)
        ));
    }
    match (settings.ping_interval, settings.idle_timeout) {
        (Some(ping), Some(idle)) if idle <= ping => Err(format!(
            "idle-timeout ({}) is not longer than ping-interval ({}), so healthy connections would be closed before \
             they are pinged: raise the first or lower the second",
            show_duration(idle),
            show_duration(ping)
        )),
        _ => Ok(()),
    }
}

fn check_rates(settings: &Settings) -> Result<(), String> {
    let Some(rate) = settings.bytes_per_second_max else { return Ok(()) };
    let burst = usize::try_from(settings.rate_burst.as_secs()).unwrap_or(usize::MAX).saturating_mul(rate);
    // A client's header has at most 14 bytes (RFC 6455 5.2).
    let needed = settings.message_bytes_max + HEADER_BYTES_MAX + 4;
    if settings.rate_policy == RatePolicy::Close && burst < needed {
        return Err(format!(
            "bytes-per-second-max ({}) over rate-burst ({}) allows less than one message of message-bytes-max ({}), so \
             a single message would close its connection: raise one of the first two, lower the third, or set \
             rate-policy to wait",
            show_bytes(rate),
            show_duration(settings.rate_burst),
            show_bytes(settings.message_bytes_max)
        ));
    }
    Ok(())
}

fn check_shares(settings: &Settings) -> Result<(), String> {
    match settings.connections_max {
        Some(most) if most < u64::from(settings.shards) => Err(format!(
            "connections-max ({most}) is less than one connection per shard (shards is {}): raise the first or lower \
             the second",
            settings.shards
        )),
        _ => Ok(()),
    }
}

fn check_addresses(settings: &Settings) -> Result<(), String> {
    let of_rest = settings.rest.addresses.iter().map(|rest| ("rest", rest));
    let all: Vec<_> = settings.listen.iter().map(|listen| ("listen", listen)).chain(of_rest).collect();
    for (index, (key, listen)) in all.iter().enumerate() {
        for (other_key, other) in &all[index + 1..] {
            let clash = match (listen, other) {
                (Listen::Tcp(a), Listen::Tcp(b)) => address::clash(*a, *b, settings.ipv6_only),
                _ => listen == other,
            };
            if clash && key == other_key {
                return Err(format!(
                    "{key} names {listen} and {other}, which take each other's place: remove one, or set ipv6-only \
                     if one is [::] and the other is IPv4"
                ));
            }
            if clash {
                return Err(format!(
                    "{other_key} ({other}) and {key} ({listen}) need the same address: change one of them, or put the \
                     word listen into rest, which is where clients connect"
                ));
            }
        }
        if let (Listen::Tcp(address), Some(admin)) = (listen, settings.admin)
            && address::clash(*address, admin, settings.ipv6_only)
        {
            return Err(format!(
                "admin ({admin}) and {key} ({address}) need the same port: change one of them, or set admin to off"
            ));
        }
    }
    Ok(())
}

fn check_hubs(settings: &Settings) -> Result<(), String> {
    if settings.hubs.is_empty() {
        return match settings.rest.addresses.first() {
            Some(rest) => Err(format!(
                "rest names {rest} but there is no hub, so nothing would be served there: set hub, or remove rest"
            )),
            None => Ok(()),
        };
    }
    if !settings.echo_prefix.is_empty() {
        return Err(
            "echo-prefix is set but there is a hub, so nothing is echoed: remove one of them".to_owned()
        );
    }
    if !settings.paths.is_empty() {
        return Err("paths is set but there is a hub, and clients of hubs ask for /client/hubs/NAME only: remove paths"
            .to_owned());
    }
    if !settings.subprotocols.is_empty() {
        return Err(
            "subprotocols is set but there is a hub, and hubs agree on subprotocols themselves: remove subprotocols"
                .to_owned(),
        );
    }
    let (message, outbox) = (settings.message_bytes_max, settings.outbox_bytes_max);
    let least = [
        (
            "rest-body-bytes-max",
            settings.rest_body_bytes_max,
            ("message-bytes-max", message),
            "a message of that size could not be sent over REST",
        ),
        (
            "publish-bytes-waiting-max",
            settings.publish_bytes_waiting_max,
            ("outbox-bytes-max", outbox),
            "a message that fits an outbox could not be published",
        ),
        (
            "event-bytes-max",
            settings.event_bytes_max,
            ("four times message-bytes-max", EVENT_MESSAGES_MIN * message),
            "few clients with long messages could keep all others waiting",
        ),
    ];
    for (key, set, (than, least), why) in least {
        if let Some(set) = set.filter(|set| *set < least) {
            return Err(format!(
                "{key} ({}) is less than {than} ({}), so {why}: raise the first or lower the second",
                show_bytes(set),
                show_bytes(least)
            ));
        }
    }
    Ok(())
}

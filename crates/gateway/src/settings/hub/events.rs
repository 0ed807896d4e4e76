//! Which events a handler hears of.

use holdfast_webpubsub::names::is_event;
use toml::Value as Toml;

use crate::settings::kinds::{Kind, OneOf};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemEvent {
    /// It wants to be. The handler's answer says whether it may.
    Connect,
    /// It is.
    Connected,
    /// It is no more.
    Disconnected,
}

impl SystemEvent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Connected, Self::Disconnected];
    const WORDS: &[(&str, Self)] =
        &[("connect", Self::Connect), ("connected", Self::Connected), ("disconnected", Self::Disconnected)];

    /// Its name in settings and in events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
        }
    }
}

/// System events, separated by commas; none where that is empty.
pub(super) struct SystemEvents;

impl Kind for SystemEvents {
    type Value = Vec<SystemEvent>;

    fn placeholder(&self) -> String {
        OneOf(SystemEvent::WORDS).placeholder()
    }

    fn parse(&self, text: &str) -> Result<Vec<SystemEvent>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let mut given = Vec::new();
        for text in text.split(',').map(str::trim) {
            let event = OneOf(SystemEvent::WORDS)
                .parse(text)
                .map_err(|expected| format!("{expected}, not \"{text}\""))?;
            if !given.contains(&event) {
                given.push(event);
            }
        }
        Ok(given)
    }

    fn show(&self, value: &Vec<SystemEvent>) -> Toml {
        Toml::Array(value.iter().map(|event| OneOf(SystemEvent::WORDS).show(event)).collect())
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// What clients say to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvents {
    /// Everything.
    All,
    /// Events with these names, in lower case: letter case does not matter.
    Named(Vec<String>),
}

impl UserEvents {
    /// Whether a handler with these wants the event `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
        }
    }
}

/// Names of user events, separated by commas, or `*`; none where that is empty.
pub(super) struct UserEventNames;

impl Kind for UserEventNames {
    type Value = UserEvents;

    fn placeholder(&self) -> String {
        "NAME|*".to_owned()
    }

    fn parse(&self, text: &str) -> Result<UserEvents, String> {
        match text {
            "*" => Ok(UserEvents::All),
            "" => Ok(UserEvents::Named(Vec::new())),
            _ => text
                .split(',')
                .map(|text| event_name(text.trim()))
                .collect::<Result<_, _>>()
                .map(UserEvents::Named),
        }
    }

    fn show(&self, value: &UserEvents) -> Toml {
        match value {
            UserEvents::All => Toml::String("*".to_owned()),
            UserEvents::Named(names) => Toml::Array(names.iter().cloned().map(Toml::String).collect()),
        }
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// An event's name: `^[a-z][a-z0-9_.-]{0,127}$`, in any case.
fn event_name(text: &str) -> Result<String, String> {
    is_event(text).then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        format!(
            "expected names of events (a letter, then letters, digits, _ . -) or * for all, not \"{text}\""
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_wants_the_events_it_names_in_any_case() {
        let named = UserEventNames.parse("message, Room.join").expect("names");
        assert!(named.contains("message") && named.contains("room.JOIN") && !named.contains("other"));
        assert!(UserEventNames.parse("*").expect("all").contains("other"));
        assert!(!UserEventNames.parse("").expect("none").contains("other"));
        for text in ["a,", "9a", "a b", "a*", "*,a", &"x".repeat(129)] {
            assert!(UserEventNames.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_system_event_counts_once_however_often_it_is_named() {
        let (connect, connected) = (SystemEvent::Connect, SystemEvent::Connected);
        assert_eq!(SystemEvents.parse("connected,connect,connected"), Ok(vec![connected, connect]));
        assert_eq!(SystemEvents.parse(""), Ok(vec![]));
        assert!(SystemEvents.parse("*").is_err());
    }
}

//! Kinds of values: how each is read from text, shown as TOML, and named in help.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value as Toml;

use super::address::{self, Listen};
use super::text::{parse_bytes, parse_duration, show_bytes, show_duration};

/// Bytes, as defaults are written.
pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;

/// How a value is read and shown. Every source gives text; `parse` answers what was expected where it cannot be read.
pub(super) trait Kind {
    type Value;

    /// What stands for the value in help.
    fn placeholder(&self) -> String;
    fn parse(&self, text: &str) -> Result<Self::Value, String>;
    fn show(&self, value: &Self::Value) -> Toml;
    /// Whether the value stands for "none", "off" or "auto".
    fn is_none(&self, _value: &Self::Value) -> bool {
        false
    }
    fn is_flag(&self) -> bool {
        false
    }
    fn repeats(&self) -> bool {
        false
    }
    fn has_flag(&self) -> bool {
        true
    }
    /// Whether the file has a table for it. Its text is then that of the table.
    fn is_table(&self) -> bool {
        false
    }
    /// Whether the text may hold a secret, so that no refusal repeats it.
    fn may_hide(&self) -> bool {
        false
    }
    /// Whether `show` leaves a secret out.
    fn hides(&self, _value: &Self::Value) -> bool {
        false
    }
}

/// A whole number in a range.
pub(super) struct Count<T>(pub(super) RangeInclusive<T>);

impl<T: Copy + PartialOrd + Display + TryFrom<u64> + Into<u64>> Kind for Count<T> {
    type Value = T;

    fn placeholder(&self) -> String {
        "N".to_owned()
    }

    fn parse(&self, text: &str) -> Result<T, String> {
        let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
        number
            .filter(|number| self.0.contains(number))
            .ok_or_else(|| format!("expected a whole number from {} to {}", self.0.start(), self.0.end()))
    }

    fn show(&self, value: &T) -> Toml {
        Toml::Integer(i64::try_from((*value).into()).unwrap_or(i64::MAX))
    }
}

/// A size in bytes, in a range.
pub(super) struct Bytes(pub(super) RangeInclusive<usize>);

impl Kind for Bytes {
    type Value = usize;

    fn placeholder(&self) -> String {
        "BYTES".to_owned()
    }

    fn parse(&self, text: &str) -> Result<usize, String> {
        parse_bytes(text).filter(|bytes| self.0.contains(bytes)).ok_or_else(|| {
            let (least, most) = (show_bytes(*self.0.start()), show_bytes(*self.0.end()));
            format!("expected a size from {least} to {most}, in bytes or with KiB, MiB or GiB, such as 64KiB")
        })
    }

    fn show(&self, value: &usize) -> Toml {
        Toml::String(show_bytes(*value))
    }
}

/// A duration in a range.
pub(super) struct Period(pub(super) RangeInclusive<Duration>);

impl Kind for Period {
    type Value = Duration;

    fn placeholder(&self) -> String {
        "DURATION".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Duration, String> {
        parse_duration(text).filter(|duration| self.0.contains(duration)).ok_or_else(|| {
            let (least, most) = (show_duration(*self.0.start()), show_duration(*self.0.end()));
            format!("expected a duration from {least} to {most}, with its unit, such as 500ms, 10s or 2m")
        })
    }

    fn show(&self, value: &Duration) -> Toml {
        Toml::String(show_duration(*value))
    }
}

/// An IP address and a port.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn placeholder(&self) -> String {
        "ADDR:PORT".to_owned()
    }

    fn parse(&self, text: &str) -> Result<SocketAddr, String> {
        address::tcp(text)
    }

    fn show(&self, value: &SocketAddr) -> Toml {
        Toml::String(value.to_string())
    }
}

/// One or more places to listen, separated by commas.
pub(super) struct Listeners;

impl Kind for Listeners {
    type Value = Vec<Listen>;

    fn placeholder(&self) -> String {
        "ADDR:PORT|unix:PATH".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Vec<Listen>, String> {
        let one = |text: &str| text.trim().parse::<Listen>();
        text.split(',')
            .map(|text| one(text).map_err(|problem| format!("{problem}, not \"{text}\"")))
            .collect()
    }

    fn show(&self, value: &Vec<Listen>) -> Toml {
        Toml::Array(value.iter().map(|listen| Toml::String(listen.to_string())).collect())
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Any number of values of a kind, separated by commas; none where the text is empty.
pub(super) struct List<K>(pub(super) K);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn placeholder(&self) -> String {
        self.0.placeholder()
    }

    fn parse(&self, text: &str) -> Result<Vec<K::Value>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').map(|text| self.0.parse(text.trim())).collect()
    }

    fn show(&self, value: &Vec<K::Value>) -> Toml {
        Toml::Array(value.iter().map(|value| self.0.show(value)).collect())
    }

    fn repeats(&self) -> bool {
        true
    }

    fn may_hide(&self) -> bool {
        self.0.may_hide()
    }

    fn hides(&self, value: &Vec<K::Value>) -> bool {
        value.iter().any(|value| self.0.hides(value))
    }
}

/// The path of a request, or its beginning with a `*` behind.
pub(super) struct PathPattern;

impl Kind for PathPattern {
    type Value = String;

    fn placeholder(&self) -> String {
        "PATH".to_owned()
    }

    fn parse(&self, path: &str) -> Result<String, String> {
        let start = path.strip_suffix('*').unwrap_or(path);
        let valid = start.starts_with('/')
            && start.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?#".contains(&byte));
        let expected = || format!("expected a path such as /feed or /chat/*, not \"{path}\"");
        valid.then(|| path.to_owned()).ok_or_else(expected)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// Yes or no; the flag alone means yes.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn placeholder(&self) -> String {
        "true|false".to_owned()
    }

    fn parse(&self, text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| "expected true or false".to_owned())
    }

    fn show(&self, value: &bool) -> Toml {
        Toml::Boolean(*value)
    }

    fn is_flag(&self) -> bool {
        true
    }
}

/// Any text up to so many bytes.
pub(super) struct Text(pub(super) usize);

impl Kind for Text {
    type Value = String;

    fn placeholder(&self) -> String {
        "TEXT".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        if text.len() > self.0 {
            return Err(format!("expected at most {} bytes, this has {}", self.0, text.len()));
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// A filter of log lines.
pub(super) struct Filter;

impl Kind for Filter {
    type Value = String;

    fn placeholder(&self) -> String {
        "FILTER".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        let known = tracing_subscriber::EnvFilter::builder().parse(text);
        known.map(|_| text.to_owned()).map_err(|_| {
            "expected error, warn, info, debug, trace, or a filter such as info,holdfast::shard=debug"
                .to_owned()
        })
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// A value, or the word "off" (or 0).
pub(super) struct Off<K>(pub(super) K);

/// A value, or the word "auto".
pub(super) struct Auto<K>(pub(super) K);

/// Implements a kind that is another kind or a word.
macro_rules! or_word {
    ($name:ident, $word:literal, $synonyms:pat) => {
        impl<K: Kind> Kind for $name<K> {
            type Value = Option<K::Value>;

            fn placeholder(&self) -> String {
                format!("{}|{}", self.0.placeholder(), $word)
            }

            fn parse(&self, text: &str) -> Result<Self::Value, String> {
                match text {
                    $synonyms => Ok(None),
                    _ => self.0.parse(text).map(Some).map_err(|expected| format!("{expected}; or {}", $word)),
                }
            }

            fn show(&self, value: &Self::Value) -> Toml {
                value.as_ref().map_or_else(|| Toml::String($word.to_owned()), |value| self.0.show(value))
            }

            fn is_none(&self, value: &Self::Value) -> bool {
                value.is_none()
            }

            fn has_flag(&self) -> bool {
                self.0.has_flag()
            }

            fn may_hide(&self) -> bool {
                self.0.may_hide()
            }

            fn hides(&self, value: &Self::Value) -> bool {
                value.as_ref().is_some_and(|value| self.0.hides(value))
            }
        }
    };
}

or_word!(Off, "off", "off" | "0" | "0s");
or_word!(Auto, "auto", "auto");

/// One of a few words.
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for OneOf<T> {
    type Value = T;

    fn placeholder(&self) -> String {
        self.words("|")
    }

    fn parse(&self, text: &str) -> Result<T, String> {
        let found = self.0.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| format!("expected one of {}", self.words(", ")))
    }

    fn show(&self, value: &T) -> Toml {
        let found = self.0.iter().find(|(_, other)| other == value);
        Toml::String(found.map_or_else(String::new, |(word, _)| (*word).to_owned()))
    }
}

impl<T> OneOf<T> {
    fn words(&self, between: &str) -> String {
        self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(between)
    }
}

/// Which driver to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverChoice {
    /// The best that works here, down to epoll.
    #[default]
    Auto,
    /// io_uring with all that works here; refuse to start without.
    Uring,
    /// io_uring with what Linux 5.10 has; refuse to start without.
    UringBaseline,
    /// epoll.
    Epoll,
}

impl DriverChoice {
    pub(super) const ALL: &[(&str, Self)] = &[
        ("auto", Self::Auto),
        ("uring", Self::Uring),
        ("uring-baseline", Self::UringBaseline),
        ("epoll", Self::Epoll),
    ];
}

/// What a drain tells those who are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainCode {
    /// Going away (RFC 6455 7.4.1).
    #[default]
    GoingAway,
    /// Service restart (IANA's registry of WebSocket close codes).
    ServiceRestart,
}

impl DrainCode {
    pub(super) const ALL: &[(&str, Self)] =
        &[("going-away", Self::GoingAway), ("service-restart", Self::ServiceRestart)];

    /// The close code.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::ServiceRestart => 1012,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(super) const ALL: &[(&str, Self)] = &[("human", Self::Human), ("json", Self::Json)];
}

/// What happens to a connection that sends more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RatePolicy {
    /// It is not read from for a while.
    #[default]
    Wait,
    /// It is closed with 1008.
    Close,
}

impl RatePolicy {
    pub(super) const ALL: &[(&str, Self)] = &[("wait", Self::Wait), ("close", Self::Close)];
}

/// What happens to a connection that reads too slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is closed with 1013.
    #[default]
    Close,
    /// The oldest whole messages that wait for it are dropped.
    DropOldest,
}

impl SlowPolicy {
    pub(super) const ALL: &[(&str, Self)] = &[("close", Self::Close), ("drop-oldest", Self::DropOldest)];
}

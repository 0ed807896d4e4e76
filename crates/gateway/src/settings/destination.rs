//! Where the access log goes.

use std::path::PathBuf;

use toml::Value as Toml;

use super::kinds::Kind;

/// Where lines of the access log are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Standard error, where the other logs are.
    Stderr,
    /// A file, which is appended to.
    File(PathBuf),
}

/// How the access log names users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogUsers {
    /// As they are.
    #[default]
    Plain,
    /// By what stands for them.
    Hash,
    /// Not at all.
    Off,
}

impl LogUsers {
    pub(super) const ALL: &[(&str, Self)] =
        &[("plain", Self::Plain), ("hash", Self::Hash), ("off", Self::Off)];
}

/// A stream of the process or the path of a file.
pub(super) struct Destination;

impl Kind for Destination {
    type Value = AccessLog;

    fn placeholder(&self) -> String {
        "stdout|stderr|PATH".to_owned()
    }

    fn parse(&self, text: &str) -> Result<AccessLog, String> {
        match text {
            "stdout" => Ok(AccessLog::Stdout),
            "stderr" => Ok(AccessLog::Stderr),
            // A word that was misspelt is to make no file of that name.
            path if path.contains('/') => Ok(AccessLog::File(path.into())),
            _ => Err("expected stdout, stderr or a path such as /var/log/holdfast/access.log".to_owned()),
        }
    }

    fn show(&self, value: &AccessLog) -> Toml {
        Toml::String(match value {
            AccessLog::Stdout => "stdout".to_owned(),
            AccessLog::Stderr => "stderr".to_owned(),
            AccessLog::File(path) => path.display().to_string(),
        })
    }
}

//! What every command needs that speaks for a hub: which hub, where the gateway is, and a key.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use super::error::CommandError;
use crate::settings::{Secret, endpoint, hub_name, key, key_in};

const HUB: &str = "hub";
const ENDPOINT: &str = "endpoint";
const KEY_FILE: &str = "access-key-file";
const CA: &str = "ca";

/// A hub of a gateway, and the right to speak for it.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) hub: String,
    /// Scheme, host and port: `http://127.0.0.1:8085`.
    pub(super) endpoint: String,
    pub(super) key: Secret,
}

/// File with authorities that are trusted besides the built-in ones.
pub(super) fn ca_arg() -> Arg {
    Arg::new(CA)
        .long(CA)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("File with certificates of authorities in PEM that are trusted besides the built-in ones")
}

/// What [`ca_arg`] says.
pub(super) fn ca(matches: &ArgMatches) -> Option<&PathBuf> {
    matches.get_one(CA)
}

impl Access {
    pub(super) fn args() -> [Arg; 3] {
        [
            Arg::new(HUB).long(HUB).value_name("NAME").required(true).value_parser(hub_name).help("The hub"),
            Arg::new(ENDPOINT)
                .long(ENDPOINT)
                .value_name("URL")
                .default_value("http://127.0.0.1:8085")
                .value_parser(endpoint)
                .help("Where clients and services reach the gateway"),
            Arg::new(KEY_FILE).long(KEY_FILE).value_name("FILE").value_parser(value_parser!(PathBuf)).help(
                "File with an access key of the hub; without it, the key is that of HOLDFAST_ACCESS_KEY",
            ),
        ]
    }

    pub(super) fn read(
        matches: &ArgMatches,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, CommandError> {
        let text = |name| matches.get_one::<String>(name).cloned().unwrap_or_default();
        let key = match matches.get_one::<PathBuf>(KEY_FILE) {
            Some(file) => key_in(KEY_FILE, file).map_err(CommandError::usage)?,
            None => key_of(env)?,
        };
        Ok(Self { hub: text(HUB), endpoint: text(ENDPOINT), key })
    }
}

fn key_of(env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Secret, CommandError> {
    const VARIABLE: &str = "HOLDFAST_ACCESS_KEY";
    let value = env.into_iter().find(|(name, value)| name == VARIABLE && !value.is_empty());
    let Some((_, value)) = value else {
        return Err(CommandError::usage(format!(
            "there is no access key: give --{KEY_FILE} FILE, or set {VARIABLE}"
        )));
    };
    // What is no UTF-8 is no key either, and is said to be none.
    key(&value.to_string_lossy()).map_err(|expected| CommandError::usage(format!("{VARIABLE}: {expected}")))
}

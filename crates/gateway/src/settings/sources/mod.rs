//! Where settings come from: flags, environment, file. Each gives text by key; the strongest wins.

mod command;
mod environment;
mod given;
mod one;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Command;
use clap::error::ErrorKind;

use super::check::check;
use super::declare::Fields;
use super::hub::Hub;
use super::hub::resolve::resolve;
use super::key::key_in;
use super::outbox::Answers;
use super::show::declared;
use super::{Settings, SettingsError};
pub(crate) use command::flag_error;
use command::{CONFIG, PRINT, command};
use environment::Environment;
use given::Given;
pub(crate) use one::one_setting;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run with these settings. Their sources can be read again: see [`load_hubs`].
    Run(Box<Settings>, Box<Sources>),
    /// Print this text to standard output and end with exit code 0: help, version, the settings in force.
    Print(String),
}

/// Where the settings in force came from: flags and environment as they were, and which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    flags: Given,
    environment: Given,
    file: Option<PathBuf>,
    answers: Answers,
}

/// Reads the settings of a gateway whose answers are no longer than what they answer: see [`load_for`].
///
/// # Errors
///
/// Those of [`load_for`].
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Action, SettingsError> {
    load_for(args, env, |_| Answers::default())
}

/// Reads the settings. `args` begins with the program's name; `env` holds the environment's variables; `answers` says
/// what an application of these settings answers.
///
/// # Errors
///
/// One sentence where a flag, variable, file, key or value is unknown or cannot be, or where values contradict each
/// other. The file is read here, and so are those of keys, so they may also be missing or unreadable.
pub fn load_for(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    answers: impl FnOnce(&Settings) -> Answers,
) -> Result<Action, SettingsError> {
    load_as(command_line(), args, env, answers)
}

/// Reads the settings as [`load_for`] does, on a command line that is [`command_line`] and more: what is more than that
/// is in help, and is left alone.
///
/// # Errors
///
/// Those of [`load_for`].
pub(crate) fn load_as(
    command: Command,
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    answers: impl FnOnce(&Settings) -> Answers,
) -> Result<Action, SettingsError> {
    let all = declared();
    let matches = match command.try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Action::Print(error.render().to_string()));
        }
        Err(error) => return Err(flag_error(&error, "holdfast")),
    };
    let Environment { given: environment, config } = Environment::read(env, &all)?;
    let file = matches.get_one::<PathBuf>(CONFIG).cloned().or(config);
    let flags = Given::read_flags(&matches, &all);
    let mut sources = Sources { flags, environment, file, answers: Answers::default() };
    let settings = sources.settle()?;
    sources.answers = answers(&settings);
    check(&settings, sources.answers)?;
    if matches.get_flag(PRINT) {
        return Ok(Action::Print(settings.to_toml()));
    }
    Ok(Action::Run(Box::new(settings), Box::new(sources)))
}

/// Reads the hubs again, with their keys and handlers, from the file and all files that it names. Flags and environment
/// are what they were. It is all or nothing: the whole file is judged as at the start, though no other setting of it
/// takes effect.
///
/// # Errors
///
/// Those of [`load_for`], and one where no hub is left: that would be another application.
pub fn load_hubs(sources: &Sources) -> Result<Vec<Hub>, SettingsError> {
    let settings = sources.settle()?;
    check(&settings, sources.answers)?;
    if settings.hubs.is_empty() {
        return Err(SettingsError::new(
            "the settings file has no hub any more: name one, or end the gateway and start it without hubs",
        ));
    }
    Ok(settings.hubs)
}

impl Sources {
    /// The settings that all sources and the defaults come to.
    fn settle(&self) -> Result<Settings, SettingsError> {
        let mut given = match &self.file {
            Some(file) => Given::read_file(file, &declared())?,
            None => Given::default(),
        };
        given.put_above(&self.environment);
        given.put_above(&self.flags);
        let mut settings = Settings::read(&given)?;
        if !given.has("frame-bytes-max") {
            settings.frame_bytes_max = settings.message_bytes_max;
        }
        settings.admin_token = match &settings.admin_token_file {
            Some(file) => Some(key_in("admin-token-file", file).map_err(SettingsError::new)?),
            None => None,
        };
        settings.hubs = resolve(&settings, given.take_hubs()).map_err(SettingsError::new)?;
        if !settings.hubs.is_empty() {
            settings.follow_hubs(|key| given.has(key));
        }
        Ok(settings)
    }
}

/// The command line, for its man page and for shells that complete it.
#[must_use]
pub fn command_line() -> Command {
    command(&declared())
}

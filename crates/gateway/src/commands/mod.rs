//! What the program does besides being a gateway: `holdfast token`, `holdfast send`, `holdfast check`,
//! `holdfast doctor`, `holdfast health`, `holdfast drain`.

mod access;
mod admin;
mod check;
mod doctor;
mod drain;
mod error;
mod health;
mod post;
mod runtime;
mod send;
mod sign;
mod token;

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

use crate::echo::Echo;
use crate::settings::{self, Action, SettingsError, flag_error, load_as};
pub use error::CommandError;

/// The whole command line: the settings, and the commands.
#[must_use]
pub fn command_line() -> Command {
    settings::command_line()
        .subcommands([
            check::command(),
            doctor::command(),
            drain::command(),
            health::command(),
            send::command(),
            token::command(),
        ])
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

/// Reads the settings of the gateway that `args` ask for, which begin with the program's name.
///
/// # Errors
///
/// Those of [`settings::load_for`].
pub fn settings(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Action, SettingsError> {
    load_as(command_line(), args, env, Echo::answers)
}

/// Does what the command says that `args` have behind the program's name, and answers what to print. `None` where there
/// is no command: then a gateway is asked for.
///
/// # Errors
///
/// One sentence, and the exit code.
pub fn run(
    args: &[OsString],
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Option<Result<String, CommandError>> {
    let words = args.get(1..)?;
    match words.first()?.to_str()? {
        check::NAME => Some(check::run(words, env)),
        doctor::NAME => Some(doctor::run(words, env)),
        drain::NAME => Some(matches(drain::command(), words, |matches| drain::run(matches, env))),
        health::NAME => Some(matches(health::command(), words, |matches| health::run(matches, env))),
        send::NAME => Some(matches(send::command(), words, |matches| send::run(matches, env))),
        token::NAME => Some(matches(token::command(), words, |matches| token::run(matches, env))),
        _ => None,
    }
}

/// Has `run` do what the words ask of this command; help is text like any other.
fn matches(
    command: Command,
    words: &[OsString],
    run: impl FnOnce(&clap::ArgMatches) -> Result<String, CommandError>,
) -> Result<String, CommandError> {
    let name = format!("holdfast {}", command.get_name());
    match command.bin_name(&name).try_get_matches_from(words) {
        Ok(matches) => run(&matches),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(error.render().to_string())
        }
        Err(error) => Err(CommandError::usage(flag_error(&error, &name).to_string())),
    }
}

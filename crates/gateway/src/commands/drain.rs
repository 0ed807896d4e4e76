//! `holdfast drain`: has the gateway here drain, and waits for that.

use std::ffi::OsString;
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::admin::{AdminServer, Asked};
use super::error::CommandError;
use crate::settings::{Settings, parse_duration};

pub(super) const NAME: &str = "drain";
const PATH: &str = "/drain";
const NO_WAIT: &str = "no-wait";
const UNDO: &str = "undo";
const TIMEOUT: &str = "drain-timeout";
/// Between two looks at who is left.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn command() -> Command {
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new(NAME)
        .about("Have the gateway here drain: newcomers get 503, and those who are connected are told to go")
        .args(AdminServer::args())
        .arg(AdminServer::token_arg())
        .arg(
            Arg::new(TIMEOUT).long(TIMEOUT).value_name("DURATION").help(
                "How long to wait until everybody has gone [env: HOLDFAST_DRAIN_TIMEOUT] [default: 30s]",
            ),
        )
        .arg(flag(NO_WAIT, "Only begin it"))
        .arg(flag(UNDO, "Take a drain back"))
        .group(ArgGroup::new("other").args([NO_WAIT, UNDO]))
        .after_help("The gateway stays. Exit code 3: connections are left.")
}

pub(super) fn run(
    matches: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let asked = Asked { matches, env: env.into_iter().collect() };
    let server = AdminServer::find_to_change(&asked)?;
    if matches.get_flag(UNDO) {
        return server.ask("DELETE", PATH);
    }
    let timeout = timeout(&asked)?;
    let begun = server.ask("POST", PATH)?;
    if matches.get_flag(NO_WAIT) {
        return Ok(begun);
    }
    wait(&server, timeout)
}

/// How long the gateway takes at most for a drain that ends it.
fn timeout(asked: &Asked<'_>) -> Result<Duration, CommandError> {
    let Some(text) = asked.setting(TIMEOUT)? else { return Ok(Settings::default().drain_timeout) };
    let expected = || {
        CommandError::usage(format!(
            "{TIMEOUT} \"{text}\": expected a duration with its unit, such as 30s or 2m"
        ))
    };
    parse_duration(&text).ok_or_else(expected)
}

/// How many connections are left, of "draining, 3 connections left".
fn left(now: &str) -> Result<u64, CommandError> {
    let number = now.split_whitespace().find_map(|word| word.parse().ok());
    number.ok_or_else(|| CommandError::failed(format!("no number of connections in: {}", now.trim_end())))
}

/// Waits until everybody has gone, and says how many are left whenever that changes.
fn wait(server: &AdminServer, timeout: Duration) -> Result<String, CommandError> {
    let deadline = Instant::now() + timeout;
    let mut said = String::new();
    loop {
        let now = server.ask("GET", PATH)?;
        let left = left(&now)?;
        if left == 0 {
            return Ok("everybody has gone\n".to_owned());
        }
        if Instant::now() >= deadline {
            return Err(CommandError::unfinished(format!("{left} connections are left after {timeout:?}")));
        }
        if now != said {
            // Whoever has closed it does not want to know.
            let _ = std::io::stdout().write_all(now.as_bytes());
            said = now;
        }
        sleep(PAUSE);
    }
}

//! `holdfast health`: whether the gateway here is well, for probes of what has no shell.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::admin::{AdminServer, Asked};
use super::error::CommandError;

pub(super) const NAME: &str = "health";
const READY: &str = "ready";

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Ask the gateway here whether it is well; exit code 1 if not")
        .args(AdminServer::args())
        .arg(
            Arg::new(READY)
                .long(READY)
                .action(ArgAction::SetTrue)
                .help("Ask whether new connections are welcome, which they are not during a drain"),
        )
}

pub(super) fn run(
    matches: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let server = AdminServer::find(&Asked { matches, env: env.into_iter().collect() })?;
    let path = if matches.get_flag(READY) { "/readyz" } else { "/healthz" };
    server.ask("GET", path)
}

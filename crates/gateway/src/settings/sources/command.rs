//! The command line.

use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::settings::declare::Declared;
use crate::settings::error::SettingsError;

pub(super) const CONFIG: &str = "config";
pub(super) const PRINT: &str = "print-settings";

/// The command line that takes every declared setting as a flag.
pub(super) fn command(all: &[Declared]) -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Settings file in TOML; its keys are the names of the flags below [env: HOLDFAST_CONFIG]");
    let print = Arg::new(PRINT)
        .long(PRINT)
        .action(ArgAction::SetTrue)
        .help("Print the settings in force as a settings file and exit");
    Command::new("holdfast")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebSocket gateway that holds very many mostly idle connections")
        .after_help(
            "A flag beats the environment, which beats the file. An empty variable counts as not set. Sizes: bytes, or \
             64KiB, 1MiB. Durations: 500ms, 10s, 2m.\nHubs in the file: tables [hub.NAME] with tables \
             [[hub.NAME.handler]], see docs/settings.md.\nExit code 2: invalid settings.",
        )
        .arg(config)
        .arg(print)
        .args(all.iter().filter(|setting| setting.has_flag).map(flag))
}

fn flag(setting: &Declared) -> Arg {
    let facts = format!("[env: {}] [default: {}]", setting.env, setting.default);
    let end = [". ", ": "].iter().filter_map(|stop| setting.about.find(stop)).min();
    let short = setting.about[..end.unwrap_or(setting.about.len())].trim_end_matches('.');
    let long = format!("{}\n\nCost: {}\n\n{facts}", setting.about, setting.cost);
    let arg = Arg::new(setting.key.clone())
        .long(setting.key.clone())
        .value_name(setting.value.clone())
        .action(if setting.repeats { ArgAction::Append } else { ArgAction::Set })
        .help(StyledStr::from(format!("{short} {facts}")))
        .long_help(StyledStr::from(long));
    if setting.is_flag { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}

/// clap's answer to a wrong command line of `program` as one sentence.
pub(crate) fn flag_error(error: &clap::Error, program: &str) -> SettingsError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(flag)) if flag.starts_with("--access-key") => {
            SettingsError::new(format!(
                "{flag} is no flag, since everybody on the machine sees flags: use --access-key-file, or the variable \
             HOLDFAST_ACCESS_KEY"
            ))
        }
        (ErrorKind::UnknownArgument, Some(flag)) => {
            let hint = text(ContextKind::SuggestedArg)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            SettingsError::new(format!("unknown flag {flag}: {hint}{program} --help lists them all"))
        }
        _ => {
            let whole = error.render().to_string();
            let first = whole.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            SettingsError::new(format!("{first}: {program} --help explains each flag"))
        }
    }
}

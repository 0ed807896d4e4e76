//! Where settings come from: flags, environment, file. Each gives text by key; the strongest wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::check::check;
use super::declare::{self, Declared, Fields, env_of};
use super::kinds::Kind;
use super::outbox::Answers;
use super::show::declared;
use super::{Settings, SettingsError};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run with these settings.
    Run(Box<Settings>),
    /// Print this text to standard output and end with exit code 0: help, version, the settings in force.
    Print(String),
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
/// other. The file is read here, so it may also be missing or unreadable.
pub fn load_for(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    answers: impl FnOnce(&Settings) -> Answers,
) -> Result<Action, SettingsError> {
    let all = declared();
    let matches = match command(&all).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Action::Print(error.render().to_string()));
        }
        Err(error) => return Err(flag_error(&error)),
    };
    let mut env = Environment::read(env, &all)?;
    let file = matches.get_one::<PathBuf>(CONFIG).cloned().or(env.config.take());

    let mut given = Given::default();
    if let Some(file) = file {
        given.read_file(&file, &all)?;
    }
    given.0.append(&mut env.given.0);
    given.read_flags(&matches, &all);
    let settings = given.settle()?;
    check(&settings, answers(&settings))?;
    if matches.get_flag(PRINT) {
        return Ok(Action::Print(settings.to_toml()));
    }
    Ok(Action::Run(Box::new(settings)))
}

const CONFIG: &str = "config";
const PRINT: &str = "print-settings";

/// The command line, for its man page and for shells that complete it.
#[must_use]
pub fn command_line() -> Command {
    command(&declared())
}

/// The command line that takes every declared setting as a flag.
fn command(all: &[Declared]) -> Command {
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
             64KiB, 1MiB. Durations: 500ms, 10s, 2m.\nExit code 2: invalid settings.",
        )
        .arg(config)
        .arg(print)
        .args(all.iter().map(flag))
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

/// clap's answer to a wrong command line as one sentence.
fn flag_error(error: &clap::Error) -> SettingsError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(flag)) => {
            let hint = text(ContextKind::SuggestedArg)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            SettingsError::new(format!("unknown flag {flag}: {hint}holdfast --help lists them all"))
        }
        _ => {
            let whole = error.render().to_string();
            let first = whole.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            SettingsError::new(format!("{first}: holdfast --help explains each flag"))
        }
    }
}

/// Where a value came from, as an error names it.
#[derive(Clone, Debug)]
enum Source {
    Flag,
    Environment,
    File(PathBuf),
}

/// Text by key, from the strongest source that has it.
#[derive(Debug, Default)]
struct Given(BTreeMap<String, (String, Source)>);

impl declare::Given for Given {
    fn read<K: Kind>(&self, key: &str, kind: &K) -> Result<Option<K::Value>, SettingsError> {
        let Some((text, source)) = self.0.get(key) else { return Ok(None) };
        let refused = |expected| {
            let place = match source {
                Source::Flag => format!("--{key} \"{text}\""),
                Source::Environment => format!("{}=\"{text}\"", env_of(key)),
                Source::File(file) => format!("{key} = \"{text}\" in {}", file.display()),
            };
            SettingsError::new(format!("{place}: {expected}"))
        };
        kind.parse(text).map(Some).map_err(refused)
    }
}

impl Given {
    /// The settings that all this and the defaults come to.
    fn settle(&self) -> Result<Settings, SettingsError> {
        let mut settings = Settings::read(self)?;
        if !self.0.contains_key("frame-bytes-max") {
            settings.frame_bytes_max = settings.message_bytes_max;
        }
        Ok(settings)
    }

    fn read_flags(&mut self, matches: &ArgMatches, all: &[Declared]) {
        for setting in all {
            if let Some(values) = matches.get_many::<String>(&setting.key) {
                let text = values.map(String::as_str).collect::<Vec<_>>().join(",");
                self.0.insert(setting.key.clone(), (text, Source::Flag));
            }
        }
    }

    fn read_file(&mut self, file: &Path, all: &[Declared]) -> Result<(), SettingsError> {
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            SettingsError::new(format!("cannot read the settings file {name} (config): {error}"))
        })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count());
            SettingsError::new(format!(
                "{name} is not TOML, line {line}: {}",
                error.message().replace('\n', ", ")
            ))
        })?;
        for (key, value) in table {
            if !all.iter().any(|setting| setting.key == key) {
                let hint = nearest(&key, all.iter().map(|setting| setting.key.as_str()));
                return Err(SettingsError::new(format!("unknown setting {key} in {name}: {hint}")));
            }
            let text = plain(&value).ok_or_else(|| {
                let kind = value.type_str();
                SettingsError::new(format!(
                    "{key} in {name}: expected text, a whole number, true or false, not this {kind}"
                ))
            })?;
            self.0.insert(key, (text, Source::File(file.to_owned())));
        }
        Ok(())
    }
}

/// A TOML value as flags and variables have it; a list by commas.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(list) => {
            list.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|list| list.join(","))
        }
        _ => None,
    }
}

/// What the environment gives.
#[derive(Debug, Default)]
struct Environment {
    given: Given,
    config: Option<PathBuf>,
}

impl Environment {
    fn read(
        env: impl IntoIterator<Item = (OsString, OsString)>,
        all: &[Declared],
    ) -> Result<Self, SettingsError> {
        let mut found = Self::default();
        for (name, value) in env {
            let Some(name) = name.to_str().filter(|name| name.starts_with("HOLDFAST_")) else { continue };
            if value.is_empty() {
                continue;
            }
            if name == "HOLDFAST_CONFIG" {
                found.config = Some(PathBuf::from(value));
                continue;
            }
            let setting = all.iter().find(|setting| setting.env == name);
            match (setting, value.into_string()) {
                (Some(setting), Ok(text)) => {
                    found.given.0.insert(setting.key.clone(), (text, Source::Environment));
                }
                (None, Ok(text)) if is_service_link(name, &text) => {}
                (Some(_), Err(_)) => {
                    return Err(SettingsError::new(format!(
                        "{name} is not UTF-8: write it again as plain text"
                    )));
                }
                (None, _) => {
                    let names = all.iter().map(|setting| setting.env.as_str());
                    let hint = nearest(name, names.chain(["HOLDFAST_CONFIG"]));
                    return Err(SettingsError::new(format!("unknown environment variable {name}: {hint}")));
                }
            }
        }
        Ok(found)
    }
}

/// Whether Kubernetes set this variable for a Service whose name begins with "holdfast", such as
/// `HOLDFAST_SERVICE_HOST` or `HOLDFAST_ADMIN_PORT=tcp://10.0.0.1:9085`. (Kubernetes documentation, "Service":
/// environment variables.)
fn is_service_link(name: &str, value: &str) -> bool {
    let link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let port =
        name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || port
        || (link && name.ends_with("_PORT"))
}

/// What to do about a name that is not known.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near =
        known.map(|known| (strsim::jaro_winkler(name, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, known)) if likeness > 0.85 => {
            format!("did you mean {known}? holdfast --help lists them all")
        }
        _ => "remove it; holdfast --help lists them all".to_owned(),
    }
}

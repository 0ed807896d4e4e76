//! The environment.

use std::ffi::OsString;
use std::path::PathBuf;

use super::given::{Given, Source};
use crate::settings::declare::Declared;
use crate::settings::error::SettingsError;
use crate::settings::nearest::nearest;

/// What the environment gives.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) given: Given,
    pub(super) config: Option<PathBuf>,
}

impl Environment {
    pub(super) fn read(
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
                    found.given.put(&setting.key, text, Source::Environment);
                }
                (None, Ok(text)) if is_service_link(name, &text) => {}
                (Some(_), Err(_)) => {
                    return Err(SettingsError::new(format!(
                        "{name} is not UTF-8: write it again as plain text"
                    )));
                }
                (None, _) => {
                    let names = all.iter().map(|setting| setting.env.as_str());
                    let hint = nearest(name, names.chain(["HOLDFAST_CONFIG"]), "holdfast --help");
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

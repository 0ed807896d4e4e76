//! One setting by itself, for commands that ask a gateway which runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::settings::declare::env_of;
use crate::settings::error::SettingsError;
use crate::settings::text::plain;

/// The text of one setting: `flag`, or else what the environment gives, or else the file. `None` where it is at its
/// default. Nothing else is judged: that somebody has broken the settings file since the gateway started is no reason
/// to say that it is not well.
///
/// # Errors
///
/// One sentence where only the file can say it, and it cannot be read or is not TOML.
pub(crate) fn one_setting(
    key: &str,
    flag: Option<&String>,
    env: &[(OsString, OsString)],
    config: Option<&PathBuf>,
) -> Result<Option<String>, SettingsError> {
    let given = |name: &str| {
        let found = env.iter().find(|(is, value)| is == name && !value.is_empty());
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    };
    if let Some(text) = flag.cloned().or_else(|| given(&env_of(key))) {
        return Ok(Some(text));
    }
    match config.cloned().or_else(|| given("HOLDFAST_CONFIG").map(PathBuf::from)) {
        Some(file) => of_file(key, &file),
        None => Ok(None),
    }
}

fn of_file(key: &str, file: &Path) -> Result<Option<String>, SettingsError> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        SettingsError::new(format!("cannot read the settings file {name} (config): {error}"))
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|_| SettingsError::new(format!("{name} is not TOML: mend it, or give --{key} here")))?;
    Ok(table.get(key).and_then(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_source_says_it_and_the_others_may_be_broken() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "admin = \"1.2.3.4:1\"\nno-such-setting = 1\n").expect("written");
        let env = [("HOLDFAST_ADMIN".into(), "1.2.3.4:2".into()), ("HOLDFAST_NO_SUCH".into(), "x".into())];
        let flag = "1.2.3.4:3".to_owned();
        let ask = |flag, env: &[_], file| one_setting("admin", flag, env, file).expect("read");
        assert_eq!(ask(Some(&flag), &env, Some(&file)).as_deref(), Some("1.2.3.4:3"));
        assert_eq!(ask(None, &env, Some(&file)).as_deref(), Some("1.2.3.4:2"));
        assert_eq!(ask(None, &[], Some(&file)).as_deref(), Some("1.2.3.4:1"));
        let by_variable = [("HOLDFAST_CONFIG".into(), file.clone().into_os_string())];
        assert_eq!(ask(None, &by_variable, None).as_deref(), Some("1.2.3.4:1"));
        assert_eq!(ask(None, &[], None), None);
        std::fs::write(&file, "admin = ").expect("written");
        assert_eq!(ask(None, &env, Some(&file)).as_deref(), Some("1.2.3.4:2"), "the file is not asked");
        let said = one_setting("admin", None, &[], Some(&file)).expect_err("broken").to_string();
        assert!(said.ends_with("is not TOML: mend it, or give --admin here"), "{said}");
    }
}

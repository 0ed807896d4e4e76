//! What is wrong with the settings, for the operator.

use std::fmt;

/// One sentence that names the setting and what to change. The process ends with [`SettingsError::EXIT_CODE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    /// The exit code for refused settings.
    pub const EXIT_CODE: u8 = 2;

    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

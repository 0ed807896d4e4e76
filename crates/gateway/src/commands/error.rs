//! Why a command did not do what it was asked for.

use std::fmt;

use crate::settings::SettingsError;

/// One sentence for who typed the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    sentence: String,
    exit_code: u8,
    report: String,
}

impl CommandError {
    /// What was asked for cannot be.
    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), exit_code: SettingsError::EXIT_CODE, report: String::new() }
    }

    /// It was tried.
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), exit_code: 1, report: String::new() }
    }

    /// It was found out, and is nothing good: what to print all the same.
    pub(super) fn with_report(self, report: String) -> Self {
        Self { report, ..self }
    }

    /// What belongs on standard output, before the sentence.
    #[must_use]
    pub fn report(&self) -> &str {
        &self.report
    }

    /// It was done in part: connections are left, as with a gateway that ends with this code.
    pub(super) fn unfinished(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), exit_code: 3, report: String::new() }
    }

    /// 2 where it was asked for in the wrong way, 3 where it is not finished, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for CommandError {}

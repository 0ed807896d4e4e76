//! Files that settings name.

use std::path::PathBuf;

use toml::Value as Toml;

use super::kinds::Kind;

/// A file to read.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    fn placeholder(&self) -> String {
        "FILE".to_owned()
    }

    fn parse(&self, text: &str) -> Result<PathBuf, String> {
        let path = text.trim();
        (!path.is_empty()).then(|| path.into()).ok_or_else(|| "expected the path of a file".to_owned())
    }

    fn show(&self, value: &PathBuf) -> Toml {
        Toml::String(value.display().to_string())
    }
}

/// A file to write to. A word that was misspelt is to make no file of that name, so it must be a path.
pub(super) struct Output;

impl Kind for Output {
    type Value = PathBuf;

    fn placeholder(&self) -> String {
        "PATH".to_owned()
    }

    fn parse(&self, text: &str) -> Result<PathBuf, String> {
        let expected = || "expected a path such as /var/lib/holdfast/dead-letters".to_owned();
        text.contains('/').then(|| text.into()).ok_or_else(expected)
    }

    fn show(&self, value: &PathBuf) -> Toml {
        File.show(value)
    }
}

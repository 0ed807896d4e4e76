//! The access keys of a hub.

use std::path::PathBuf;

use crate::settings::key::key_in;
use crate::settings::secret::Secret;

/// Where keys may come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) primary: Option<&'a Secret>,
    pub(super) secondary: Option<&'a Secret>,
    pub(super) files: &'a [PathBuf],
}

impl Given<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.primary.is_none() && self.secondary.is_none() && self.files.is_empty()
    }

    /// The keys, the primary first: two at most. `place` says whose they are.
    pub(super) fn keys(&self, place: &str) -> Result<Vec<Secret>, String> {
        if self.primary.is_none() && self.secondary.is_some() {
            return Err(format!("access-key-secondary is set {place} but access-key is not: set that first"));
        }
        if self.primary.is_some() && !self.files.is_empty() {
            return Err(format!("access-key and access-key-file are both set {place}: remove one of them"));
        }
        if self.files.len() > 2 {
            let files = self.files.len();
            return Err(format!(
                "access-key-file names {files} files {place}, but there are two keys at most, primary and \
                 secondary: remove the others"
            ));
        }
        let from_files = self.files.iter().map(|file| key_in("access-key-file", file));
        let given = [self.primary, self.secondary].into_iter().flatten().cloned().map(Ok);
        given.chain(from_files).collect()
    }
}

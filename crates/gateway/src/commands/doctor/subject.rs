//! What is looked at.

use super::host::Host;
use super::outlook::Outlook;
use crate::settings::Settings;

/// A host, the settings of a gateway on it, and what becomes of them there.
pub(super) struct Subject<'a> {
    pub(super) host: &'a Host,
    pub(super) settings: &'a Settings,
    pub(super) outlook: &'a Outlook,
}

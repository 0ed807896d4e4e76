//! Hubs: by flags one, by the settings file any number, each a table `[hub.NAME]` with tables `[[hub.NAME.handler]]`,
//! `[[hub.NAME.listener]]` and `[hub.NAME.identity]`.

mod events;
mod headers;
mod identity;
mod keys;
mod name;
pub(super) mod read;
pub(super) mod resolve;
pub(super) mod show;
mod tables;
mod upstream;

pub use events::{SystemEvent, UserEvents};
pub use headers::{HeaderSource, HeaderValue};
pub(crate) use identity::TOKENS_WAITING_MAX;
pub use identity::{IdentitySettings, KeysPlace};
pub(super) use name::HubName;
pub(crate) use name::hub_name;
pub use tables::{HandlerSettings, HubSettings, ListenerSettings, SlowService};
pub(super) use upstream::Upstream;
pub use upstream::UpstreamUrl;

use super::secret::Secret;

/// The most hubs of one gateway: a connection keeps the number of its own in a byte.
pub const HUBS_MAX: usize = 255;

/// A hub as it is to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Its name as the settings have it. Letter case tells no two hubs apart.
    pub name: String,
    /// Access keys that are good here, the primary first: one or two, or none where it is anonymous.
    pub keys: Vec<Secret>,
    /// What else its table says. Keys in there are in `keys`, too.
    pub settings: HubSettings,
    /// Who hears of its events, in the order of the file: the first that wants an event gets it.
    pub handlers: Vec<Handler>,
    /// Who hears of its events besides, and answers nothing.
    pub listeners: Vec<ListenerSettings>,
}

/// A service that hears of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// What its table says.
    pub settings: HandlerSettings,
    /// Headers of each request to it, with those that come from files.
    pub headers: Vec<Header>,
}

/// A header of requests to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// Visible ASCII and spaces.
    pub value: Secret,
}

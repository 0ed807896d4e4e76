//! What endpoints share.

use std::sync::Arc;

use crate::dial::tls::Tls;
use crate::resolve::{Resolve, SystemResolver};

/// What all endpoints share: whom TLS trusts, and who resolves names. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) tls: Tls,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl Client {
    /// With the resolver of the system.
    #[must_use]
    pub fn new(tls: Tls) -> Self {
        Self::with_resolver(tls, Arc::new(SystemResolver::default()))
    }

    /// With another.
    #[must_use]
    pub fn with_resolver(tls: Tls, resolver: Arc<dyn Resolve>) -> Self {
        Self { tls, resolver }
    }
}

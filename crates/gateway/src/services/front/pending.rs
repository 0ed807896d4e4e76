//! What is known of one who is connecting, and of a connection besides what its shard knows.

use std::sync::Arc;

use holdfast_hub::Form;
use holdfast_webpubsub::client::{ClientTarget, Mode};
use holdfast_webpubsub::json::{RELIABLE_SUBPROTOCOL, SUBPROTOCOL};

use super::super::hubs::LiveHub;
use super::super::messages::{JSON, PUBLISHER, SIMPLE};
use super::super::note::Accepted;
use crate::ConnectionId;
use crate::admission::Verdict;
use crate::quota::UserPermit;

/// What is known of one who is connecting.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) hub: Arc<LiveHub>,
    pub(super) form: Form,
    pub(super) user: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) state: Option<String>,
    /// Those it offers.
    pub(super) offered: Vec<String>,
    pub(super) extra: Extra,
    pub(super) stage: Stage,
    /// It wants a connection back that is not there: it hears so by its close code.
    pub(super) is_lost: bool,
    /// Its user's place, where those are counted.
    pub(super) place: Option<UserPermit>,
}

/// How far one is who is connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No service has let it in, nor is to.
    Judged,
    /// A service is being asked, for what will be this connection.
    Asked(ConnectionId),
    /// It left while a service is being asked.
    Left(ConnectionId),
    /// A service has let it in.
    LetIn(ConnectionId),
}

/// What only some connections have.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// The subprotocol that its service has chosen.
    pub(super) subprotocol: Option<Arc<str>>,
    /// The group to which its messages go, and whether it is left out itself.
    pub(super) publishes_to: Option<(Arc<str>, bool)>,
    pub(super) traceparent: Option<Box<str>>,
}

impl Pending {
    pub(super) fn new(hub: Arc<LiveHub>, is_json: bool, offered: Vec<String>, target: &ClientTarget) -> Self {
        let publishes_to = match &target.mode {
            Mode::SendToGroup { group, no_echo } if !is_json => Some((group.as_str().into(), *no_echo)),
            _ => None,
        };
        let form = match publishes_to {
            _ if is_json => JSON,
            Some(_) => PUBLISHER,
            None => SIMPLE,
        };
        Self {
            hub,
            form,
            user: None,
            groups: Vec::new(),
            roles: Vec::new(),
            state: None,
            offered,
            extra: Extra { publishes_to, ..Extra::default() },
            stage: Stage::Judged,
            is_lost: false,
            place: None,
        }
    }

    /// What its service says of it takes the place of what its token says.
    pub(super) fn take(&mut self, accepted: Accepted) -> Verdict {
        let Accepted { user, groups, roles, subprotocol, state } = accepted;
        self.user = user.or(self.user.take());
        self.groups = groups.unwrap_or_else(|| std::mem::take(&mut self.groups));
        self.roles = roles.unwrap_or_else(|| std::mem::take(&mut self.roles));
        self.state = state;
        // It is not spoken here: the plain one is, where that was offered.
        let subprotocol = subprotocol.filter(|chosen| chosen != RELIABLE_SUBPROTOCOL);
        let subprotocol = match subprotocol {
            Some(chosen) if !self.offered.contains(&chosen) => {
                let reason = "the service chose a subprotocol that was not offered".to_owned();
                return Verdict::Refuse { status: 500, reason };
            }
            Some(chosen) => Some(chosen),
            None => (self.form == JSON).then(|| SUBPROTOCOL.to_owned()),
        };
        self.agree_on(subprotocol.as_deref());
        Verdict::Accept { subprotocol }
    }

    fn agree_on(&mut self, subprotocol: Option<&str>) {
        if subprotocol == Some(SUBPROTOCOL) {
            self.form = JSON;
        } else if self.form == JSON {
            self.form = SIMPLE;
        }
        self.extra.subprotocol = subprotocol.filter(|it| *it != SUBPROTOCOL).map(Into::into);
    }
}

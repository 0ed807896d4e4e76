//! What is known of one who is connecting, and of a connection besides what its shard knows.

use std::sync::Arc;

use holdfast_hub::Form;
use holdfast_webpubsub::client::{ClientTarget, Mode};
use holdfast_webpubsub::token::Claims;

use super::super::hubs::{Config, LiveHub};
use super::super::identity::Provider;
use super::super::messages::{PUBLISHER, SIMPLE, form_of, is_json, subprotocol_of};
use super::super::note::Accepted;
use crate::ConnectionId;
use crate::admission::Verdict;
use crate::quota::UserPermit;

/// Why one may not connect: an HTTP status and a sentence.
pub(super) type Refusal = (u16, String);

/// Claims by their names.
pub(super) type Pairs = [(String, Vec<String>)];

/// One of whom is known what the token says.
pub(super) struct Known {
    pub(super) pending: Pending,
    pub(super) config: Arc<Config>,
    /// Nothing where there is no token, and none is needed.
    pub(super) claims: Option<Claims>,
    /// The connection that it may become, where that has its id already.
    pub(super) reserved: Option<ConnectionId>,
}

/// What is known of one whose token is being verified.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) pending: Pending,
    pub(super) config: Arc<Config>,
    pub(super) provider: Arc<Provider>,
    /// What the connect event says besides claims, where there is one.
    pub(super) body: Vec<u8>,
}

/// Whose token is being verified, and the connection that it may become.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) candidate: Candidate,
    pub(super) connection: ConnectionId,
}

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
    /// Its user's place, where those are counted.
    pub(super) place: Option<UserPermit>,
}

impl Pending {
    /// Bytes of what its client offers and asks for.
    pub(super) fn len(&self) -> usize {
        // A text of a few letters takes as much.
        let each = size_of::<String>() + 32;
        let offered: usize = self.offered.iter().map(|it| each + it.len()).sum();
        offered + self.extra.traceparent.as_ref().map_or(0, |it| it.len())
    }
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
    pub(super) fn new(hub: Arc<LiveHub>, offered: Vec<String>, target: &ClientTarget) -> Self {
        // Of those that it offers, the first that is known here.
        let own = offered.iter().find_map(|name| form_of(name));
        let publishes_to = match &target.mode {
            Mode::SendToGroup { group, no_echo } if own.is_none() => Some((group.as_str().into(), *no_echo)),
            _ => None,
        };
        let form = own.unwrap_or(if publishes_to.is_some() { PUBLISHER } else { SIMPLE });
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
            place: None,
        }
    }

    /// The subprotocol of ours that it gets, if nobody chooses another.
    pub(super) fn subprotocol(&self) -> Option<String> {
        subprotocol_of(self.form).map(str::to_owned)
    }

    /// What its service says of it takes the place of what its token says.
    pub(super) fn take(&mut self, accepted: Accepted) -> Verdict {
        let Accepted { user, groups, roles, subprotocol, state } = accepted;
        self.user = user.or(self.user.take());
        self.groups = groups.unwrap_or_else(|| std::mem::take(&mut self.groups));
        self.roles = roles.unwrap_or_else(|| std::mem::take(&mut self.roles));
        self.state = state;
        let subprotocol = match subprotocol {
            Some(chosen) if !self.offered.contains(&chosen) => {
                let reason = "the service chose a subprotocol that was not offered".to_owned();
                return Verdict::Refuse { status: 500, reason };
            }
            Some(chosen) => Some(chosen),
            None => self.subprotocol(),
        };
        self.agree_on(subprotocol.as_deref());
        Verdict::Accept { subprotocol }
    }

    fn agree_on(&mut self, subprotocol: Option<&str>) {
        let own = subprotocol.and_then(form_of);
        if let Some(own) = own {
            self.form = own;
        } else if is_json(self.form) {
            self.form = SIMPLE;
        }
        self.extra.subprotocol = subprotocol.filter(|_| own.is_none()).map(Into::into);
    }
}

//! Who may connect: the target, the token, the connect event.

use std::sync::Arc;

use holdfast_hub::Newcomer;
use holdfast_webpubsub::client::{ClientTarget, ClientTargetError, parse_target};
use holdfast_webpubsub::event::ConnectBody;
use holdfast_webpubsub::identity::ProviderToken;
use holdfast_webpubsub::names::{is_group, is_user};
use holdfast_webpubsub::token::{Audiences, Claims, TokenError, bearer, verify};

use super::super::clock::now_s;
use super::super::hubs::{Config, LiveHub};
use super::super::identity::Provider;
use super::super::messages::{RELIABLE, is_json};
use super::super::note::{Accepted, Event, Refused};
use super::super::what::What;
use super::Front;
use super::pending::{Candidate, Known, Pairs, Pending, Refusal, Stage};
use super::rights::grants;
use super::verify::outcome_of;
use crate::admission::{Admission, Opening, Verdict};
use crate::counters::{EventKind, EventOutcome, HubLimit};
use crate::quota::UserPermit;
use crate::settings::SystemEvent;
use crate::{ConnectionId, Context, HandshakeId, Request};

/// What a client shows.
enum Shown {
    /// This is what its token says, if there is one.
    Claims(Option<Claims>),
    /// A token that is to be verified elsewhere.
    Token(ProviderToken, Arc<Provider>),
}

impl Front {
    pub(super) fn judge(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        match self.admit(context, opening) {
            Ok(admission) => admission,
            Err((status, reason)) => Admission::Now(Verdict::Refuse { status, reason }),
        }
    }

    fn admit(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Result<Admission, Refusal> {
        let request = opening.request;
        let target = parse_target(request.target()).map_err(|error| match error {
            ClientTargetError::Elsewhere => {
                (404, "there is nothing here: clients ask for /client/hubs/".to_owned())
            }
            ClientTargetError::Bad(why) => (400, why.to_owned()),
        })?;
        let hub = self.hubs.find(&target.hub).ok_or_else(|| (404, "there is no such hub".to_owned()))?;
        let (hub, config) = (Arc::clone(hub), hub.config());
        let offered: Vec<String> = request.subprotocols().map(str::to_owned).collect();
        if let Some(recovery) = &target.recovery {
            return Ok(Admission::Now(self.recover(context, hub.index, &config, recovery, &offered)));
        }
        let mut pending = Pending::new(hub, offered, &target);
        pending.extra.traceparent = text_of(request, "traceparent").map(Into::into);
        match self.shown(context, request, &target, &pending.hub, &config)? {
            Shown::Claims(claims) => {
                let known = Known { pending, config, claims, reserved: None };
                let body =
                    |claims: &Pairs| with_body(request, &target, |it| ConnectBody { claims, ..it }.write());
                self.admit_known(context, opening.id, known, body)
            }
            Shown::Token(token, provider) => {
                let is_asked = config.service_of(SystemEvent::Connect).is_some();
                let body = || with_body(request, &target, |it| it.write_rest());
                let body = if is_asked { body() } else { Vec::new() };
                self.have_verified(context, opening.id, token, Candidate { pending, config, provider, body })
            }
        }
    }

    /// One comes of whom is known what the token says.
    pub(super) fn admit_known(
        &mut self,
        context: &mut Context<'_>,
        handshake: HandshakeId,
        known: Known,
        body: impl FnOnce(&Pairs) -> Vec<u8>,
    ) -> Result<Admission, Refusal> {
        let Known { mut pending, config, claims, reserved } = known;
        let known = claims.as_ref().map(|it| it.all.clone()).unwrap_or_default();
        if let Some(claims) = claims {
            (pending.user, pending.groups, pending.roles) = (claims.user, claims.groups, claims.roles);
        }
        if !pending.groups.iter().all(|group| is_group(group)) {
            return Err((400, "the token names a group that cannot be".to_owned()));
        }
        count_in(context, &mut pending).map_err(refusal)?;
        let Some(service) = config.service_of(SystemEvent::Connect) else {
            let subprotocol = pending.subprotocol();
            return Ok(self.accept(handshake, pending, subprotocol));
        };
        let busy = || (503, "too many wait for this hub's service, please try again later".to_owned());
        let body = body(&known);
        let permit = pending.hub.gate.connect(body.len()).ok_or_else(|| {
            let counts = pending.hub.counts.of_shard(context.shard());
            counts.event(EventKind::Connect, EventOutcome::Full);
            busy()
        })?;
        let connection = reserved.unwrap_or_else(|| context.reserve());
        let event = Event {
            hub: Arc::clone(&pending.hub),
            service,
            connection,
            what: What::Connect { handshake, body: body.into() },
            number: self.next_number(),
            user: pending.user.as_deref().map(Into::into),
            subprotocol: None,
            state: None,
            traceparent: pending.extra.traceparent.clone(),
            _place: Some(permit),
        };
        pending.stage = Stage::Asked(connection);
        self.pending.insert(handshake, pending);
        // Where nobody takes it the gateway is about to end.
        let _ = self.events.send(event);
        Ok(Admission::Later { within: Some(config.timeout), id: Some(connection) })
    }

    /// What the client's token says; none where there is none and none is needed. Only those of access keys are
    /// verified here.
    fn shown(
        &self,
        context: &Context<'_>,
        request: &Request<'_>,
        target: &ClientTarget,
        hub: &LiveHub,
        config: &Config,
    ) -> Result<Shown, Refusal> {
        let shown = || text_of(request, "authorization").and_then(bearer);
        let token = target.access_token.as_deref().or_else(shown);
        let Some(token) = token else {
            let needed = || (401, "a token is needed: access_token in the query".to_owned());
            return config.anonymous.then_some(Shown::Claims(None)).ok_or_else(needed);
        };
        let judged = config.keys.as_ref().map(|keys| {
            let endpoints = self.hubs.endpoints(request.host());
            verify(token, keys, &Audiences::of_client(&endpoints, &target.hub), now_s())
        });
        match (judged, &config.identity) {
            (Some(Ok(claims)), _) => Ok(Shown::Claims(Some(claims))),
            (None | Some(Err(TokenError::Algorithm)), Some(provider)) => {
                let token = ProviderToken::read(token).map_err(|error| {
                    hub.counts.of_shard(context.shard()).token(outcome_of(error));
                    (401, error.to_string())
                })?;
                Ok(Shown::Token(token, Arc::clone(provider)))
            }
            (Some(Err(error)), _) => Err((401, error.to_string())),
            (None, None) => Err((401, "this hub has no access key".to_owned())),
        }
    }

    fn accept(&mut self, handshake: HandshakeId, pending: Pending, subprotocol: Option<String>) -> Admission {
        self.pending.insert(handshake, pending);
        Admission::Now(Verdict::Accept { subprotocol })
    }

    /// A service has answered a connect event.
    pub(super) fn on_connect_answer(
        &mut self,
        context: &mut Context<'_>,
        handshake: HandshakeId,
        answer: Result<Accepted, Refused>,
    ) {
        let Some(pending) = self.pending.get_mut(&handshake) else { return };
        let counted = pending.user.clone();
        let verdict = match answer {
            Ok(accepted) => pending.take(accepted),
            Err(Refused { status, text }) => Verdict::Refuse { status, reason: text },
        };
        let is_asked = matches!(pending.stage, Stage::Asked(_));
        if is_asked
            && matches!(verdict, Verdict::Accept { .. })
            && let Err(limit) = recount(context, pending, counted.as_deref())
        {
            return self.turn_away(context, handshake, limit);
        }
        let is_let_in = matches!(verdict, Verdict::Accept { .. });
        match pending.stage {
            Stage::Left(_) if !is_let_in => drop(self.pending.remove(&handshake)),
            Stage::Left(connection) => {
                pending.stage = Stage::LetIn(connection);
                self.on_abandoned(context, handshake);
            }
            Stage::Asked(connection) => {
                pending.stage = if is_let_in { Stage::LetIn(connection) } else { Stage::Judged };
                let _ = context.handle().answer(handshake, verdict);
            }
            // It was answered before.
            Stage::Judged | Stage::LetIn(_) => {}
        }
    }

    /// A service has let one in, whose user has no room: both hear so.
    fn turn_away(&mut self, context: &mut Context<'_>, handshake: HandshakeId, limit: HubLimit) {
        let Some(pending) = self.pending.remove(&handshake) else { return };
        if let Stage::Asked(connection) = pending.stage {
            self.tell_never_opened(context, connection, pending);
        }
        let (status, reason) = refusal(limit);
        let _ = context.handle().answer(handshake, Verdict::Refuse { status, reason });
    }

    /// One who was connecting is not any more. A service that has let it in hears so.
    pub(super) fn on_abandoned(&mut self, context: &mut Context<'_>, handshake: HandshakeId) {
        let Some(mut pending) = self.pending.remove(&handshake) else { return };
        match pending.stage {
            Stage::Judged => {}
            Stage::Asked(connection) | Stage::Left(connection) => {
                pending.stage = Stage::Left(connection);
                self.pending.insert(handshake, pending);
            }
            Stage::LetIn(connection) => self.tell_never_opened(context, connection, pending),
        }
    }

    /// One is connected.
    pub(super) fn welcome(&mut self, context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        let Some(pending) = self.pending.remove(&handshake) else { return };
        let groups: Vec<&str> = pending.groups.iter().map(String::as_str).collect();
        let newcomer = Newcomer {
            hub: pending.hub.index,
            form: pending.form,
            user: pending.user.as_deref(),
            groups: &groups,
            grants: grants(&pending.roles),
            state: pending.state.as_deref(),
        };
        if let Err(too_many) = context.members(|members, _| members.enter(id.key, newcomer)) {
            pending.hub.count_too_many(context.shard(), too_many);
            context.close(id, 1013, "there are too many groups");
            return;
        }
        // It is given back when its user's connection ends.
        pending.place.into_iter().for_each(UserPermit::keep);
        let extra = pending.extra;
        let config = pending.hub.config();
        if extra.subprotocol.is_some() || extra.publishes_to.is_some() || extra.traceparent.is_some() {
            self.extras.insert(id.key, extra);
        }
        if pending.form == RELIABLE {
            context.make_reliable(id);
        }
        if is_json(pending.form) {
            self.say_hello(context, id, &config, pending.form);
        }
        if config.tells(SystemEvent::Connected) {
            self.greet(context, id);
        }
    }
}

/// What the connect event says of a request, but for its claims.
fn with_body<R>(request: &Request<'_>, target: &ClientTarget, work: impl FnOnce(ConnectBody<'_>) -> R) -> R {
    let headers: Vec<_> = request.headers().collect();
    let subprotocols: Vec<_> = request.subprotocols().collect();
    work(ConnectBody { claims: &[], query: &target.query, headers: &headers, subprotocols: &subprotocols })
}

/// Counts one who is let in as far as its token goes.
fn count_in(context: &Context<'_>, pending: &mut Pending) -> Result<(), HubLimit> {
    let user = pending.user.as_deref();
    let is_named = user.is_none_or(is_user).then_some(()).ok_or(HubLimit::UserName);
    let counted = is_named.and_then(|()| pending.hub.rates.connect(context.now()));
    note(context, &pending.hub, counted)?;
    take_place(context, pending)
}

/// Where a service has named another user than the token, that one is counted instead.
fn recount(context: &Context<'_>, pending: &mut Pending, counted: Option<&str>) -> Result<(), HubLimit> {
    if pending.user.as_deref() == counted {
        return Ok(());
    }
    pending.place = None;
    take_place(context, pending)
}

fn take_place(context: &Context<'_>, pending: &mut Pending) -> Result<(), HubLimit> {
    let taken = pending.hub.rates.enter(pending.user.as_deref(), context.now());
    pending.place = note(context, &pending.hub, taken)?;
    Ok(())
}

/// Counts a limit where it was passed.
fn note<T>(context: &Context<'_>, hub: &LiveHub, result: Result<T, HubLimit>) -> Result<T, HubLimit> {
    result.inspect_err(|limit| hub.counts.of_shard(context.shard()).limit(*limit))
}

/// What one hears who passes a limit.
fn refusal(limit: HubLimit) -> Refusal {
    let (status, reason) = match limit {
        HubLimit::UserName => (400, "the token names a user that cannot be"),
        HubLimit::UserConnections => (429, "this user has as many connections as it may"),
        HubLimit::UserConnectRate => (429, "this user connects too often, please try again later"),
        _ => (503, "too many connect at once, please try again later"),
    };
    (status, reason.to_owned())
}

fn text_of<'r>(request: &Request<'r>, name: &str) -> Option<&'r str> {
    request.header(name).and_then(|value| std::str::from_utf8(value).ok())
}

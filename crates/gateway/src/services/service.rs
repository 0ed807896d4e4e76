//! A service that hears of a hub's events: where it is, what it wants, whether it has said that it wants it.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use holdfast_upstream::{
    Address, AddressError, Client, Endpoint, Failure, Limits, Outcome as Posted, Repeat, State, Tls, TlsError,
};
use holdfast_webpubsub::event::{allows_origin, validation_headers};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::cloud::Cloud;
use super::nats::{Access, Nats, NatsError};
use super::what::What;
use crate::settings::{Handler, Hub, SystemEvent};

/// How long a permission is good until the service is asked again.
const PERMISSION_TIME: Duration = Duration::from_secs(300);
/// How long one is not asked again that has refused, or could not be asked.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// The header by which a service says whose events it wants.
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    way: Way,
    wants: Handler,
    /// Headers of each request, of the settings.
    headers: HeaderMap,
    /// By address: until when it need not be asked, and whether it has permitted events.
    asked: Mutex<HashMap<usize, (Instant, bool)>>,
}

/// How a service is reached.
#[derive(Debug)]
enum Way {
    Http(Endpoint),
    /// Whoever listens wants events. How long an answer may take, and how long it may be.
    Nats(Nats, Duration, usize),
}

/// What an address says to the question whether it wants events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    pub(super) status: u16,
    pub(super) is_given: bool,
}

/// Why a service cannot be asked.
#[derive(Debug)]
pub enum ServiceError {
    /// Its address is none.
    Address(AddressError),
    /// The authorities that are to vouch for it cannot be read.
    Tls(TlsError),
    /// A header is none.
    Header(String),
    /// Its NATS cannot be reached.
    Nats(NatsError),
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Nats(error) => error.fmt(f),
            Self::Header(name) => write!(f, "{name} is no header, or its value is none"),
        }
    }
}

impl std::error::Error for ServiceError {}

impl Service {
    /// `old` are those of the hub's settings before.
    pub(super) fn new<'o>(
        hub: &Hub,
        handler: &Handler,
        answer_bytes_max: usize,
        old: impl Iterator<Item = &'o Self>,
    ) -> Result<Self, ServiceError> {
        let access = Access {
            url: &handler.settings.url,
            credentials: handler.settings.credentials.as_deref(),
            certificate: &handler.settings.certificate,
            ca: hub.settings.upstream_ca.as_deref(),
            insecure: handler.settings.insecure,
            queue_bytes: None,
        };
        let nats = Nats::new(&hub.name, access, old.filter_map(Self::nats)).map_err(ServiceError::Nats)?;
        let way = match nats {
            Some(nats) => Way::Nats(nats, hub.settings.upstream_timeout, answer_bytes_max),
            None => Way::Http(endpoint(hub, handler, answer_bytes_max)?),
        };
        Ok(Self { way, wants: handler.clone(), headers: headers(handler)?, asked: Mutex::default() })
    }

    pub(super) fn wants(&self, event: SystemEvent) -> bool {
        self.wants.settings.system_events.contains(&event)
    }

    pub(super) fn wants_user_event(&self, name: &str) -> bool {
        self.wants.settings.user_events.contains(name)
    }

    /// Its addresses, where it speaks HTTP.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.way {
            Way::Http(endpoint) => Some(endpoint),
            Way::Nats(..) => None,
        }
    }

    /// Its NATS, where it is reached by one.
    pub(super) fn nats(&self) -> Option<&Nats> {
        match &self.way {
            Way::Http(_) => None,
            Way::Nats(nats, ..) => Some(nats),
        }
    }

    /// How each of its addresses is. A NATS that is not there is left alone.
    pub(super) fn states(&self) -> Vec<State> {
        match &self.way {
            Way::Http(endpoint) => endpoint.states().collect(),
            Way::Nats(nats, ..) if nats.messenger().is_here() => vec![State::Closed],
            Way::Nats(..) => vec![State::Open],
        }
    }

    /// Sends it an event.
    pub(super) async fn post(&self, hub: &str, what: &What, cloud: Cloud, repeat: Repeat) -> Posted {
        let Cloud { headers, body, name } = cloud;
        let headers = self.headers(headers);
        match &self.way {
            Way::Http(endpoint) => {
                endpoint.post(&[("hub", hub), ("event", &name)], || headers.clone(), body, repeat).await
            }
            Way::Nats(nats, within, bytes_max) => {
                nats.ask(hub, what, &headers, body, (*within, *bytes_max)).await
            }
        }
    }

    /// Headers of a request: ours, and those of the settings.
    fn headers(&self, ours: Vec<(&'static str, String)>) -> HeaderMap {
        let mut headers = self.headers.clone();
        for (name, value) in ours {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    /// Asks the address with this index whether it wants events of `origin`.
    pub(super) async fn ask_at(
        &self,
        endpoint: &Endpoint,
        index: usize,
        hub: &str,
        origin: &holdfast_webpubsub::Endpoint,
    ) -> Result<Permission, Failure> {
        let values = [("hub", hub), ("event", "validate")];
        let headers = self.headers(validation_headers(origin.host()));
        let answer = endpoint.validate(index, &values, &headers).await?;
        let allowed = answer.headers.get_all(ALLOWED_ORIGIN).iter().map(HeaderValue::as_bytes);
        Ok(Permission { status: answer.status, is_given: allows_origin(origin, answer.status, allowed) })
    }

    /// Asks each address whether it wants events of `origin`, where that has not been asked lately: those that do not
    /// are left out.
    pub(super) async fn ask(&self, hub: &str, origin: &holdfast_webpubsub::Endpoint) {
        let Way::Http(endpoint) = &self.way else { return };
        // One asks, the others wait for what comes of it.
        let mut asked = self.asked.lock().await;
        for index in 0..endpoint.addresses().count() {
            if asked.get(&index).is_some_and(|(until, _)| Instant::now() < *until) {
                continue;
            }
            let answer = self.ask_at(endpoint, index, hub, origin).await;
            let is_permitted = match &answer {
                Ok(Permission { is_given, .. }) => *is_given,
                // One that permitted events before may be back any moment: the breaker looks after that.
                Err(_) => asked.get(&index).is_some_and(|(_, was)| *was),
            };
            if !is_permitted {
                tracing::warn!(
                    hub,
                    status = answer.as_ref().ok().map(|it| it.status),
                    error = answer.as_ref().err().map(tracing::field::display),
                    "a service does not say that it wants events (WebHook-Allowed-Origin in its answer to OPTIONS)"
                );
            }
            endpoint.permit(index, is_permitted);
            let time = if is_permitted { PERMISSION_TIME } else { REFUSAL_TIME };
            asked.insert(index, (Instant::now() + time, is_permitted));
        }
    }
}

fn endpoint(hub: &Hub, handler: &Handler, answer_bytes_max: usize) -> Result<Endpoint, ServiceError> {
    let tls = Tls::new(hub.settings.upstream_ca.as_deref()).map_err(ServiceError::Tls)?;
    let parse = |url: &crate::settings::UpstreamUrl| Address::parse(url.as_str(), &["hub", "event"]);
    let addresses: Result<Vec<_>, _> = handler.settings.url.iter().map(parse).collect();
    let limits = Limits {
        timeout: hub.settings.upstream_timeout,
        attempt_max: hub.settings.upstream_timeout,
        connections_max: hub.settings.events_under_way_max as usize,
        answer_bytes_max,
        // One request now and then costs a service that is away nothing, and its clients wait for it to be back.
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(5),
        ..Limits::default()
    };
    Ok(Endpoint::new(&Client::new(tls), addresses.map_err(ServiceError::Address)?, limits))
}

fn headers(handler: &Handler) -> Result<HeaderMap, ServiceError> {
    let mut headers = HeaderMap::new();
    for header in &handler.headers {
        let name = HeaderName::try_from(&header.name);
        let value = HeaderValue::try_from(header.value.expose());
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(ServiceError::Header(header.name.clone()));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

//! Services and listeners that are reached by NATS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use holdfast_nats::{Answer, Credentials, CredentialsError, Messenger, NotAnswered, Options, Unusable};
use holdfast_upstream::{Answer as HttpAnswer, Failure, Kind, Outcome as Posted, Report};
use tokio::time::Instant;

use super::cloud::Cloud;
use super::what::What;
use crate::settings::UpstreamUrl;

/// What waits to be sent to services of a handler. What is said is counted with the events, headers are not.
const HANDLER_QUEUE_BYTES: usize = 16 << 20;
/// The event of clients that have no other name for it.
const MESSAGE: &str = "message";
/// The header by which a service answers with another status than 200.
const STATUS: &str = "status";

/// How a NATS is reached, as settings say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    pub(super) url: &'a [UpstreamUrl],
    pub(super) credentials: Option<&'a Path>,
    pub(super) certificate: &'a [PathBuf],
    pub(super) ca: Option<&'a Path>,
    pub(super) insecure: bool,
    /// None where services are asked.
    pub(super) queue_bytes: Option<usize>,
}

/// A connection, and below which subject events go.
#[derive(Clone, Debug)]
pub(crate) struct Nats {
    messenger: Messenger,
    options: Options,
    subject: String,
    /// What stood in the files of certificates when it was made.
    files: Vec<Option<Vec<u8>>>,
}

/// Why a NATS cannot be reached.
#[derive(Debug)]
pub enum NatsError {
    /// Its credentials cannot be read.
    Credentials(CredentialsError),
    /// Something else is not what it must be.
    Unusable(Unusable),
}

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::Unusable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NatsError {}

impl Nats {
    /// One for this hub, or of the `old` ones the one that is the same already, files of certificates and all. None
    /// where the URLs are none of NATS.
    pub(super) fn new<'o>(
        hub: &str,
        access: Access<'_>,
        mut old: impl Iterator<Item = &'o Self>,
    ) -> Result<Option<Self>, NatsError> {
        let places: Option<Vec<_>> = access.url.iter().map(UpstreamUrl::nats).collect();
        let places = places.unwrap_or_default();
        let Some((_, subject)) = places.first() else { return Ok(None) };
        let credentials =
            access.credentials.map(Credentials::read).transpose().map_err(NatsError::Credentials)?;
        let role = if access.queue_bytes.is_some() { "listener" } else { "handler" };
        let options = Options {
            urls: places.iter().map(|(server, _)| (*server).to_owned()).collect(),
            client_name: format!("holdfast, {role} of hub {hub}"),
            credentials,
            ca: access.ca.map(Path::to_owned),
            certificate: match access.certificate {
                [certificate, key] => Some((certificate.clone(), key.clone())),
                _ => None,
            },
            insecure: access.insecure,
            queue_bytes: access.queue_bytes.unwrap_or(HANDLER_QUEUE_BYTES),
            ..Options::default()
        };
        let subject = (*subject).to_owned();
        let files = files(&options);
        let is_it = |old: &&Self| old.options == options && old.subject == subject && old.files == files;
        let messenger = match old.find(is_it) {
            Some(old) => old.messenger.clone(),
            None => Messenger::new(&options).map_err(NatsError::Unusable)?,
        };
        Ok(Some(Self { messenger, options, subject, files }))
    }

    pub(super) fn messenger(&self) -> &Messenger {
        &self.messenger
    }

    /// Where it is, for operators.
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.options.urls.join(", "), self.subject)
    }

    /// The subject of an event: `<subject>.<hub>.connected`, `<subject>.<hub>.message`, `<subject>.<hub>.event.<name>`.
    fn subject_of(&self, hub: &str, what: &What) -> String {
        let name = match what {
            What::Connect { .. } => "connect".to_owned(),
            What::Connected => "connected".to_owned(),
            What::Disconnected { .. } => "disconnected".to_owned(),
            What::Said { name, .. } if name.eq_ignore_ascii_case(MESSAGE) => MESSAGE.to_owned(),
            What::Said { name, .. } => format!("event.{}", holdfast_nats::token(name)),
        };
        format!("{}.{}.{name}", self.subject, holdfast_nats::token(hub))
    }

    /// Publishes an event, for whoever listens. What is not taken is counted by the messenger.
    pub(super) fn publish(&self, hub: &str, what: &What, cloud: &Cloud) {
        let headers: Vec<_> = cloud.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let _ = self.messenger.publish(&self.subject_of(hub, what), &headers, cloud.body.clone());
    }

    /// Asks one of those who listen.
    pub(super) async fn ask(
        &self,
        hub: &str,
        what: &What,
        headers: &HeaderMap,
        body: Bytes,
        bounds: (Duration, usize),
    ) -> Posted {
        let (start, (within, bytes_max)) = (Instant::now(), bounds);
        let text = |(name, value): (&'_ HeaderName, &'_ HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<_> = headers.iter().filter_map(text).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.messenger.ask(&self.subject_of(hub, what), &headers, body, within).await;
        let result = answer.map_err(failure).and_then(|answer| as_http(answer, bytes_max));
        Posted { result, report: Report { attempts: 1, latency: start.elapsed() } }
    }
}

/// What stands in files of certificates. The key is none of them: it changes with its certificate.
fn files(options: &Options) -> Vec<Option<Vec<u8>>> {
    let certificate = options.certificate.as_ref().map(|(certificate, _)| certificate);
    options.ca.iter().chain(certificate).map(|path| std::fs::read(path).ok()).collect()
}

fn failure(why: NotAnswered) -> Failure {
    let (kind, is_sent) = match why {
        NotAnswered::NotSent(holdfast_nats::Refused::TooLarge) => (Kind::Unsendable, false),
        NotAnswered::NotSent(holdfast_nats::Refused::Full) | NotAnswered::TooMany => (Kind::Busy, false),
        NotAnswered::NotSent(holdfast_nats::Refused::Away) | NotAnswered::Nobody | NotAnswered::Denied => {
            (Kind::Connect, false)
        }
        NotAnswered::Late => (Kind::Timeout, true),
        NotAnswered::Lost => (Kind::Broken, true),
    };
    Failure::new(kind, is_sent, why)
}

/// An answer as if it had come over HTTP: the status is that of a header of this name, else 200 where it says what it
/// has, or 204 where nothing is said.
fn as_http(answer: Answer, bytes_max: usize) -> Result<HttpAnswer, Failure> {
    if answer.body.len() > bytes_max {
        return Err(Failure::new(Kind::TooLong, true, ""));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let given =
        headers.get(STATUS).map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()));
    let status = match given {
        None if answer.body.is_empty() => 204,
        None if headers.contains_key(CONTENT_TYPE) => 200,
        // A stream that keeps the subject sends a receipt, which would let anybody in.
        None => {
            return Err(Failure::new(Kind::Malformed, true, "it has neither a status nor a content-type"));
        }
        Some(Some(status @ 200..=999)) => status,
        Some(_) => return Err(Failure::new(Kind::Malformed, true, "its header status is none")),
    };
    Ok(HttpAnswer { status, headers, body: answer.body })
}

#[cfg(test)]
mod tests {
    use holdfast_webpubsub::DataKind;

    use super::*;

    fn nats(url: &str) -> Result<Option<Nats>, NatsError> {
        let url = [UpstreamUrl::try_from(url).expect("a URL")];
        let access = Access {
            url: &url,
            credentials: None,
            certificate: &[],
            ca: None,
            insecure: false,
            queue_bytes: None,
        };
        Nats::new("chat", access, [].iter())
    }

    #[test]
    fn the_subject_names_hub_and_event_and_nothing_that_leads_astray() {
        let nats = nats("nats://127.0.0.1/events.eu").expect("options").expect("NATS");
        let said = |name: &str| What::Said { name: name.into(), kind: DataKind::Text, body: Bytes::new() };
        let reason = String::new();
        for (what, subject) in [
            (What::Connected, "events.eu.chat=2Ea.connected"),
            (What::Disconnected { reason }, "events.eu.chat=2Ea.disconnected"),
            (said("message"), "events.eu.chat=2Ea.message"),
            (said("connected"), "events.eu.chat=2Ea.event.connected"),
            (said("Room.join"), "events.eu.chat=2Ea.event.room=2Ejoin"),
        ] {
            assert_eq!(nats.subject_of("Chat.a", &what), subject);
        }
    }

    #[test]
    fn other_urls_are_none_of_nats_and_tls_is_a_must_beyond_this_machine() {
        assert!(nats("http://127.0.0.1/").expect("options").is_none());
        let error = nats("nats://bus.example/events").expect_err("no TLS").to_string();
        assert!(error.contains("without TLS"), "{error}");
    }

    #[test]
    fn an_answer_has_a_status_and_is_bounded() {
        let answer_with = |header: Option<(&str, &str)>, body: &'static str| {
            let headers = header.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect();
            as_http(Answer { headers, body: Bytes::from_static(body.as_bytes()) }, 4)
                .map(|answer| answer.status)
        };
        let answer = |status: Option<&'static str>, body| answer_with(status.map(|it| ("Status", it)), body);
        assert_eq!((answer(None, ""), answer(Some("401"), "no")), (Ok(204), Ok(401)));
        assert_eq!(answer_with(Some(("content-type", "text/plain")), "a"), Ok(200));
        let receipt = answer(None, "{\"a\"");
        assert_eq!(receipt.expect_err("a stream's receipt says nothing of itself").kind(), Kind::Malformed);
        for status in ["", "x", "99", "1000", "100"] {
            assert_eq!(answer(Some(status), "").expect_err(status).kind(), Kind::Malformed);
        }
        assert_eq!(answer(None, "12345").expect_err("too long").kind(), Kind::TooLong);
    }

    #[test]
    fn what_nobody_has_heard_may_be_said_again() {
        assert!(!failure(NotAnswered::Nobody).is_sent() && failure(NotAnswered::Late).is_sent());
        assert!(failure(NotAnswered::Nobody).to_string().contains("nobody listens"));
    }
}

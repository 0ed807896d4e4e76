//! One connection to one server, by async-nats, whose own ways of coming back are switched off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerInfo};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::credentials::Kind;
use crate::options::Plan;
use crate::server::ServerUrl;

/// How long one address may take, from TCP to the server's first answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long all addresses of a server may take, and asking for them.
const DIAL_WITHIN: Duration = Duration::from_secs(6);
/// The library's own pings. Three that are not answered end what it does for a connection that was left.
const PING_EACH: Duration = Duration::from_secs(4);
/// Commands between us and the library.
const COMMANDS: usize = 64;
/// Messages of one subscription between the library and us. At most 128 reads of [`READ_LEN`] are made before ours
/// have their turn, which no messages of ours fill.
const MESSAGES: usize = 64 * 1024;
const READ_LEN: u16 = 16 * 1024;
/// Things that have happened and were not looked at.
const SIGNALS: usize = 16;
/// Most bytes of what a server says that are shown.
const SHOWN_MAX: usize = 200;

/// What the library says of a connection.
#[derive(Debug)]
pub(crate) enum Signal {
    Lost,
    LameDuck,
    /// What a server complains of.
    Error(String),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) client: Client,
    pub(crate) info: ServerInfo,
    pub(crate) signals: mpsc::Receiver<Signal>,
}

/// Connects. The error is a sentence for the operator. `dropped` counts messages that had no room in the library.
pub(crate) async fn dial(
    plan: &Plan,
    server: &ServerUrl,
    dropped: &Arc<AtomicU64>,
) -> Result<Dialed, String> {
    let (sender, signals) = mpsc::channel(SIGNALS);
    let was_connected = Arc::new(AtomicBool::new(false));
    let options = options(plan, server, dropped.clone(), sender, was_connected.clone())?;
    let connected = timeout(DIAL_WITHIN, options.connect(server.to_string())).await;
    let client = match connected {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return Err(sentence(plan, server, &error)),
        Err(_) => return Err(format!("{server} does not answer")),
    };
    was_connected.store(true, Ordering::Relaxed);
    let info = client.server_info();
    if info.max_payload < plan.options.message_max {
        let (takes, wants) = (info.max_payload, plan.options.message_max);
        return Err(format!(
            "{server} takes messages of at most {takes} bytes, and {wants} are needed: set its max_payload to {wants}"
        ));
    }
    if !info.headers {
        return Err(format!("{server} knows no headers: NATS 2.9 or newer is needed"));
    }
    Ok(Dialed { client, info, signals })
}

fn options(
    plan: &Plan,
    server: &ServerUrl,
    dropped: Arc<AtomicU64>,
    signals: mpsc::Sender<Signal>,
    was_connected: Arc<AtomicBool>,
) -> Result<ConnectOptions, String> {
    let options = match plan.options.credentials.as_ref().map(|credentials| &credentials.0) {
        None => ConnectOptions::new(),
        Some(Kind::Seed(seed)) => ConnectOptions::with_nkey(seed.clone()),
        Some(Kind::Password(user, password)) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        // What is wrong with them was said when they were read; the library's error might repeat them.
        Some(Kind::Jwt(text)) => ConnectOptions::with_credentials(text)
            .map_err(|_| "the credentials have no JWT and seed that are of use".to_owned())?,
    };
    // The library would come back by itself, with all that was said in the meantime. It is left to one attempt, so
    // late that nothing of ours is there any more.
    let delay = move |_| if was_connected.load(Ordering::Relaxed) { PING_EACH } else { Duration::ZERO };
    Ok(options
        .name(&plan.options.client_name)
        .no_echo()
        .ping_interval(PING_EACH)
        .connection_timeout(CONNECT_WITHIN)
        .client_capacity(COMMANDS)
        .subscription_capacity(MESSAGES)
        .read_buffer_capacity(READ_LEN)
        .skip_subject_validation(true)
        .ignore_discovered_servers()
        .require_tls(server.is_tls)
        .tls_client_config(plan.tls.clone())
        .max_reconnects(1)
        .reconnect_delay_callback(delay)
        .event_callback(move |event| {
            signal(event, &dropped, &signals);
            std::future::ready(())
        }))
}

/// Nothing here waits: what does not fit is found out by silence.
fn signal(event: Event, dropped: &AtomicU64, signals: &mpsc::Sender<Signal>) {
    let said = match event {
        Event::Disconnected | Event::Closed => Signal::Lost,
        Event::LameDuckMode => Signal::LameDuck,
        Event::ServerError(error) => Signal::Error(shown(&error.to_string())),
        Event::SlowConsumer(_) => {
            dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Event::Connected | Event::Draining | Event::ClientError(_) => return,
    };
    let _ = signals.try_send(said);
}

/// Why there is no connection, for the operator.
fn sentence(plan: &Plan, server: &ServerUrl, error: &ConnectError) -> String {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let cause = shown(&cause);
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation if plan.options.credentials.is_none() => {
            format!("{server} wants credentials, and none are given")
        }
        ConnectErrorKind::AuthorizationViolation => format!("{server} refuses the credentials"),
        ConnectErrorKind::Authentication => format!("the seed of the credentials cannot sign for {server}"),
        ConnectErrorKind::TimedOut => format!("{server} does not answer"),
        ConnectErrorKind::Tls => format!("no TLS with {server}: {cause}"),
        ConnectErrorKind::Dns => format!("no address of {server}: {cause}"),
        _ => format!("no connection to {server}: {cause}"),
    }
}

/// What somebody else says, as a part of a sentence: in one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(SHOWN_MAX).collect()
}

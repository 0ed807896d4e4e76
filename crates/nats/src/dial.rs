//! One connection to one server: TCP, what it says first, TLS, who we are, its first answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::credentials::Kind;
use crate::intake::{Intake, Over};
use crate::options::Plan;
use crate::protocol::{self, Connect, Event, Info};
use crate::seed::Signer;
use crate::server::ServerUrl;

/// How long one address may take, from TCP to the server's first answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a server may be silent before it is taken for one that waits for TLS, where TLS is asked for.
const SILENT: Duration = Duration::from_secs(1);
/// How long all addresses of a server may take, and asking for them.
const DIAL_WITHIN: Duration = Duration::from_secs(6);
/// Most addresses of a server that are tried.
const ADDRESSES_MAX: usize = 16;
/// Most bytes of what a server says that are shown.
const SHOWN_MAX: usize = 200;

/// A connection.
pub(crate) struct Dialed {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) intake: Intake,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) info: Info,
}

/// Connects. The error is a sentence for the operator.
pub(crate) async fn dial(plan: &Plan, server: &ServerUrl) -> Result<Dialed, String> {
    let dialed = timeout(DIAL_WITHIN, any(plan, server)).await.unwrap_or_else(|_| Err(silent(server)))?;
    usable(plan, server, &dialed.info)?;
    Ok(dialed)
}

/// Whether a server takes what is said to it, by what it says of itself.
pub(crate) fn usable(plan: &Plan, server: &ServerUrl, info: &Info) -> Result<(), String> {
    let (takes, wants) = (info.max_payload, plan.options.message_max);
    if takes < wants as u64 {
        return Err(format!(
            "{server} takes messages of at most {takes} bytes, and {wants} are needed: set its max_payload to {wants}"
        ));
    }
    if !info.headers {
        return Err(format!("{server} knows no headers: NATS 2.9 or newer is needed"));
    }
    Ok(())
}

/// At one of its addresses.
async fn any(plan: &Plan, server: &ServerUrl) -> Result<Dialed, String> {
    let found = lookup_host((server.host.as_str(), server.port)).await;
    let found = found.map_err(|error| format!("no address of {server}: {}", shown(&error.to_string())))?;
    let mut last = format!("no address of {server}: none is known");
    for address in found.take(ADDRESSES_MAX) {
        match one(plan, server, address).await {
            Ok(dialed) => return Ok(dialed),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

async fn one(plan: &Plan, server: &ServerUrl, address: SocketAddr) -> Result<Dialed, String> {
    let attempt = |is_tls_first| timeout(CONNECT_WITHIN, attempt(plan, server, address, is_tls_first));
    let late = |_| Err(Failed::Reason(silent(server)));
    let mut dialed = attempt(false).await.unwrap_or_else(late);
    if matches!(dialed, Err(Failed::Silent)) && server.is_tls {
        // Some wait for TLS before they say anything.
        dialed = attempt(true).await.unwrap_or_else(late);
    }
    dialed.map_err(|failed| match failed {
        Failed::Silent => silent(server),
        Failed::Reason(reason) => reason,
    })
}

/// Why there is no connection.
enum Failed {
    /// It says nothing.
    Silent,
    Reason(String),
}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

async fn attempt(
    plan: &Plan,
    server: &ServerUrl,
    address: SocketAddr,
    is_tls_first: bool,
) -> Result<Dialed, Failed> {
    let broken = |error: io::Error| no_connection(server, &error.to_string());
    let mut stream = TcpStream::connect(address).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let mut intake = Intake::new();
    if is_tls_first {
        let (mut reader, writer) = tokio::io::split(secured(plan, server, stream).await?);
        let info = greeting(server, &mut intake, &mut reader).await?;
        return Ok(enter(plan, server, intake, (reader, writer), info, true).await?);
    }
    let greeted = greeting(server, &mut intake, &mut stream);
    let info = match server.is_tls {
        true => timeout(SILENT, greeted).await.map_err(|_| Failed::Silent)??,
        false => greeted.await?,
    };
    if !server.is_tls && !info.tls_required {
        let (reader, writer) = stream.into_split();
        return Ok(enter(plan, server, intake, (reader, writer), info, false).await?);
    }
    if !info.tls_required && !info.tls_available {
        return Err(no_connection(server, "it has no TLS").into());
    }
    if !intake.is_empty() {
        return Err(no_connection(server, "it goes on before TLS has begun").into());
    }
    let (reader, writer) = tokio::io::split(secured(plan, server, stream).await?);
    Ok(enter(plan, server, intake, (reader, writer), info, true).await?)
}

async fn secured(
    plan: &Plan,
    server: &ServerUrl,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let failed = |cause: &str| format!("no TLS with {server}: {}", shown(cause));
    let name = ServerName::try_from(server.host.clone()).map_err(|error| failed(&error.to_string()))?;
    let connected = TlsConnector::from(plan.tls.clone()).connect(name, stream).await;
    connected.map_err(|error| failed(&error.to_string()))
}

/// What it says first: what it is, or why it has no room.
async fn greeting(
    server: &ServerUrl,
    intake: &mut Intake,
    reader: &mut (impl AsyncRead + Unpin),
) -> Result<Info, String> {
    match intake.next(reader).await {
        Ok(Event::Info(info)) => Ok(*info),
        Ok(Event::Error(text)) => Err(no_connection(server, &text)),
        Ok(_) => Err(no_connection(server, "it does not say what it is")),
        Err(over) => Err(ended(server, over)),
    }
}

/// Says who we are, and waits for the answer.
async fn enter<R, W>(
    plan: &Plan,
    server: &ServerUrl,
    mut intake: Intake,
    (mut reader, mut writer): (R, W),
    mut info: Info,
    is_tls: bool,
) -> Result<Dialed, String>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: io::Error| no_connection(server, &error.to_string());
    let hello = hello(plan, &info, is_tls).ok_or_else(|| unsigned(server))?;
    writer.write_all(&hello).await.map_err(broken)?;
    writer.flush().await.map_err(broken)?;
    loop {
        match intake.next(&mut reader).await {
            Ok(Event::Pong) => break,
            // What it says after TLS and after it knows us counts.
            Ok(Event::Info(newer)) => info = *newer,
            Ok(Event::Error(text)) => return Err(refused(plan, server, &text)),
            Ok(Event::Ping) => {
                let mut pong = Vec::new();
                protocol::pong(&mut pong);
                writer.write_all(&pong).await.map_err(broken)?;
                writer.flush().await.map_err(broken)?;
            }
            Ok(_) => {}
            Err(over) => return Err(ended(server, over)),
        }
    }
    intake.set_max_payload(bytes(info.max_payload));
    Ok(Dialed { reader: Box::new(reader), intake, writer: Box::new(writer), info })
}

/// Who we are, and a ping. None: the credentials cannot sign.
fn hello(plan: &Plan, info: &Info, is_tls: bool) -> Option<Vec<u8>> {
    let mut connect = Connect {
        tls_required: is_tls,
        name: &plan.options.client_name,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        protocol: 1,
        headers: true,
        no_responders: true,
        ..Connect::default()
    };
    match plan.options.credentials.as_ref().map(|credentials| &credentials.0) {
        None => {}
        Some(Kind::Password(user, password)) => {
            (connect.user, connect.pass) = (Some(user.as_str()), Some(password.as_str()));
        }
        Some(Kind::Seed(seed)) => {
            let signer = Signer::new(seed)?;
            (connect.nkey, connect.sig) = (Some(signer.public()), Some(signer.sign(&info.nonce)));
        }
        Some(Kind::Jwt(jwt, seed)) => {
            (connect.jwt, connect.sig) = (Some(jwt.as_str()), Some(Signer::new(seed)?.sign(&info.nonce)));
        }
    }
    let mut out = Vec::new();
    protocol::connect(&mut out, &connect);
    protocol::ping(&mut out);
    Some(out)
}

/// What a server says of its bytes, as far as this machine can count.
pub(crate) fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn refused(plan: &Plan, server: &ServerUrl, text: &str) -> String {
    let low = text.to_ascii_lowercase();
    let is_about_us = ["authorization", "authentication"].iter().any(|word| low.contains(word));
    match is_about_us {
        true if plan.options.credentials.is_none() => {
            format!("{server} wants credentials, and none are given")
        }
        true => format!("{server} refuses the credentials"),
        false => no_connection(server, text),
    }
}

fn ended(server: &ServerUrl, over: Over) -> String {
    match over {
        Over::Closed => no_connection(server, "it has closed it"),
        Over::Broken(error) => no_connection(server, &error.to_string()),
        Over::Garbage(garbage) => no_connection(server, &format!("this is no NATS: {garbage}")),
    }
}

fn unsigned(server: &ServerUrl) -> String {
    format!("the seed of the credentials cannot sign for {server}")
}

fn silent(server: &ServerUrl) -> String {
    format!("{server} does not answer")
}

fn no_connection(server: &ServerUrl, cause: &str) -> String {
    format!("no connection to {server}: {}", shown(cause))
}

/// What somebody else says, as a part of a sentence: in one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(SHOWN_MAX).collect()
}

//! A connection with its subscriptions, and what happens on it until it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, PublishErrorKind, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::dial::{Dialed, Signal, dial};
use crate::message::{Cost, Outgoing, Received};
use crate::options::Plan;
use crate::queue::Queue;
use crate::server::ServerUrl;
use crate::window::Window;

/// A probe each beat. One that is silent for more than five is left.
const BEAT: Duration = Duration::from_secs(1);
/// How long the answer to the first probe may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long a complaint may come behind the answer to the first probe. It was said before it, but comes by another way.
const COMPLAINT_WITHIN: Duration = Duration::from_millis(20);
/// Messages sent after which other tasks have their turn.
const TURN: u32 = 256;
/// Messages read after which they have. In one turn of its own the library brings up to 60,000 short ones, and drops
/// what it finds no room for: so all that has come is read.
const READ_TURN: u32 = 1 << 16;

/// A connection with its subscriptions.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    streams: SelectAll<Subscriber>,
    signals: mpsc::Receiver<Signal>,
    probes: Arc<Probes>,
    /// The server, for the operator, and by the name that it gives itself.
    pub(crate) server: String,
    pub(crate) server_id: String,
    pub(crate) url: ServerUrl,
    /// Most bytes of a message, headers and all.
    pub(crate) max_payload: usize,
    /// Addresses of others, as it says.
    pub(crate) others: Vec<String>,
}

/// What a connection is proved by, and spoken to while it is served.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    client: Client,
    probes: Arc<Probes>,
}

/// Probes of a connection.
#[derive(Debug)]
struct Probes {
    window: Window,
    /// `<probe>.p.`
    answers: String,
    /// `<probe>.q`
    question: Subject,
    /// What another connection of ours has said to this one has come.
    crossed: Notify,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// It is lost, for this reason.
    Lost(String),
    /// Its server is about to end.
    LameDuck,
}

/// Where messages go that have come.
pub(crate) trait Heard {
    /// One has.
    fn heard(&self, message: Received);
    /// The server has said something.
    fn alive(&self);
    /// It denies something: to speak to this subject, or else to listen. Why the connection is over, if it is.
    fn denied(&self, reason: String, subject: Option<&str>) -> Option<String>;
}

impl Link {
    /// Connects and subscribes. The server has all subscriptions when [`prove`](Self::prove) has returned.
    pub(crate) async fn open(plan: &Plan, url: &ServerUrl, dropped: &Arc<AtomicU64>) -> Result<Self, String> {
        let Dialed { client, info, signals } = dial(plan, url, dropped).await?;
        let answers = format!("{}.p.", plan.options.probe);
        let mut streams = Vec::new();
        for subject in plan.options.subjects.iter().cloned().chain([format!("{answers}*")]) {
            let subscribed = timeout(ANSWER_WITHIN, client.subscribe(subject)).await;
            streams
                .push(subscribed.ok().and_then(Result::ok).ok_or_else(|| format!("{url} was lost at once"))?);
        }
        let question = format!("{}.q", plan.options.probe).into();
        let (name, version) = (crate::dial::shown(&info.server_name), crate::dial::shown(&info.version));
        Ok(Self {
            client,
            streams: select_all(streams),
            signals,
            probes: Arc::new(Probes { window: Window::default(), answers, question, crossed: Notify::new() }),
            server: format!("{url} ({name}, {version})"),
            server_id: info.server_id,
            url: url.clone(),
            max_payload: info.max_payload,
            others: info.connect_urls,
        })
    }

    /// Returns when the server has shown that it has taken all subscriptions, or why it has not.
    pub(crate) async fn prove(&mut self, heard: &impl Heard) -> Result<(), String> {
        let Self { client, streams, signals, probes, server, .. } = self;
        let answered = async {
            probes.probe(client).await;
            probes.window.first_answer().await;
            sleep(COMPLAINT_WITHIN).await;
        };
        tokio::select! {
            end = read(streams, probes, heard) => Err(end.sentence(server)),
            end = look(signals, server, heard) => Err(end.sentence(server)),
            answered = timeout(ANSWER_WITHIN, answered) => {
                answered.map_err(|_| format!("{server} does not say that nobody listens, as it is asked"))
            }
        }
    }

    /// Reads, and sends what waits in `queue`, until it is over. Nothing is lost when it is dropped: what was not
    /// sent still waits.
    pub(crate) async fn serve(
        &mut self,
        heard: &impl Heard,
        queue: Option<&Queue<Outgoing>>,
        sent: &AtomicU64,
    ) -> End {
        let Self { client, streams, signals, probes, server, .. } = self;
        let pump = async {
            match queue {
                Some(queue) => pump(client, probes, queue, sent).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = read(streams, probes, heard) => end,
            end = look(signals, server, heard) => end,
            end = beat(client, probes, server) => end,
            () = pump => End::Lost(format!("{server} was lost")),
        }
    }

    /// By which it is spoken to while it is served.
    pub(crate) fn door(&self) -> Door {
        Door { client: self.client.clone(), probes: self.probes.clone() }
    }
}

impl Door {
    /// Returns when the server has dealt with all that was said to it.
    pub(crate) async fn all_proved(&self) {
        self.probes.probe(&self.client).await;
        self.probes.window.all_proved().await;
    }

    /// Says something to another connection of ours, and returns when it has come there: behind all that was said here
    /// before, and all that the other's server knows of what is said to this one.
    pub(crate) async fn cross(&self, other: &Self) {
        let _ = self.client.publish(format!("{}x", other.probes.answers), Bytes::new()).await;
        other.probes.crossed.notified().await;
    }
}

impl Probes {
    async fn probe(&self, client: &Client) {
        let reply = format!("{}{}", self.answers, self.window.probe());
        // Where the connection is gone, silence says so.
        let _ = client.publish_with_reply(self.question.clone(), reply, Bytes::new()).await;
    }

    /// Whether a message is one of ours, which nobody else is to see.
    fn is_own(&self, message: &Received) -> bool {
        let Some(token) = message.subject.strip_prefix(&*self.answers) else { return false };
        match (token.parse(), message.status) {
            (Ok(probe), Some(StatusCode::NO_RESPONDERS)) => self.window.answered(probe),
            (Err(_), None) if token == "x" => self.crossed.notify_one(),
            _ => {}
        }
        true
    }
}

impl End {
    fn sentence(self, server: &str) -> String {
        match self {
            Self::Lost(sentence) => sentence,
            Self::LameDuck => format!("{server} is about to end"),
        }
    }
}

async fn read(streams: &mut SelectAll<Subscriber>, probes: &Probes, heard: &impl Heard) -> End {
    let mut turn = 0;
    while let Some(message) = streams.next().await {
        let message = Received::from(message);
        heard.alive();
        if !probes.is_own(&message) {
            heard.heard(message);
        }
        turn = (turn + 1) % READ_TURN;
        if turn == 0 {
            tokio::task::yield_now().await;
        }
    }
    End::Lost("the connection was lost".to_owned())
}

/// Sends what waits. Dropped, it has sent the first message or left it there.
async fn pump(client: &Client, probes: &Probes, queue: &Queue<Outgoing>, sent: &AtomicU64) {
    let mut turn = 0_u32;
    loop {
        let message = queue.front().await;
        probes.window.room().await;
        let cost = message.cost();
        match publish(client, message).await {
            Ok(()) => drop(sent.fetch_add(1, Ordering::Relaxed)),
            Err(error) if error.kind() == PublishErrorKind::Send => return,
            // A server that takes less than the one before it.
            Err(_) => {}
        }
        queue.pop();
        if probes.window.said(cost) {
            probes.probe(client).await;
        }
        turn = turn.wrapping_add(1);
        if turn % TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn publish(client: &Client, message: Outgoing) -> Result<(), async_nats::PublishError> {
    let Outgoing { subject, reply, headers, payload } = message;
    match (reply, headers) {
        (None, None) => client.publish(subject, payload).await,
        (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).await,
        (Some(reply), None) => client.publish_with_reply(subject, reply, payload).await,
        (Some(reply), Some(headers)) => {
            client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        }
    }
}

async fn beat(client: &Client, probes: &Probes, server: &str) -> End {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if probes.window.beat() {
            return End::Lost(format!("{server} does not answer any more"));
        }
        // A server that stands still takes no probe either.
        let _ = timeout(BEAT / 2, probes.probe(client)).await;
    }
}

/// Waits for what ends a connection.
async fn look(signals: &mut mpsc::Receiver<Signal>, server: &str, heard: &impl Heard) -> End {
    let mut complaint = None;
    while let Some(signal) = signals.recv().await {
        match signal {
            Signal::LameDuck => return End::LameDuck,
            Signal::Error(text) if text.to_ascii_lowercase().contains("permissions violation") => {
                let reason = format!("{server} denies a subject: {text}");
                if let Some(reason) = heard.denied(reason, spoken_to(&text)) {
                    return End::Lost(reason);
                }
            }
            Signal::Error(text) => complaint = Some(text),
            Signal::Lost => break,
        }
    }
    End::Lost(match complaint {
        Some(text) => format!("{server} has ended the connection: {text}"),
        None => format!("{server} was lost"),
    })
}

/// The subject that a server does not let us speak to, as it says: `Permissions Violation for Publish to "a.b"`.
fn spoken_to(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("Publish to \"")?;
    rest.split_once('"').map(|(subject, _)| subject)
}

//! A connection with its subscriptions, and what happens on it until it is over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::denial::denied_subject;
use crate::dial::{Dialed, bytes, dial, shown, usable};
use crate::intake::{Intake, Over};
use crate::message::{Outgoing, Received};
use crate::options::Plan;
use crate::probes::{Probes, answers};
use crate::protocol::{self, Event, Info};
use crate::queue::Queue;
use crate::server::ServerUrl;
use crate::writer::{Tally, Writer};

/// A probe each beat. One that is silent for more than five is left.
const BEAT: Duration = Duration::from_secs(1);
/// How long the answer to the first probe may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Things said by the server after which other tasks have their turn.
const TURN: u32 = 256;

/// A connection with its subscriptions.
#[derive(Debug)]
pub(crate) struct Link {
    ear: Ear,
    writer: Writer,
    pub(crate) probes: Arc<Probes>,
    /// The server, for the operator, and by the name that it gives itself.
    pub(crate) server: String,
    pub(crate) server_id: String,
    pub(crate) url: ServerUrl,
}

/// What is heard by a connection, and was.
struct Ear {
    half: Box<dyn AsyncRead + Send + Unpin>,
    intake: Intake,
    /// What it complained of last.
    complaint: Option<String>,
    /// Addresses of others, as it says.
    others: Vec<String>,
    lame: Lame,
}

/// Whether the server has said that it is about to end, and that was told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lame {
    No,
    Said,
    Told,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// It is lost, for this reason.
    Lost(String),
    /// Its server is about to end, which is told once.
    LameDuck,
}

/// Where messages go that have come.
pub(crate) trait Heard {
    /// One has.
    fn heard(&self, message: Received);
    /// The server has said something.
    fn alive(&self);
    /// One has headers that are not understood.
    fn bare(&self);
    /// One was too long.
    fn too_long(&self);
    /// The server denies something: to speak to this subject, or else to listen. Why the connection is over, if it is.
    fn denied(&self, reason: String, subject: Option<&str>) -> Option<String>;
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("complaint", &self.complaint).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects and subscribes. The server has all subscriptions when [`prove`](Self::prove) has returned.
    pub(crate) async fn open(plan: &Plan, url: &ServerUrl, tally: &Arc<Tally>) -> Result<Self, String> {
        let Dialed { reader, intake, writer, info } = dial(plan, url).await?;
        let probe = &plan.options.probe;
        let probes = Probes::new(probe, bytes(info.max_payload));
        let own = [format!("{}*", answers(probe))];
        for (at, subject) in plan.options.subjects.iter().chain(&own).enumerate() {
            probes.say(|out| protocol::subscribe(out, subject, at + 1));
        }
        let (name, version) = (shown(&info.server_name), shown(&info.version));
        // What was said before TLS anybody may have said: credentials would go there.
        let others = if url.is_tls { Vec::new() } else { info.connect_urls };
        let lame = if info.is_lame { Lame::Said } else { Lame::No };
        Ok(Self {
            ear: Ear { half: reader, intake, complaint: None, others, lame },
            writer: Writer::new(writer, tally.clone()),
            probes: Arc::new(probes),
            server: format!("{url} ({name}, {version})"),
            server_id: info.server_id,
            url: url.clone(),
        })
    }

    /// Returns when the server has shown that it has taken all subscriptions, or why it has not.
    pub(crate) async fn prove(&mut self, plan: &Plan, heard: &impl Heard) -> Result<(), String> {
        let Self { ear, writer, probes, server, url, .. } = self;
        let answered = async {
            probes.probe();
            probes.window.first_answer().await;
        };
        // What it denies it says before its answer to the probe.
        tokio::select! {
            biased;
            end = ear.listen(plan, (url, server), probes, heard, false) => Err(end.sentence(server)),
            () = answered => Ok(()),
            error = writer.run(probes, None) => Err(ear.lost(server, &error.to_string())),
            () = tokio::time::sleep(ANSWER_WITHIN) => {
                Err(format!("{server} does not say that nobody listens, as it is asked"))
            }
        }
    }

    /// Reads, and sends what waits in `queue`, until it is over. When it is dropped the message that was begun is ended
    /// by the next call, and what was not sent still waits.
    pub(crate) async fn serve(
        &mut self,
        plan: &Plan,
        heard: &impl Heard,
        queue: Option<&Queue<Outgoing>>,
    ) -> End {
        let Self { ear, writer, probes, server, url, .. } = self;
        if ear.lame == Lame::Said {
            ear.lame = Lame::Told;
            return End::LameDuck;
        }
        let failed = {
            tokio::select! {
                end = ear.listen(plan, (url, server), probes, heard, true) => return end,
                end = beat(probes, server) => return end,
                error = writer.run(probes, queue) => error,
            }
        };
        // It may have said why.
        let rest = timeout(BEAT / 10, ear.listen(plan, (url, server), probes, heard, false)).await;
        rest.unwrap_or_else(|_| End::Lost(ear.lost(server, &failed.to_string())))
    }

    /// Whether its server is about to end.
    pub(crate) fn is_lame(&self) -> bool {
        self.ear.lame != Lame::No
    }

    /// Addresses of others, as it says.
    pub(crate) fn others(&self) -> &[String] {
        &self.ear.others
    }

    /// Most bytes of a message, headers and all.
    pub(crate) fn max_payload(&self) -> usize {
        self.probes.max_payload.load(Ordering::Relaxed)
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

impl Ear {
    /// Hears what the server says until the connection is over. `is_told`: that the server is about to end is, too.
    async fn listen(
        &mut self,
        plan: &Plan,
        (url, server): (&ServerUrl, &str),
        probes: &Probes,
        heard: &impl Heard,
        is_told: bool,
    ) -> End {
        let mut turn = 0_u32;
        loop {
            let event = match self.intake.next(&mut self.half).await {
                Ok(event) => event,
                Err(over) => return End::Lost(self.over(server, over)),
            };
            match event {
                Event::Message(message) => deliver(message, probes, heard),
                Event::Bare(message) => {
                    heard.bare();
                    deliver(message, probes, heard);
                }
                Event::TooLong => heard.too_long(),
                Event::Ping => {
                    if !probes.say(protocol::pong) {
                        return End::Lost(format!("{server} asks, and takes no answers"));
                    }
                }
                Event::Pong | Event::Ok => {}
                Event::Info(info) => {
                    if let Err(reason) = self.learn(plan, url, probes, *info) {
                        return End::Lost(reason);
                    }
                }
                Event::Error(text) => {
                    if let Some(reason) = self.complain(server, probes, heard, &text) {
                        return End::Lost(reason);
                    }
                }
            }
            if is_told && self.lame == Lame::Said {
                self.lame = Lame::Told;
                return End::LameDuck;
            }
            turn = turn.wrapping_add(1);
            if turn.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The server says anew what it is.
    fn learn(&mut self, plan: &Plan, url: &ServerUrl, probes: &Probes, info: Info) -> Result<(), String> {
        usable(plan, url, &info)?;
        probes.max_payload.store(bytes(info.max_payload), Ordering::Relaxed);
        self.intake.set_max_payload(bytes(info.max_payload));
        self.others = info.connect_urls;
        if info.is_lame && self.lame == Lame::No {
            self.lame = Lame::Said;
        }
        Ok(())
    }

    /// The server complains. Why the connection is over, if it is.
    fn complain(&mut self, server: &str, probes: &Probes, heard: &impl Heard, text: &str) -> Option<String> {
        if !text.to_ascii_lowercase().contains("permissions violation") {
            self.complaint = Some(shown(text));
            return None;
        }
        let reason = format!("{server} denies a subject: {}", shown(text));
        let subject = denied_subject(text);
        if subject.as_deref() == Some(&*probes.question) {
            return Some(reason);
        }
        heard.denied(reason, subject.as_deref())
    }

    fn over(&self, server: &str, over: Over) -> String {
        match over {
            Over::Closed => self.lost(server, ""),
            Over::Broken(error) => self.lost(server, &error.to_string()),
            Over::Garbage(garbage) => shown(&format!("{server} was left, this is no NATS: {garbage}")),
        }
    }

    fn lost(&self, server: &str, cause: &str) -> String {
        match &self.complaint {
            Some(text) => format!("{server} has ended the connection: {text}"),
            None if cause.is_empty() => format!("{server} was lost"),
            None => format!("{server} was lost: {}", shown(cause)),
        }
    }
}

fn deliver(message: Received, probes: &Probes, heard: &impl Heard) {
    heard.alive();
    if !probes.is_own(&message) {
        heard.heard(message);
    }
}

async fn beat(probes: &Probes, server: &str) -> End {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if probes.window.beat() {
            return End::Lost(format!("{server} does not answer any more"));
        }
        probes.probe();
    }
}

//! Messages to services, and questions that they answer.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use holdfast_cluster::bus::{BusState, Refused};
use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answers::NotAnswered;
use crate::keeper::keep;
use crate::message::Outgoing;
use crate::options::Options;
use crate::places::chance;
use crate::protocol::encode;
use crate::shared::{Shared, Sink};
use crate::status::Status;
use crate::unusable::Unusable;

/// How often whoever asks looks whether there is a server.
const AGAIN: Duration = Duration::from_millis(20);
/// Below which subjects answers come, and probes go.
const INBOX: &str = "_INBOX.holdfast";

/// Publishes to subjects, and asks. Cheap to clone: all clones are one connection, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Messenger {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    shared: Arc<Shared>,
    keeper: OnceLock<AbortHandle>,
    /// `_INBOX.holdfast.<token>.r.`
    answers: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its headers, as they came: names in any letter case.
    pub headers: Vec<(String, String)>,
    /// What it says.
    pub body: Bytes,
}

/// Neither values of headers nor the body are shown: they may be secrets.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Answer").field("headers", &names).field("bytes", &self.body.len()).finish()
    }
}

impl Messenger {
    /// One that is not connected yet. `subjects`, `probe` and `message_max` of the options are its own business.
    ///
    /// # Errors
    /// What the operator must mend, in one sentence.
    pub fn new(options: &Options) -> Result<Self, Unusable> {
        let probe = format!("{INBOX}.{:016x}", chance());
        let answers = format!("{probe}.r.");
        let subjects = vec![format!("{answers}*")];
        let plan = Options { subjects, probe, message_max: 0, ..options.clone() }.plan()?;
        let shared = Arc::new(Shared::new(plan, Sink::answers(answers.clone())));
        Ok(Self { kept: Arc::new(Kept { shared, keeper: OnceLock::new(), answers }) })
    }

    /// Connects from now on, on this runtime. A second time it changes nothing.
    pub fn start(&self, runtime: &Runtime) {
        self.kept.keeper.get_or_init(|| {
            let keep = keep(self.kept.shared.clone());
            runtime.spawn(tokio::task::unconstrained(keep)).abort_handle()
        });
    }

    /// Publishes, for whoever listens. Never waits.
    ///
    /// # Errors
    /// Why it was not taken, which is counted.
    pub fn publish(&self, subject: &str, headers: &[(&str, &str)], body: Bytes) -> Result<(), Refused> {
        self.send(subject, None, headers, body)
    }

    /// Asks: one of those that listen answers. While there is no server it is waited for: nobody has heard the
    /// question.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        within: Duration,
    ) -> Result<Answer, NotAnswered> {
        let until = Instant::now() + within;
        while !self.is_here() && Instant::now() + AGAIN < until {
            sleep(AGAIN).await;
        }
        let table = self.kept.shared.answers().ok_or(NotAnswered::TooMany)?;
        let mut place = table.place(subject).ok_or(NotAnswered::TooMany)?;
        let reply = format!("{}{}", self.kept.answers, place.number).into();
        self.send(subject, Some(reply), headers, body).map_err(NotAnswered::NotSent)?;
        let answer = timeout_at(until, &mut place.answer).await.map_err(|_| NotAnswered::Late)?;
        let received = answer.unwrap_or(Err(NotAnswered::Lost))?;
        Ok(Answer { headers: received.headers, body: received.payload })
    }

    fn send(
        &self,
        subject: &str,
        reply: Option<Box<str>>,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(), Refused> {
        let (subject, headers) = (subject.into(), encode(headers));
        self.kept.shared.publish(Outgoing { subject, reply, headers, payload: body })
    }

    /// Whether it is connected.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.kept.shared.state() != BusState::Away
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.kept.shared.status()
    }

    /// Returns when it is connected, or why it is not.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub async fn reach(&self, within: Duration) -> Result<(), String> {
        let shared = &self.kept.shared;
        let reached = async {
            loop {
                let status = shared.status();
                match (status.session, status.last_error) {
                    (Some(_), _) => return Ok(()),
                    (None, Some(error)) => return Err(error),
                    (None, None) => shared.come().await,
                }
            }
        };
        timeout(within, reached).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    /// Sends what waits, for at most this long.
    pub async fn flush(&self, within: Duration) {
        if self.is_here() {
            self.kept.shared.all_sent_within(within).await;
        }
    }
}

//! Questions that wait for an answer. Each leaves the table when it is answered, denied, given up or lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use holdfast_cluster::bus::Refused;
use tokio::sync::oneshot;

use crate::message::Received;
use crate::protocol::NO_RESPONDERS;
use crate::queue::lock;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnswered {
    /// The question was not taken: nobody has heard it.
    NotSent(Refused),
    /// As many wait already as may: nobody has heard it.
    TooMany,
    /// Nobody listens to its subject.
    Nobody,
    /// The server does not let us speak there.
    Denied,
    /// No answer in time.
    Late,
    /// The connection was lost before there was one.
    Lost,
}

impl fmt::Display for NotAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => why.fmt(f),
            Self::TooMany => f.write_str("too many wait for an answer"),
            Self::Nobody => f.write_str("nobody listens to its subject"),
            Self::Denied => f.write_str("the server denies its subject"),
            Self::Late => f.write_str("no answer in time"),
            Self::Lost => f.write_str("the connection was lost before the answer came"),
        }
    }
}

impl std::error::Error for NotAnswered {}

/// Most questions that wait.
const WAITING_MAX: usize = 1 << 17;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    subject: Box<str>,
    asker: oneshot::Sender<Result<Received, NotAnswered>>,
}

/// A place in the table, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    answers: &'a Answers,
    pub(crate) number: u64,
    pub(crate) answer: oneshot::Receiver<Result<Received, NotAnswered>>,
}

impl Answers {
    /// A place for a question about to be asked of `subject`, if there is one.
    pub(crate) fn place(&self, subject: &str) -> Option<Place<'_>> {
        let mut inner = lock(&self.inner);
        if inner.waiting.len() >= WAITING_MAX {
            return None;
        }
        inner.last += 1;
        let ((asker, answer), number) = (oneshot::channel(), inner.last);
        inner.waiting.insert(number, Waiting { subject: subject.into(), asker });
        Some(Place { answers: self, number, answer })
    }

    /// An answer has come, for the question with this number. Whether somebody waits for it.
    pub(crate) fn answer(&self, number: u64, message: Received) -> bool {
        let Some(waiting) = lock(&self.inner).waiting.remove(&number) else { return false };
        let is_nobody = message.status == Some(NO_RESPONDERS);
        waiting.asker.send(if is_nobody { Err(NotAnswered::Nobody) } else { Ok(message) }).is_ok()
    }

    /// The server takes nothing for this subject.
    pub(crate) fn deny(&self, subject: &str) {
        let is_its = |_: &u64, waiting: &mut Waiting| *waiting.subject == *subject;
        let denied: Vec<_> = lock(&self.inner).waiting.extract_if(is_its).collect();
        for (_, waiting) in denied {
            let _ = waiting.asker.send(Err(NotAnswered::Denied));
        }
    }

    /// The connection is lost: no answer comes.
    pub(crate) fn lose(&self) {
        // Those who asked are woken without the lock.
        let lost = std::mem::take(&mut lock(&self.inner).waiting);
        for (_, waiting) in lost {
            let _ = waiting.asker.send(Err(NotAnswered::Lost));
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.inner).waiting.len()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.answers.inner).waiting.remove(&self.number);
    }
}

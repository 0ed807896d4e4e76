//! Questions that wait for an answer. Each leaves the table when it is answered, denied, given up or lost.

use std::collections::HashMap;
use std::sync::Mutex;

use async_nats::{StatusCode, Subject};
use tokio::sync::oneshot;

use crate::message::Received;
use crate::messenger::NotAnswered;
use crate::queue::lock;

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
    subject: Subject,
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
    pub(crate) fn place(&self, subject: &Subject) -> Option<Place<'_>> {
        let mut inner = lock(&self.inner);
        if inner.waiting.len() >= WAITING_MAX {
            return None;
        }
        inner.last += 1;
        let ((asker, answer), number) = (oneshot::channel(), inner.last);
        inner.waiting.insert(number, Waiting { subject: subject.clone(), asker });
        Some(Place { answers: self, number, answer })
    }

    /// An answer has come, for the question with this number. Whether somebody waits for it.
    pub(crate) fn answer(&self, number: u64, message: Received) -> bool {
        let Some(waiting) = lock(&self.inner).waiting.remove(&number) else { return false };
        let is_nobody = message.status == Some(StatusCode::NO_RESPONDERS);
        waiting.asker.send(if is_nobody { Err(NotAnswered::Nobody) } else { Ok(message) }).is_ok()
    }

    /// The server takes nothing for this subject.
    pub(crate) fn deny(&self, subject: &str) {
        let mut inner = lock(&self.inner);
        for (_, waiting) in inner.waiting.extract_if(|_, waiting| waiting.subject.as_str() == subject) {
            let _ = waiting.asker.send(Err(NotAnswered::Denied));
        }
    }

    /// The connection is lost: no answer comes.
    pub(crate) fn lose(&self) {
        for (_, waiting) in std::mem::take(&mut lock(&self.inner).waiting) {
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

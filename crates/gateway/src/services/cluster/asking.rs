//! Who waits for answers of other nodes.

use std::collections::HashMap;
use std::fmt;

use holdfast_cluster::QuestionId;
use holdfast_cluster::envelope::{Answer, Refusal};
use holdfast_cluster::questions::{Outcome, Settled};
use tokio::sync::oneshot;

/// Longest place in a list that is handed on to a service.
const PLACE_LEN_MAX: usize = 64;

/// What came of a question.
#[derive(Debug)]
pub(in crate::services) struct Said {
    pub(in crate::services) outcome: Outcome,
    /// What came with the answer.
    pub(in crate::services) page: Option<Page>,
}

/// A page of a list, as it came.
#[derive(Debug)]
pub(in crate::services) struct Page {
    pub(in crate::services) payload: Vec<u8>,
    /// Where the next one begins.
    pub(in crate::services) place: Option<String>,
}

/// A question that has been asked. Whoever drops it does not wait any more.
#[derive(Debug)]
pub(in crate::services) enum Asking {
    Over(Outcome),
    Waits(oneshot::Receiver<Said>, Waits),
}

/// Gives up a question when it is dropped.
pub(in crate::services) struct Waits(Box<dyn Fn() + Send>);

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").finish_non_exhaustive()
    }
}

impl Asking {
    pub(super) fn over(outcome: Outcome) -> Self {
        Self::Over(outcome)
    }

    /// What came of it.
    pub(in crate::services) async fn said(self) -> Said {
        match self {
            Self::Over(outcome) => Said { outcome, page: None },
            Self::Waits(heard, _waits) => {
                heard.await.unwrap_or(Said { outcome: Outcome::Silent, page: None })
            }
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// All who wait. There are as many as questions at most, which are bounded.
#[derive(Debug, Default)]
pub(super) struct Askers(HashMap<QuestionId, (oneshot::Sender<Said>, Option<Page>)>);

impl Askers {
    /// One more. `give_up` is called when nobody waits for it any more.
    pub(super) fn wait(&mut self, question: QuestionId, give_up: impl Fn() + Send + 'static) -> Asking {
        let (tell, heard) = oneshot::channel();
        self.0.insert(question, (tell, None));
        Asking::Waits(heard, Waits(Box::new(give_up)))
    }

    pub(super) fn cancel(&mut self, question: QuestionId) {
        self.0.remove(&question);
    }

    /// Keeps what came with an answer until its question is settled.
    pub(super) fn keep_page(&mut self, question: QuestionId, answer: &Answer<'_>) {
        if let Some((_, page)) = self.0.get_mut(&question) {
            let place = answer.place.map(str::to_owned);
            *page = Some(Page { payload: answer.payload.to_vec(), place });
        }
    }

    pub(super) fn settle(&mut self, settled: Settled) {
        let Some((tell, page)) = self.0.remove(&settled.question) else { return };
        // A place that no node of this release writes can't be asked for.
        let is_place = |page: &Page| page.place.as_ref().is_none_or(|place| place.len() <= PLACE_LEN_MAX);
        let outcome = match page.as_ref().is_none_or(is_place) {
            true => settled.outcome,
            false => Outcome::Refused(Refusal::Unsupported),
        };
        // Who does not wait any more has said so, or is about to.
        let _ = tell.send(Said { outcome, page });
    }
}

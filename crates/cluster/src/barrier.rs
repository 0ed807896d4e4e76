//! When a node may call itself ready: when whatever others say from then on is heard here.
//!
//! That its bus takes its subscriptions is not enough. Other servers of the bus learn of them later: of 1,000 messages
//! that another node had published right after it, 214 to 350 were missed. What goes the same way as the subscriptions
//! comes behind them: so each node is asked whether it is there, and has answered. Who is there to be asked is known
//! after a heartbeat's time.
//!
//! A node that has been ready stays ready. But whenever its bus was away, others may have come that it has not heard
//! of: all are asked again, and until a heartbeat's time is over it does not know who is there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::id::{NodeId, QuestionId};
use crate::nodes::BEAT;
use crate::planted::{Defect, is_planted};

/// How long others are listened to before the list is taken for whole: a heartbeat's time, and what it is late.
pub const LISTEN: Duration = BEAT.saturating_add(Duration::from_millis(500));
/// How long an answer is waited for before it is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long nodes that do not answer are waited for. One that stands still must not keep others from starting.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Wait,
    /// Ask all who are there.
    Ask,
    /// The node is ready, though these have not answered in time.
    Ready(Vec<NodeId>),
}

#[derive(Debug)]
enum State {
    /// There is no bus yet.
    Away,
    /// The bus is there, in this session.
    Asking { session: u64, since: Instant, asked: Option<Instant>, answered: BTreeSet<NodeId> },
    /// It knows who is there.
    Whole,
}

/// Where a node is on its way to be ready.
#[derive(Debug)]
pub struct Barrier {
    state: State,
    /// It has been ready once. It stays that, whatever becomes of the bus: all nodes would lose it at once.
    is_ready: bool,
    /// The first question of the session.
    first: Option<QuestionId>,
}

impl Default for Barrier {
    fn default() -> Self {
        Self { state: State::Away, is_ready: false, first: None }
    }
}

impl Barrier {
    /// Whether the node is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether all nodes that are there are in the list.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// Goes on. `session` is the bus's, if it is there, is heard, and has taken the subscriptions, `others` the list of
    /// nodes. A bus that goes to another connection without having been away has missed nothing.
    pub fn step(&mut self, now: Instant, session: Option<u64>, others: &[NodeId]) -> Step {
        let Some(session) = session else {
            self.state = State::Away;
            return Step::Wait;
        };
        match &mut self.state {
            State::Whole => Step::Wait,
            State::Asking { session: own, since, asked, answered } if *own == session => {
                let passed = now.saturating_duration_since(*since);
                let missing: Vec<_> =
                    others.iter().copied().filter(|node| !answered.contains(node)).collect();
                let is_over = missing.is_empty() || passed >= PATIENCE || self.is_ready;
                if passed >= LISTEN && is_over || is_planted(Defect::ReadyAtOnce) {
                    self.state = State::Whole;
                    let was_ready = std::mem::replace(&mut self.is_ready, true);
                    return if was_ready { Step::Wait } else { Step::Ready(missing) };
                }
                let is_due = asked.is_none_or(|at| now.saturating_duration_since(at) >= AGAIN);
                if is_due { Step::Ask } else { Step::Wait }
            }
            State::Away if self.is_ready && is_planted(Defect::TrustsAnOldList) => {
                self.state = State::Whole;
                Step::Wait
            }
            State::Away | State::Asking { .. } => {
                self.first = None;
                self.state = State::Asking { session, since: now, asked: None, answered: BTreeSet::new() };
                Step::Ask
            }
        }
    }

    /// All were asked, with this question.
    pub fn asked(&mut self, now: Instant, question: QuestionId) {
        if let State::Asking { asked, .. } = &mut self.state {
            *asked = Some(now);
            self.first = self.first.or(Some(question));
        }
    }

    /// A node has answered. That it has heard any question of this session is enough.
    pub fn answer(&mut self, node: NodeId, question: QuestionId) {
        if let State::Asking { answered, .. } = &mut self.state
            && self.first.is_some_and(|first| question >= first)
        {
            answered.insert(node);
        }
    }

    /// A node has gone.
    pub fn left(&mut self, node: NodeId) {
        if let State::Asking { answered, .. } = &mut self.state {
            answered.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::new(1);
    const MS: Duration = Duration::from_millis(1);

    fn question(number: u64) -> QuestionId {
        QuestionId::new(number).unwrap()
    }

    #[test]
    fn a_node_alone_is_ready_when_it_has_listened_for_a_heartbeats_time() {
        let (mut barrier, now) = (Barrier::default(), Instant::now());
        assert_eq!(barrier.step(now, None, &[]), Step::Wait);
        assert_eq!(barrier.step(now, Some(1), &[]), Step::Ask);
        barrier.asked(now, question(1));
        assert_eq!(barrier.step(now + LISTEN - AGAIN - MS, Some(1), &[]), Step::Ask);
        barrier.asked(now + LISTEN - AGAIN, question(2));
        assert_eq!(barrier.step(now + LISTEN - MS, Some(1), &[]), Step::Wait);
        assert_eq!(barrier.step(now + LISTEN, Some(1), &[]), Step::Ready(vec![]));
        assert!(barrier.is_whole());
        assert_eq!(
            barrier.step(now + LISTEN, Some(2), &[A]),
            Step::Wait,
            "another connection, without a gap"
        );
        assert_eq!(barrier.step(now + LISTEN, None, &[A]), Step::Wait);
        assert!(barrier.is_ready() && !barrier.is_whole());
    }

    #[test]
    fn after_an_absence_all_are_asked_and_listened_to_again() {
        let (mut barrier, now) = (Barrier::default(), Instant::now());
        barrier.step(now, Some(1), &[]);
        assert_eq!(barrier.step(now + LISTEN, Some(1), &[]), Step::Ready(vec![]));
        let back = now + LISTEN + MS;
        assert_eq!(barrier.step(back, None, &[A]), Step::Wait);
        assert_eq!(barrier.step(back, Some(2), &[A]), Step::Ask);
        barrier.asked(back, question(1));
        assert_eq!(barrier.step(back + LISTEN - MS, Some(2), &[A]), Step::Ask);
        assert!(barrier.is_ready() && !barrier.is_whole());
        // One that does not answer is in the list, and whoever asks it hears that.
        assert_eq!(barrier.step(back + LISTEN, Some(2), &[A]), Step::Wait);
        assert!(barrier.is_whole());
    }

    #[test]
    fn whoever_is_there_must_have_answered_in_this_session() {
        let (mut barrier, now) = (Barrier::default(), Instant::now());
        barrier.step(now, Some(1), &[]);
        barrier.asked(now, question(1));
        barrier.answer(A, question(1));
        // The bus has come anew.
        assert_eq!(barrier.step(now, Some(2), &[A]), Step::Ask);
        barrier.asked(now, question(2));
        barrier.answer(A, question(1));
        assert_eq!(barrier.step(now + LISTEN, Some(2), &[A]), Step::Ask, "it has answered the old one");
        barrier.answer(A, question(2));
        assert_eq!(barrier.step(now + LISTEN, Some(2), &[A]), Step::Ready(vec![]));
    }

    #[test]
    fn one_that_does_not_answer_is_waited_for_with_patience() {
        let (mut barrier, now) = (Barrier::default(), Instant::now());
        barrier.step(now, Some(1), &[A]);
        barrier.asked(now, question(1));
        assert_eq!(barrier.step(now + PATIENCE - MS, Some(1), &[A]), Step::Ask);
        assert_eq!(barrier.step(now + PATIENCE, Some(1), &[A]), Step::Ready(vec![A]));
    }
}

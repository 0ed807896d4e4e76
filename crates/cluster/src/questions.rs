//! Questions that wait for answers of other nodes.
//!
//! Who is asked is settled when the question is asked: the nodes of the list at that time. One that comes later is not
//! asked, one that leaves is not waited for. What none of them has answered in time is not known, and that is what the
//! service is told: never that nobody is there.
//!
//! How a REST call is carried out on all nodes, after it was on this one:
//!
//! - `:send`, closing: `Publish`, `Close` by [`Node::publish`](crate::Node::publish). Nobody is waited for.
//! - HEAD user, group, not found here: `Exists` with [`Rule::FirstYes`]. Nobody: 404.
//! - HEAD connection of another node: `Exists` with [`Rule::Sum`]. Nobody: 404.
//! - PUT user in group: `Join` with [`Rule::Sum`]. Nobody, and nobody here: 404.
//! - PUT, DELETE connection of another node in a group, its permissions: `Join`, `Leave`, `Permission` with
//!   [`Rule::Sum`]. Nobody: as where it is not there.
//! - DELETE user from groups, `:addToGroups`, `:removeFromGroups`: `Leave`, `ChangeGroups` with [`Rule::Sum`]. Nobody:
//!   as somebody.
//! - GET members of a group: `List` by [`Node::ask_node`](crate::Node::ask_node), node by node in order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::envelope::{Refusal, Said};
use crate::id::{NodeId, QuestionId};
use crate::planted::{Defect, is_planted};

/// How long answers are waited for.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Most questions that wait at the same time.
pub const QUESTIONS_MAX: usize = 4096;

/// What answers add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The first that counts somebody is the answer of all: whether somebody exists.
    FirstYes,
    /// All must say something, and what they count is added: a join of a user, to find out whether there was anybody.
    Sum,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many connections, on all nodes that were heard: 200.
    Some(u64),
    /// Every node has said that there is nobody: 404, where that is one.
    Nobody,
    /// A node has not done it: 429 or 503.
    Refused(Refusal),
    /// A node that is there has said nothing: 503.
    Silent,
}

impl Outcome {
    /// The HTTP status that a service gets, where nobody here was found and `nobody` is that of nobody anywhere: 404 or
    /// that of success.
    #[must_use]
    pub fn status(self, success: u16, nobody: u16) -> u16 {
        match self {
            Self::Some(_) => success,
            Self::Nobody => nobody,
            Self::Refused(Refusal::TooMany) => 429,
            Self::Refused(Refusal::Unavailable | Refusal::Unsupported) | Self::Silent => 503,
        }
    }
}

/// There are [`QUESTIONS_MAX`] questions already: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyQuestions;

/// A question that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub question: QuestionId,
    /// What came of it.
    pub outcome: Outcome,
}

#[derive(Debug)]
struct Pending {
    rule: Rule,
    until: Instant,
    waiting: Vec<NodeId>,
    count: u64,
    refused: Option<Refusal>,
}

impl Pending {
    fn outcome(&self) -> Option<Outcome> {
        if self.rule == Rule::FirstYes && self.count > 0 {
            return Some(Outcome::Some(self.count));
        }
        let outcome = match (self.refused, self.count) {
            (Some(why), _) => Outcome::Refused(why),
            (None, 0) => Outcome::Nobody,
            (None, count) => Outcome::Some(count),
        };
        self.waiting.is_empty().then_some(outcome)
    }
}

/// The questions of a node.
#[derive(Debug, Default)]
pub struct Questions {
    last: u64,
    /// In the order in which they were asked, which is that of their deadlines.
    pending: BTreeMap<QuestionId, Pending>,
}

impl Questions {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for a question.
    pub fn name(&mut self) -> Option<QuestionId> {
        self.last = self.last.checked_add(1)?;
        QuestionId::new(self.last)
    }

    /// Waits for the answers of these nodes, which is at least one. `question` is the newest [name](Self::name).
    ///
    /// # Errors
    /// [`TooManyQuestions`].
    pub fn wait(
        &mut self,
        now: Instant,
        question: QuestionId,
        rule: Rule,
        nodes: Vec<NodeId>,
    ) -> Result<(), TooManyQuestions> {
        if self.is_full() {
            return Err(TooManyQuestions);
        }
        let pending = Pending { rule, until: now + ANSWER_WITHIN, waiting: nodes, count: 0, refused: None };
        self.pending.insert(question, pending);
        Ok(())
    }

    /// Whether no more can be asked now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending.len() >= QUESTIONS_MAX
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// A node has answered. An answer of one that was not asked, or has answered, counts for nothing.
    pub fn answer(&mut self, node: NodeId, question: QuestionId, said: Said) -> Option<Settled> {
        let pending = self.pending.get_mut(&question)?;
        let at = pending.waiting.iter().position(|own| *own == node);
        let at = if is_planted(Defect::CountsAnswersTwice) { at.or(Some(0)) } else { at };
        pending.waiting.swap_remove(at?);
        match said {
            Said::Count(count) => pending.count += u64::from(count),
            // Too many of something is what the service can do something about.
            Said::Refused(why) if pending.refused != Some(Refusal::TooMany) => pending.refused = Some(why),
            Said::Refused(_) => {}
        }
        self.settle(question)
    }

    /// A node has gone: nobody waits for it any more.
    pub fn left(&mut self, node: NodeId) -> Vec<Settled> {
        if is_planted(Defect::WaitsForTheGone) {
            return Vec::new();
        }
        self.pending.values_mut().for_each(|pending| pending.waiting.retain(|own| *own != node));
        let over = self.pending.iter().filter(|(_, pending)| pending.waiting.is_empty());
        let over: Vec<_> = over.map(|(question, _)| *question).collect();
        over.into_iter().filter_map(|question| self.settle(question)).collect()
    }

    /// The next one whose time is over.
    pub fn expired(&mut self, now: Instant) -> Option<Settled> {
        let first = self.pending.first_entry().filter(|first| first.get().until <= now)?;
        if is_planted(Defect::KeepsQuestions) {
            return None;
        }
        let (question, pending) = first.remove_entry();
        let silent = if is_planted(Defect::SilenceIsNo) { Outcome::Nobody } else { Outcome::Silent };
        // What was refused is not done, whatever the others would have said.
        let outcome = pending.refused.map_or(silent, Outcome::Refused);
        Some(Settled { question, outcome })
    }

    /// Whoever has asked does not wait any more.
    pub fn cancel(&mut self, question: QuestionId) {
        self.pending.remove(&question);
    }

    /// When the next one's time is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|(_, pending)| pending.until)
    }

    /// All nodes that are waited for.
    #[cfg(test)]
    pub(crate) fn waited_for(&self) -> impl Iterator<Item = NodeId> {
        self.pending.values().flat_map(|pending| pending.waiting.iter().copied())
    }

    fn settle(&mut self, question: QuestionId) -> Option<Settled> {
        let outcome = self.pending.get(&question)?.outcome()?;
        self.pending.remove(&question);
        Some(Settled { question, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::new(1);
    const B: NodeId = NodeId::new(2);

    /// A question to both, and what became of it with these answers.
    fn asked(rule: Rule, answers: &[(NodeId, Said)]) -> Option<Outcome> {
        let (mut questions, now) = (Questions::new(), Instant::now());
        let question = questions.name().unwrap();
        questions.wait(now, question, rule, vec![A, B]).unwrap();
        let settled = answers.iter().filter_map(|(node, said)| questions.answer(*node, question, *said));
        let settled: Vec<_> = settled.collect();
        let expired = questions.expired(now + ANSWER_WITHIN);
        assert!(settled.len() + usize::from(expired.is_some()) == 1 && questions.is_empty());
        settled.into_iter().chain(expired).map(|settled| settled.outcome).next()
    }

    const NO: Said = Said::Count(0);
    const TWO: Said = Said::Count(2);
    const UNKNOWN: Said = Said::Refused(Refusal::Unsupported);
    const MANY: Said = Said::Refused(Refusal::TooMany);

    #[test]
    fn whether_somebody_exists_is_known_with_the_first_yes_and_denied_by_all_only() {
        let ask = |answers: &[_]| asked(Rule::FirstYes, answers).unwrap();
        assert_eq!(ask(&[(A, TWO)]), Outcome::Some(2));
        assert_eq!(ask(&[(A, NO), (B, TWO)]), Outcome::Some(2));
        assert_eq!(ask(&[(A, NO), (B, NO)]), Outcome::Nobody);
        assert_eq!(ask(&[(A, NO)]), Outcome::Silent);
        assert_eq!(ask(&[]), Outcome::Silent);
        assert_eq!(ask(&[(A, UNKNOWN), (B, TWO)]), Outcome::Some(2));
        assert_eq!(ask(&[(A, UNKNOWN), (B, NO)]), Outcome::Refused(Refusal::Unsupported));
        assert_eq!(ask(&[(A, UNKNOWN)]), Outcome::Refused(Refusal::Unsupported));
    }

    #[test]
    fn a_sum_is_of_all() {
        let ask = |answers: &[_]| asked(Rule::Sum, answers).unwrap();
        assert_eq!(ask(&[(A, TWO), (B, TWO)]), Outcome::Some(4));
        assert_eq!(ask(&[(A, NO), (B, NO)]), Outcome::Nobody);
        assert_eq!(ask(&[(A, TWO)]), Outcome::Silent);
        assert_eq!(ask(&[(A, MANY), (B, UNKNOWN)]), Outcome::Refused(Refusal::TooMany));
        assert_eq!(ask(&[(A, UNKNOWN), (B, MANY)]), Outcome::Refused(Refusal::TooMany));
    }

    #[test]
    fn answers_of_others_and_second_answers_count_for_nothing() {
        assert_eq!(asked(Rule::Sum, &[(A, NO), (A, NO)]), Some(Outcome::Silent));
        assert_eq!(asked(Rule::Sum, &[(A, NO), (NodeId::new(3), TWO)]), Some(Outcome::Silent));
        let mut questions = Questions::new();
        assert_eq!(questions.answer(A, QuestionId::new(9).unwrap(), TWO), None);
    }

    #[test]
    fn one_that_leaves_is_not_waited_for() {
        let (mut questions, now) = (Questions::new(), Instant::now());
        let (first, second) = (questions.name().unwrap(), questions.name().unwrap());
        questions.wait(now, first, Rule::Sum, vec![A, B]).unwrap();
        questions.wait(now, second, Rule::Sum, vec![B]).unwrap();
        assert_eq!(questions.answer(A, first, TWO), None);
        let settled = questions.left(B);
        let expected = [(first, Outcome::Some(2)), (second, Outcome::Nobody)];
        assert_eq!(settled, expected.map(|(question, outcome)| Settled { question, outcome }));
        assert!(questions.is_empty());
    }

    #[test]
    fn questions_that_nobody_answers_leave_nothing_behind_and_their_number_is_bounded() {
        let (mut questions, start) = (Questions::new(), Instant::now());
        for round in 0..25 {
            let now = start + round * ANSWER_WITHIN;
            while questions.expired(now).is_some() {}
            assert!(questions.is_empty());
            while !questions.is_full() {
                let question = questions.name().unwrap();
                questions.wait(now, question, Rule::FirstYes, vec![A]).unwrap();
            }
            let question = questions.name().unwrap();
            assert_eq!(questions.wait(now, question, Rule::Sum, vec![A]), Err(TooManyQuestions));
            assert_eq!((questions.len(), questions.deadline()), (QUESTIONS_MAX, Some(now + ANSWER_WITHIN)));
        }
    }
}

//! Subjects: by which way a message goes. Who is meant is in the envelope; a subject names neither users nor groups nor
//! connections, so what they are called can't lead astray.
//!
//! | subject | who listens | what |
//! |---|---|---|
//! | `hf1.<cluster>.h.<hub>.<slot>` | nodes that serve the hub, to all its slots | to all, a user or a group |
//! | `hf1.<cluster>.n.<node>` | that node | to a connection |
//! | `hf1.<cluster>.n.<node>.r` | that node | answers |
//! | `hf1.<cluster>.c` | all | heartbeats, goodbyes |

mod hub;
mod name;
mod slot;

pub use hub::{ESCAPED_LEN_MAX, HubToken, escape};
pub use name::{CLUSTER_LEN_MAX, ClusterName};
pub use slot::{Named, SLOTS, Slot};

use crate::id::NodeId;

/// The protocol's major version: nodes that share no major do not hear each other.
pub const MAJOR: &str = "hf1";

/// The longest subject: the major, the cluster, the hub, the slot, and what is between them. Far below the line of
/// 4,096 bytes at which NATS ends a connection.
pub const SUBJECT_LEN_MAX: usize = MAJOR.len() + CLUSTER_LEN_MAX + ESCAPED_LEN_MAX + 8;

/// What a subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'s> {
    /// To a hub.
    Hub(HubToken<'s>, Slot),
    /// To a node.
    Node(NodeId),
    /// Answers to a node.
    Answers(NodeId),
    /// To all.
    Control,
}

/// The subjects of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// `hf1.<cluster>.`
    prefix: Box<str>,
}

impl Subjects {
    /// Those of this one.
    #[must_use]
    pub fn of(cluster: &ClusterName) -> Self {
        Self { prefix: format!("{MAJOR}.{}.", cluster.as_str()).into() }
    }

    /// To those of a hub.
    #[must_use]
    pub fn hub(&self, hub: &str, slot: Slot) -> String {
        format!("{}h.{}.{slot}", self.prefix, escape(hub))
    }

    /// To a node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> String {
        format!("{}n.{node}", self.prefix)
    }

    /// Answers to a node.
    #[must_use]
    pub fn answers(&self, node: NodeId) -> String {
        format!("{}n.{node}.r", self.prefix)
    }

    /// To all.
    #[must_use]
    pub fn control(&self) -> String {
        format!("{}c", self.prefix)
    }

    /// What a node that serves these hubs listens to. No two of them fit the same subject: what fits two comes twice.
    #[must_use]
    pub fn of_node<'h>(&self, node: NodeId, hubs: impl IntoIterator<Item = &'h str>) -> Vec<String> {
        let hubs = hubs.into_iter().map(|hub| format!("{}h.{}.*", self.prefix, escape(hub)));
        hubs.chain([self.node(node), self.answers(node), self.control()]).collect()
    }

    /// What a subject says. None for one that is not of this cluster, or not written as it is written here.
    #[must_use]
    pub fn parse<'s>(&self, subject: &'s str) -> Option<Subject<'s>> {
        let rest = subject.strip_prefix(&*self.prefix)?;
        let mut tokens = rest.split('.');
        let found = match (tokens.next()?, tokens.next(), tokens.next()) {
            ("c", None, None) => Subject::Control,
            ("n", Some(node), None) => Subject::Node(NodeId::parse(node)?),
            ("n", Some(node), Some("r")) => Subject::Answers(NodeId::parse(node)?),
            ("h", Some(hub), Some(slot)) => Subject::Hub(HubToken::parse(hub)?, Slot::parse(slot)?),
            _ => return None,
        };
        tokens.next().is_none().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prod() -> Subjects {
        Subjects::of(&ClusterName::parse("prod").unwrap())
    }

    #[test]
    fn subjects_are_these() {
        let (subjects, node) = (prod(), NodeId::new(0xAB));
        assert_eq!(subjects.hub("Chat.a", Slot::All), "hf1.prod.h.chat=2Ea.all");
        assert_eq!(subjects.hub("chat", Slot::Of(0x0A)), "hf1.prod.h.chat.0a");
        assert_eq!(subjects.node(node), "hf1.prod.n.0000000000ab");
        let own = ["hf1.prod.h.a.*", "hf1.prod.n.0000000000ab", "hf1.prod.n.0000000000ab.r", "hf1.prod.c"];
        assert_eq!(subjects.of_node(node, ["a"]), own);
    }

    #[test]
    fn the_longest_subject_is_as_long_as_is_said() {
        let cluster = ClusterName::parse(&"c".repeat(CLUSTER_LEN_MAX)).unwrap();
        assert_eq!(Subjects::of(&cluster).hub(&".".repeat(128), Slot::All).len(), SUBJECT_LEN_MAX);
    }

    #[test]
    fn other_subjects_are_nobodys() {
        for subject in [
            "",
            "hf1.prod",
            "hf1.prod.",
            "hf1.prod.x",
            "hf1.prod.c.",
            "hf1.prod.c.c",
            "hf1.other.c",
            "hf2.prod.c",
            "hf1.prod2.c",
            "hf1.prod.h.chat",
            "hf1.prod.h.chat.*",
            "hf1.prod.h.chat.0A",
            "hf1.prod.h.chat.100",
            "hf1.prod.h.Chat.all",
            "hf1.prod.h.chat.all.x",
            "hf1.prod.h..all",
            "hf1.prod.h.a=2e.all",
            "hf1.prod.h.a=61.all",
            "hf1.prod.h.a=.all",
            "hf1.prod.n.ab",
            "hf1.prod.n.0000000000ab.x",
            "hf1.prod.n.0000000000ab.r.1",
        ] {
            assert_eq!(prod().parse(subject), None, "{subject}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(hub in "[a-zA-Z][a-zA-Z0-9_`,.\\[\\]]{0,127}", slot in any::<Option<u8>>()) {
            let slot = slot.map_or(Slot::All, Slot::Of);
            let subject = prod().hub(&hub, slot);
            let Some(Subject::Hub(token, found)) = prod().parse(&subject) else { panic!("{subject}") };
            prop_assert!(found == slot && token.is(&hub.to_ascii_lowercase()), "{}", subject);
            prop_assert_eq!(subject.matches('.').count(), 4);
        }

        #[test]
        fn two_hubs_have_one_subject_only_if_they_are_one(
            a in "[a-zA-Z][a-zA-Z0-9_`,.\\[\\]=]{0,5}", b in "[a-zA-Z][a-zA-Z0-9_`,.\\[\\]=]{0,5}",
        ) {
            prop_assert_eq!(escape(&a) == escape(&b), a.eq_ignore_ascii_case(&b));
        }

        #[test]
        fn any_text_is_read_or_not(rest in "[.a-z0-9=*>]{0,30}", text in "\\PC*") {
            let _ = (prod().parse(&format!("hf1.prod.{rest}")), prod().parse(&text));
        }
    }
}

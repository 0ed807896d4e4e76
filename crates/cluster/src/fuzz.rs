//! Bodies of fuzz targets.
//!
//! [`envelope`] and [`subject`] take any bytes and panic when a promise of this crate is broken: whatever comes from
//! the bus is read or refused, what was read is within its bounds, and written again it says the same. The shells
//! around them are in `fuzz/`.

use crate::envelope::{
    EXCLUDED_MAX, Envelope, FILTER_LEN_MAX, GROUPS_MAX, HUB_LEN_MAX, Members, NAME_LEN_MAX, OVERHEAD_MAX,
    Operation, Publication, Sender, Target, Unread,
};
use crate::id::NodeId;
use crate::subject::{ClusterName, SUBJECT_LEN_MAX, Slot, Subject, Subjects};

/// Any bytes as a message.
///
/// # Panics
///
/// When a promise is broken.
pub fn envelope(data: &[u8]) {
    let envelope = match Envelope::read(data) {
        Ok(envelope) => envelope,
        Err(Unread::Garbage(what)) => return assert!(!what.is_empty()),
        Err(Unread::Later(_, head)) => return assert!(head.node.bits() <= NodeId::MAX),
    };
    assert!(envelope.hub.len() <= HUB_LEN_MAX && envelope.node.bits() <= NodeId::MAX);
    if let Some(Target::User(name) | Target::Group(name)) = envelope.operation.target() {
        assert!((1..=NAME_LEN_MAX).contains(&name.len()));
    }
    match envelope.operation {
        Operation::Publish(Publication { excluded, filter, sender, payload, .. }) => {
            assert!(
                excluded.iter().count() <= EXCLUDED_MAX && excluded.iter().all(|name| excluded.has(name))
            );
            assert!(filter.is_none_or(|filter| (1..=FILTER_LEN_MAX).contains(&filter.len())));
            assert!(sender != Sender::Client(Some("")) && payload.len() < data.len());
        }
        Operation::Join { who, group } => {
            assert!(matches!(who, Target::User(_) | Target::Connection(_)) && !group.is_empty());
        }
        Operation::ChangeGroups { groups, .. } => {
            let count = groups.iter().inspect(|group| assert!(!group.is_empty())).count();
            assert!((1..=GROUPS_MAX).contains(&count));
        }
        Operation::Answer(answer) => {
            let walked = |members: Members<'_>| members.iter().count() * 18 <= answer.payload.len();
            assert!(Members::of(answer.payload).is_none_or(walked));
        }
        _ => {}
    }
    let mut again = vec![7];
    envelope.write(&mut again).expect("what was read is within its bounds");
    assert_eq!(Envelope::read(&again[1..]), Ok(envelope), "written again it says something else");
    if let Operation::Publish(Publication { payload, .. }) = envelope.operation {
        assert!(again.len() <= OVERHEAD_MAX + payload.len());
    }
}

/// Any bytes as a subject.
///
/// # Panics
///
/// When a promise is broken.
pub fn subject(data: &[u8]) {
    let (Ok(text), Some(cluster)) = (std::str::from_utf8(data), ClusterName::parse("c")) else { return };
    let subjects = Subjects::of(&cluster);
    let own = format!("hf1.c.{text}");
    let Some(found) = subjects.parse(&own) else { return };
    assert!(own.len() <= SUBJECT_LEN_MAX && !own.contains(['*', '>', ' ']));
    match found {
        Subject::Hub(_, slot) => assert_eq!(Slot::parse(&slot.to_string()), Some(slot)),
        Subject::Node(node) => assert_eq!(own, subjects.node(node)),
        Subject::Answers(node) => assert_eq!(own, subjects.answers(node)),
        Subject::Control => assert_eq!(own, subjects.control()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const PIECES: [&str; 10] = ["h.", "n.", "c", "r", ".", "all", "0a", "=2E", "chat", "0000000000ab"];

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises(data in proptest::collection::vec(any::<u8>(), 0..120)) {
            super::envelope(&data);
            super::subject(&data);
        }

        #[test]
        fn pieces_of_subjects_keep_the_promises(
            pieces in proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..7),
        ) {
            super::subject(pieces.concat().as_bytes());
        }
    }
}

//! What is written is read again, and all else is told apart.

use proptest::prelude::*;

use super::*;
use crate::id::ConnectionName;

const CONNECTION: ConnectionName = ConnectionName::new(7 << 80 | 9 << 16);

/// One of each operation, with all that it may have. The lists' bytes are the caller's.
fn samples<'m>(excluded: &'m [u8], groups: &'m [u8], members: &'m [u8]) -> Vec<Operation<'m>> {
    let excluded = Excluded::of(excluded).unwrap();
    let publication = Publication {
        to: Target::Group("räume/*.>"),
        excluded,
        filter: Some("userId eq 'a'"),
        sender: Sender::Client(Some("ann")),
        kind: DataKind::Json,
        payload: b"{}",
    };
    let kinds = [DataKind::Text, DataKind::Binary, DataKind::Protobuf];
    let mut all = vec![Operation::Publish(publication)];
    all.extend(kinds.map(|kind| Operation::Publish(Publication { kind, filter: None, ..publication })));
    for sender in [Sender::Service, Sender::Client(None)] {
        for to in [Target::All, Target::User("u"), Target::Connection(CONNECTION)] {
            let excluded = Excluded::default();
            all.push(Operation::Publish(Publication { to, sender, excluded, payload: b"", ..publication }));
        }
    }
    let (user, connection) = (Target::User("u"), Target::Connection(CONNECTION));
    all.extend([
        Operation::Close { of: Target::All, excluded, reason: Some("bye") },
        Operation::Close { of: connection, excluded: Excluded::default(), reason: None },
        Operation::Exists { what: Target::Group("g") },
        Operation::Join { who: user, group: "g" },
        Operation::Join { who: connection, group: "g" },
        Operation::Leave { who: user, group: Some("g") },
        Operation::Leave { who: connection, group: None },
    ]);
    let groups = Groups::of(groups).unwrap();
    all.extend([true, false].map(|join| Operation::ChangeGroups {
        join,
        groups,
        filter: join.then_some("true"),
    }));
    for change in [Change::Grant, Change::Revoke, Change::Check] {
        for (action, group) in [(Action::Send, Some("g")), (Action::JoinLeave, None)] {
            all.push(Operation::Permission { change, connection: CONNECTION, action, group });
        }
    }
    all.push(Operation::List { group: "g", size: 200, place: Some("1-2") });
    let heartbeat = Heartbeat {
        start: 3,
        release: "0.2.0",
        connections: 1 << 40,
        published: 0,
        is_draining: true,
        hubs: None,
    };
    all.push(Operation::Heartbeat(heartbeat));
    let hubs = Hubs::of(&[1, 2, 3, 4]);
    all.push(Operation::Heartbeat(Heartbeat { is_draining: false, hubs, ..heartbeat }));
    all.push(Operation::Goodbye);
    let refused = [Refusal::TooMany, Refusal::Unavailable, Refusal::Unsupported].map(Said::Refused);
    for said in [Said::Count(0), Said::Count(u32::MAX)].into_iter().chain(refused) {
        all.push(Operation::Answer(Answer { said, place: Some("3"), payload: members }));
    }
    all
}

/// Does something with each of the samples, and the message that it is written as.
fn each(mut with: impl FnMut(Envelope<'_>, Vec<u8>)) {
    let excluded = Excluded::bytes([CONNECTION, ConnectionName::new(1)]);
    let groups = Groups::bytes(["a", "b c", "ü"]);
    let members = Members::bytes([
        Member { connection: CONNECTION, user: Some("ann") },
        Member { connection: ConnectionName::new(1), user: None },
    ]);
    for operation in samples(&excluded, &groups, &members) {
        let (node, question) = (NodeId::new(0xABC), QuestionId::new(5));
        let envelope = Envelope { node, epoch: 2, number: 1 << 50, question, hub: "chat.a", operation };
        let mut message = Vec::new();
        envelope.write(&mut message).unwrap();
        with(envelope, message);
    }
}

#[test]
fn what_is_written_is_read_again() {
    each(|envelope, message| {
        assert_eq!(Envelope::read(&message), Ok(envelope));
        crate::fuzz::envelope(&message);
    });
}

#[test]
fn lists_have_what_was_put_into_them() {
    let bytes = Groups::bytes(["a", "b c", "ü"]);
    assert_eq!(Groups::of(&bytes).unwrap().iter().collect::<Vec<_>>(), ["a", "b c", "ü"]);
    let members = [
        Member { connection: CONNECTION, user: Some("ann") },
        Member { connection: ConnectionName::new(1), user: None },
    ];
    let bytes = Members::bytes(members);
    assert_eq!(Members::of(&bytes).unwrap().iter().collect::<Vec<_>>(), members);
    let hubs = Hubs::bytes(["chat", "a.b"]);
    let hubs = Hubs::of(&hubs).unwrap();
    assert!(hubs.has("chat") && hubs.has("a.b") && !hubs.has("a") && Hubs::of(&[0; 3]).is_none());
    let bytes = Excluded::bytes([CONNECTION]);
    let excluded = Excluded::of(&bytes).unwrap();
    assert!(excluded.has(CONNECTION) && !excluded.has(ConnectionName::new(1)));
}

#[test]
fn lists_that_are_none_are_refused() {
    let many = |count: usize| Groups::bytes(std::iter::repeat_n("g", count));
    assert!(Groups::of(&many(GROUPS_MAX)).is_some() && Groups::of(&many(GROUPS_MAX + 1)).is_none());
    for bytes in [&[][..], &[1], &[1, 0], &[0, 0], &[2, 0, 65], &[1, 0, 255], &[255, 255]] {
        assert_eq!(Groups::of(bytes), None, "{bytes:?}");
    }
    assert!(Groups::of(&Groups::bytes(["a".repeat(NAME_LEN_MAX + 1).as_str()])).is_none());
    assert!(Excluded::of(&[0; 15]).is_none() && Excluded::of(&[0; 16 * (EXCLUDED_MAX + 1)]).is_none());
    assert!(Members::of(&[0; 17]).is_none() && Members::of(&[0; 18]).is_some());
}

#[test]
fn a_message_that_is_cut_off_before_its_payload_is_garbage() {
    each(|envelope, message| {
        let payload = match envelope.operation {
            Operation::Publish(publication) => publication.payload.len(),
            Operation::Answer(answer) => answer.payload.len(),
            Operation::ChangeGroups { groups, .. } => groups.as_bytes().len(),
            _ => 0,
        };
        for end in 0..message.len() - payload {
            let read = Envelope::read(&message[..end]);
            assert!(matches!(read, Err(Unread::Garbage(_))), "{end} of {envelope:?}: {read:?}");
        }
    });
}

#[test]
fn what_a_later_release_says_is_no_garbage_and_its_head_is_known() {
    each(|envelope, message| {
        let change = |at: usize, to: u8| {
            let mut message = message.clone();
            message[at] = to;
            Envelope::read(&message).map(drop)
        };
        for (at, what) in [(1, Unknown::Version(200)), (2, Unknown::Operation(200))] {
            let Err(Unread::Later(unknown, head)) = change(at, 200) else { panic!("{envelope:?}") };
            assert_eq!((unknown, head.node, head.question), (what, envelope.node, envelope.question));
            assert_eq!((head.epoch, head.number), (envelope.epoch, envelope.number));
        }
        assert!(matches!(change(0, 1), Err(Unread::Garbage(_))));
        assert!(matches!(change(2, 0), Err(Unread::Garbage(_))));
        assert!(matches!(change(14, 1), Err(Unread::Garbage(_))), "a node has 48 bits");
    });
}

#[test]
fn fields_of_a_later_release_are_skipped() {
    each(|envelope, message| {
        let len = u32::from_le_bytes(message[44..48].try_into().unwrap()) as usize;
        let names: usize = [36, 38, 40].into_iter().map(|at| usize::from(message[at])).sum();
        let end = 48 + envelope.hub.len() + names + 16 * usize::from(message[42]) + len;
        let field = [250, 3, 0, 1, 2, 3];
        let mut longer = [&message[..end], &field, &message[end..]].concat();
        longer[44..48].copy_from_slice(&u32::try_from(len + field.len()).unwrap().to_le_bytes());
        assert_eq!(Envelope::read(&longer), Ok(envelope));
        // One that says that it is longer than all of them is not read past their end.
        longer[end + 1] = 4;
        assert!(matches!(Envelope::read(&longer), Err(Unread::Garbage(_))), "{envelope:?}");
    });
}

#[test]
fn what_others_would_not_read_is_not_written() {
    let long = "a".repeat(70_000);
    let none = Excluded::default();
    let publication = |to, filter| {
        let (sender, kind) = (Sender::Service, DataKind::Text);
        Operation::Publish(Publication { to, excluded: none, filter, sender, kind, payload: b"" })
    };
    for (operation, what) in [
        (publication(Target::User(&long[..4097]), None), "the target"),
        (publication(Target::All, Some(&long[..8193])), "the filter"),
        (Operation::Close { of: Target::All, excluded: none, reason: Some(&long) }, "the reason"),
        (Operation::Join { who: Target::User("u"), group: &long[..4097] }, "the group"),
    ] {
        let envelope =
            Envelope { node: NodeId::new(1), epoch: 0, number: 0, question: None, hub: "a", operation };
        let mut out = vec![1, 2];
        assert_eq!((envelope.write(&mut out), &out[..]), (Err(TooLong(what)), &[1, 2][..]));
    }
}

proptest! {
    /// Wherever a message is changed, it is read or refused, and what is read is written and read again.
    #[test]
    fn a_message_with_some_other_bytes_keeps_the_promises(
        at in any::<prop::sample::Index>(), changes in prop::collection::vec((0usize..90, any::<u8>()), 1..4),
    ) {
        let mut messages = Vec::new();
        each(|_, message| messages.push(message));
        let message = at.get(&messages);
        let mut message = message.clone();
        for (place, byte) in changes {
            let len = message.len();
            message[place % len] = byte;
        }
        crate::fuzz::envelope(&message);
    }
}

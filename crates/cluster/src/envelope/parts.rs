//! An operation as its parts: each has its place in the message, whichever the operation is.

use super::fields::Fields;
use super::head::{Head, Unknown, Unread};
use super::list::{Excluded, Groups};
use super::operation::{
    Action, Answer, Change, DataKind, Heartbeat, Operation, Publication, Refusal, Said, Sender, Target,
};

/// A flag of publications: a client says it.
const BY_CLIENT: u8 = 1;
/// A flag of heartbeats: the node is draining.
const DRAINING: u8 = 1;
/// A flag of permissions: to publish, not to join and leave.
const TO_SEND: u8 = 1;

/// The parts. Texts are empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'m> {
    pub(super) operation: u8,
    pub(super) flags: u8,
    pub(super) hub: &'m str,
    pub(super) target: Option<Target<'m>>,
    /// 0 where there is none.
    pub(super) kind: u8,
    pub(super) sender: &'m str,
    pub(super) filter: &'m str,
    pub(super) excluded: Excluded<'m>,
    pub(super) fields: Fields<'m>,
    pub(super) payload: &'m [u8],
}

const KINDS: [DataKind; 4] = [DataKind::Text, DataKind::Json, DataKind::Binary, DataKind::Protobuf];

const CHANGES: [(u8, Change); 3] = [(8, Change::Grant), (9, Change::Revoke), (10, Change::Check)];

impl<'m> Parts<'m> {
    /// The parts of an operation. What has no place in it stays as it is.
    #[rustfmt::skip]
    pub(super) fn of(operation: &Operation<'m>) -> Self {
        let none = Self::default();
        match *operation {
            Operation::Publish(Publication { to, excluded, filter, sender, kind, payload }) => {
                let (flags, sender) = match sender {
                    Sender::Service => (0, None),
                    Sender::Client(user) => (BY_CLIENT, user),
                };
                let (sender, filter) = (sender.unwrap_or_default(), filter.unwrap_or_default());
                let kind = KINDS.iter().zip(1..).find(|(own, _)| **own == kind).map_or(0, |(_, number)| number);
                Self { operation: 1, flags, target: Some(to), kind, sender, filter, excluded, payload, ..none }
            }
            Operation::Close { of, excluded, reason } => {
                let fields = Fields { reason: reason.unwrap_or_default(), ..none.fields };
                Self { operation: 2, target: Some(of), excluded, fields, ..none }
            }
            Operation::Exists { what } => Self { operation: 3, target: Some(what), ..none },
            Operation::Join { who, group } => {
                Self { operation: 4, target: Some(who), fields: Fields { group, ..none.fields }, ..none }
            }
            Operation::Leave { who, group } => {
                let fields = Fields { group: group.unwrap_or_default(), ..none.fields };
                Self { operation: 5, target: Some(who), fields, ..none }
            }
            Operation::ChangeGroups { join, groups, filter } => Self {
                operation: if join { 6 } else { 7 },
                target: Some(Target::All),
                filter: filter.unwrap_or_default(),
                payload: groups.as_bytes(),
                ..none
            },
            Operation::Permission { change, connection, action, group } => Self {
                operation: CHANGES.iter().find(|(_, own)| *own == change).map_or(0, |(number, _)| *number),
                flags: if action == Action::Send { TO_SEND } else { 0 },
                target: Some(Target::Connection(connection)),
                fields: Fields { group: group.unwrap_or_default(), ..none.fields },
                ..none
            },
            Operation::List { group, size, place } => {
                let place = place.unwrap_or_default();
                let fields = Fields { place, count: Some(size.into()), ..none.fields };
                Self { operation: 11, target: Some(Target::Group(group)), fields, ..none }
            }
            Operation::Heartbeat(Heartbeat { start, release, connections, published, is_draining, hubs }) => Self {
                operation: 12,
                flags: if is_draining { DRAINING } else { 0 },
                fields: Fields {
                    release,
                    start: Some(start),
                    connections: Some(connections),
                    published: Some(published),
                    hubs,
                    ..none.fields
                },
                ..none
            },
            Operation::Goodbye => Self { operation: 13, ..none },
            Operation::Answer(Answer { said, place, payload }) => {
                let place = place.unwrap_or_default();
                let fields = match said {
                    Said::Count(count) => Fields { place, count: Some(count.into()), ..none.fields },
                    Said::Refused(why) => Fields { place, refusal: Some(number(why)), ..none.fields },
                };
                Self { operation: 14, fields, payload, ..none }
            }
        }
    }

    /// The operation with these parts. What has no place in it is not looked at.
    pub(super) fn operation(&self, head: Head) -> Result<Operation<'m>, Unread> {
        let target = self.target.ok_or(Unread::Garbage("no target"));
        let Self { filter, excluded, fields, payload, .. } = *self;
        let filter = some(filter);
        let Fields { group, place, .. } = fields;
        let operation = match head.operation {
            1 => {
                let kind = usize::from(self.kind).checked_sub(1).and_then(|at| KINDS.get(at).copied());
                let kind = kind.ok_or(Unread::Garbage("no kind of data"))?;
                let by_client = head.flags & BY_CLIENT != 0;
                let sender = if by_client { Sender::Client(some(self.sender)) } else { Sender::Service };
                Operation::Publish(Publication { to: target?, excluded, filter, sender, kind, payload })
            }
            2 => Operation::Close { of: target?, excluded, reason: some(fields.reason) },
            3 => Operation::Exists { what: target? },
            4 => Operation::Join { who: who(target?)?, group: needed(group)? },
            5 => Operation::Leave { who: who(target?)?, group: some(group) },
            6 | 7 => {
                let groups = Groups::of(payload).ok_or(Unread::Garbage("no list of groups"))?;
                Operation::ChangeGroups { join: head.operation == 6, groups, filter }
            }
            8..=10 => {
                let Target::Connection(connection) = target? else {
                    return Err(Unread::Garbage("a permission of no connection"));
                };
                let found = CHANGES.iter().find(|(number, _)| *number == head.operation);
                let change = found.map_or(Change::Check, |(_, change)| *change);
                let action = if head.flags & TO_SEND == 0 { Action::JoinLeave } else { Action::Send };
                Operation::Permission { change, connection, action, group: some(group) }
            }
            11 => {
                let Target::Group(group) = target? else { return Err(Unread::Garbage("a list of no group")) };
                let size = fields.count.and_then(|count| u16::try_from(count).ok());
                let size = size.ok_or(Unread::Garbage("a list of no size"))?;
                Operation::List { group, size, place: some(place) }
            }
            12 => Operation::Heartbeat(Heartbeat {
                start: fields.start.ok_or(Unread::Garbage("a heartbeat without a start"))?,
                release: fields.release,
                connections: fields.connections.unwrap_or_default(),
                published: fields.published.unwrap_or(u64::MAX),
                is_draining: head.flags & DRAINING != 0,
                hubs: fields.hubs,
            }),
            13 => Operation::Goodbye,
            14 => Operation::Answer(Answer { said: said(fields)?, place: some(place), payload }),
            0 => return Err(Unread::Garbage("no operation")),
            other => return Err(Unread::Later(Unknown::Operation(other), head)),
        };
        Ok(operation)
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn needed(group: &str) -> Result<&str, Unread> {
    some(group).ok_or(Unread::Garbage("no group"))
}

/// Who can be put into groups.
fn who(target: Target<'_>) -> Result<Target<'_>, Unread> {
    match target {
        Target::User(_) | Target::Connection(_) => Ok(target),
        Target::All | Target::Group(_) => Err(Unread::Garbage("neither a user nor a connection")),
    }
}

fn number(why: Refusal) -> u64 {
    match why {
        Refusal::TooMany => 1,
        Refusal::Unavailable => 2,
        Refusal::Unsupported => 3,
    }
}

/// What an answer says. A reason that is not known is one of a later release: it can't be done.
fn said(fields: Fields<'_>) -> Result<Said, Unread> {
    let why = match fields.refusal {
        Some(1) => Refusal::TooMany,
        Some(3) => Refusal::Unsupported,
        Some(_) => Refusal::Unavailable,
        None => {
            let count = fields.count.ok_or(Unread::Garbage("an answer that says nothing"))?;
            return Ok(Said::Count(u32::try_from(count).unwrap_or(u32::MAX)));
        }
    };
    Ok(Said::Refused(why))
}

//! The body of a fuzz target: [`protocol`] takes any bytes and panics when a promise of this crate is broken. The shell
//! around it is in `fuzz/`.

use crate::protocol::{Event, Garbage, Parser};

/// Messages that are kept while this runs.
const MESSAGE_MAX: usize = 4096;

/// The first byte says in which pieces the others come from a server: in any pieces they say the same, nothing kept is
/// longer than it may be, and nothing panics.
///
/// # Panics
///
/// When a promise is broken.
pub fn protocol(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(*piece) + 1);
    assert_eq!(whole, pieces);
    for event in whole.0 {
        if let Event::Message(message) | Event::Bare(message) = event {
            assert!(message.payload.len() <= MESSAGE_MAX && message.payload.len() <= bytes.len());
        }
    }
}

/// What bytes say in pieces of this length, and what is wrong behind that.
pub(crate) fn read(bytes: &[u8], piece: usize) -> (Vec<Event>, Option<Garbage>) {
    let (mut parser, mut events) = (Parser::new(MESSAGE_MAX), Vec::new());
    for mut rest in bytes.chunks(piece) {
        while !rest.is_empty() {
            let (taken, event) = match parser.next(rest) {
                Ok(read) => read,
                Err(garbage) => {
                    assert!(!garbage.to_string().is_empty());
                    return (events, Some(garbage));
                }
            };
            assert!((1..=rest.len()).contains(&taken));
            rest = &rest[taken..];
            events.extend(event);
        }
    }
    (events, None)
}

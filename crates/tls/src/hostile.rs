//! Peers that have the right keys and mean harm, or count up to where numbers end.

use crate::alert::Alert;
use crate::bounds::{HANDSHAKE_RECORDS_MAX, QUIET_MAX};
use crate::keys::Keys;
use crate::marks::{ASKED, Marks};
use crate::open::{ASK_AT, End, Opened, open};
use crate::post::key_update;
use crate::seal::{ALERT_LEN_MAX, Unsealed, alert, refresh, seal_copy, sealed_len};
use crate::state::{Direction, Role, State};
use crate::suite::{Suite, Version};

const DATA: u8 = 23;
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

/// A server, and the peer that has its keys.
struct Ends {
    server: State,
    peer: State,
}

impl Ends {
    fn new(suite: Suite) -> Self {
        let len = suite.kept_len();
        let (one, other) = (vec![1; len], vec![2; len]);
        let (one, other) = (Direction { secret: &one, number: 0 }, Direction { secret: &other, number: 0 });
        let server = State::new(suite, Role::Server, &one, &other).expect("a state");
        Self { server, peer: State::new(suite, Role::Client, &other, &one).expect("a state") }
    }

    /// A record of the peer, with any kind and any content.
    fn craft(&mut self, kind: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut session = self.peer.session().expect("a session");
        let suite = session.suite;
        let keys = Keys::of(suite, session.tx()).expect("keys");
        let number = session.marks.tx_number;
        session.marks.tx_number += 1;
        let (mut aad, explicit) = match suite.version() {
            Version::V13 => (vec![DATA, 3, 3], 0),
            Version::V12 => ([&[0; 4], &number.to_be_bytes()[..], &[kind, 3, 3]].concat(), 8),
        };
        let inside = match suite.version() {
            Version::V13 => [content, &[kind], &vec![0; padding]].concat(),
            Version::V12 => content.to_vec(),
        };
        let len = |len: usize| u16::try_from(len).expect("short").to_be_bytes();
        let sealed_len = len(inside.len() + 16 + explicit);
        aad.extend(if explicit == 0 { sealed_len } else { len(inside.len()) });
        let (nonce, mut sealed) = (keys.nonce(number), [&inside[..], &[0; 16]].concat());
        keys.seal(nonce, &aad, &mut sealed).expect("sealed");
        let outside = if explicit == 0 { DATA } else { kind };
        [&[outside, 3, 3][..], &sealed_len, &nonce[12 - explicit..], &sealed].concat()
    }

    /// What the server makes of bytes.
    fn hear(&mut self, wire: &[u8]) -> (Opened, Vec<u8>) {
        let mut buffer = wire.to_vec();
        let opened = open(&mut self.server.session().expect("a session"), &mut buffer, 0..wire.len());
        let data = buffer[opened.plain.clone()].to_vec();
        (opened, data)
    }

    /// Why the server hangs up on hearing these records; None if it does not.
    fn fault(suite: Suite, records: &[(u8, &[u8])]) -> Option<End> {
        let mut ends = Self::new(suite);
        let wire: Vec<_> = records.iter().map(|(kind, content)| ends.craft(*kind, content, 0)).collect();
        ends.hear(&wire.concat()).0.end
    }

    fn server_says(&mut self, data: &[u8]) -> Vec<u8> {
        let mut session = self.server.session().expect("a session");
        let mut out = vec![0; sealed_len(&session, data.len())];
        seal_copy(&mut session, data, &mut out).expect("sealed");
        out
    }

    fn peer_hears(&mut self, wire: &[u8]) -> (Opened, Vec<u8>) {
        let mut buffer = wire.to_vec();
        let opened = open(&mut self.peer.session().expect("a session"), &mut buffer, 0..wire.len());
        let data = buffer[opened.plain.clone()].to_vec();
        (opened, data)
    }

    fn set(state: &mut State, change: impl FnOnce(&mut Marks)) {
        change(&mut state.session().expect("a session").marks);
    }
}

fn fault(alert: Alert) -> Option<End> {
    Some(End::Fault(alert))
}

const V13: [Suite; 3] = [Suite::Aes128V13, Suite::ChaCha20V13, Suite::Aes256V13];
const V12: Suite = Suite::Aes128V12;

#[test]
fn kinds_that_nobody_may_send_are_refused() {
    for suite in V13 {
        for kind in [1, 20, 24, 255] {
            assert_eq!(Ends::fault(suite, &[(kind, b"x")]), fault(Alert::UnexpectedMessage), "{kind}");
        }
        // Nothing but padding.
        assert_eq!(Ends::fault(suite, &[(0, &[0; 40])]), fault(Alert::UnexpectedMessage));
        assert_eq!(Ends::fault(suite, &[(0, &[])]), fault(Alert::UnexpectedMessage));
        // What is not sealed: an alert, and the message that earlier versions change keys with.
        for plain in [&Alert::InternalError.plain()[..], &[20, 3, 3, 0, 1, 1]] {
            assert_eq!(Ends::new(suite).hear(plain).0.end, fault(Alert::UnexpectedMessage));
        }
    }
    assert_eq!(Ends::new(V12).hear(&[20, 3, 3, 0, 1, 1]).0.end, fault(Alert::UnexpectedMessage));
}

#[test]
fn a_record_is_as_long_as_it_may_be_and_no_longer() {
    let full = vec![5; 1 << 14];
    for suite in V13 {
        for (len, padding, end) in [
            (1 << 14, 0, None),
            (0, 1 << 14, None),
            (100, (1 << 14) - 100, None),
            (1 << 14, 1, fault(Alert::RecordOverflow)),
            (0, (1 << 14) + 1, fault(Alert::RecordOverflow)),
        ] {
            let mut ends = Ends::new(suite);
            let wire = ends.craft(DATA, &full[..len], padding);
            let (opened, data) = ends.hear(&wire);
            assert_eq!((opened.end, data.len()), (end, if end.is_none() { len } else { 0 }));
        }
    }
    assert_eq!(Ends::fault(V12, &[(DATA, &full)]), None);
    assert_eq!(Ends::fault(V12, &[(DATA, &[&full[..], b"x"].concat())]), fault(Alert::RecordOverflow));
}

#[test]
fn records_with_nothing_in_them_are_borne_for_a_while() {
    for suite in [Suite::Aes128V13, V12] {
        let quiet: Vec<(u8, &[u8])> = vec![(DATA, b""); QUIET_MAX.into()];
        assert_eq!(Ends::fault(suite, &quiet), None);
        let between = [&quiet[..], &[(DATA, b"x")], &quiet].concat();
        assert_eq!(Ends::fault(suite, &between), None);
        assert_eq!(Ends::fault(suite, &[&quiet[..], &quiet].concat()), fault(Alert::UnexpectedMessage));
        // One in each read is no better.
        let mut ends = Ends::new(suite);
        let end = (0..100).find_map(|_| {
            let wire = ends.craft(DATA, b"", 0);
            ends.hear(&wire).0.end
        });
        assert_eq!(end, fault(Alert::UnexpectedMessage));
    }
}

#[test]
fn alerts_end_a_connection_and_are_not_cut_or_empty() {
    for suite in V13 {
        for level in [0, 1, 2, 99] {
            assert_eq!(Ends::fault(suite, &[(ALERT, &[level, 0])]), Some(End::Closed));
        }
        for (content, end) in [
            (&[2, 40][..], Some(End::Alerted(40))),
            (&[1, 40], Some(End::Alerted(40))),
            (&[7, 40], fault(Alert::IllegalParameter)),
            (&[1, 90], None),
            (&[], fault(Alert::UnexpectedMessage)),
            (&[2], fault(Alert::DecodeError)),
            (&[1, 0, 1, 0], fault(Alert::DecodeError)),
        ] {
            assert_eq!(Ends::fault(suite, &[(ALERT, content)]), end, "{content:?}");
        }
    }
    assert_eq!(Ends::fault(V12, &[(ALERT, &[1, 100])]), None);
    assert_eq!(Ends::fault(V12, &[(ALERT, &[2, 40])]), Some(End::Alerted(40)));
    assert_eq!(Ends::fault(V12, &[(ALERT, &[1, 0])]), Some(End::Closed));
    let warnings = vec![(ALERT, &[1, 100][..]); usize::from(QUIET_MAX) + 1];
    assert_eq!(Ends::fault(V12, &warnings), fault(Alert::UnexpectedMessage));
}

#[test]
fn what_comes_before_an_end_is_good_and_what_comes_behind_is_ignored() {
    for suite in [Suite::ChaCha20V13, V12] {
        let mut ends = Ends::new(suite);
        let wire =
            [ends.craft(DATA, b"good", 0), ends.craft(ALERT, &[1, 0], 0), ends.craft(DATA, b"late", 0)];
        let (opened, data) = ends.hear(&wire.concat());
        assert_eq!((opened.end, &data[..], opened.rest.len()), (Some(End::Closed), &b"good"[..], 0));
        let wire = ends.craft(DATA, b"later", 0);
        assert_eq!(ends.hear(&wire).1, b"");
        // It may still be sent to.
        let wire = ends.server_says(b"bye");
        assert_eq!(ends.peer_hears(&wire).1, b"bye");
    }
}

#[test]
fn a_new_handshake_is_refused() {
    for suite in V13 {
        for kind in [0, 1, 2, 4, 8, 11, 13, 20] {
            let hello = [kind, 0, 0, 4, 3, 3, 0, 0];
            assert_eq!(Ends::fault(suite, &[(HANDSHAKE, &hello)]), fault(Alert::UnexpectedMessage), "{kind}");
        }
        assert_eq!(Ends::fault(suite, &[(HANDSHAKE, &[])]), fault(Alert::UnexpectedMessage));
    }
    for kind in [0, 1] {
        let hello = [kind, 0, 0, 4, 3, 3, 0, 0];
        assert_eq!(Ends::fault(V12, &[(HANDSHAKE, &hello)]), fault(Alert::NoRenegotiation));
    }
    assert_eq!(Ends::fault(V12, &[(HANDSHAKE, &key_update(true))]), fault(Alert::UnexpectedMessage));
    assert_eq!(Ends::fault(V12, &[(HANDSHAKE, &[])]), fault(Alert::UnexpectedMessage));
}

#[test]
fn a_key_update_may_come_in_parts_and_has_its_record_for_itself() {
    let update = |value| (HANDSHAKE, vec![24, 0, 0, 1, value]);
    for suite in V13 {
        for cut in 1..5 {
            let (_, whole) = update(1);
            let mut ends = Ends::new(suite);
            let wire = [ends.craft(HANDSHAKE, &whole[..cut], 0), ends.craft(HANDSHAKE, &whole[cut..], 9)];
            // A carried state knows how much has come.
            ends.hear(&wire[0]);
            ends.server = State::read(&ends.server.carried()).expect("a state").0;
            let (opened, _) = ends.hear(&wire[1]);
            assert_eq!((opened.key_updates, opened.end), (1, None));
            let between = [(HANDSHAKE, &whole[..cut]), (DATA, b"x"), (HANDSHAKE, &whole[cut..])];
            assert_eq!(Ends::fault(suite, &between), fault(Alert::UnexpectedMessage));
            let between = [(HANDSHAKE, &whole[..cut]), (ALERT, &[1, 0])];
            assert_eq!(Ends::fault(suite, &between), fault(Alert::UnexpectedMessage));
        }
        for (content, end) in [
            (&[24, 0, 0, 1, 0, 24, 0, 0, 1, 0][..], Alert::UnexpectedMessage),
            (&[24, 0, 0, 1, 1, 0], Alert::UnexpectedMessage),
            (&[24, 0, 0, 1, 2], Alert::IllegalParameter),
            (&[24, 0, 0, 1, 255], Alert::IllegalParameter),
            (&[24, 0, 0, 0], Alert::DecodeError),
            (&[24, 0, 0, 2, 0, 0], Alert::DecodeError),
            (&[24, 0, 1, 0], Alert::DecodeError),
            (&[24, 1, 0], Alert::DecodeError),
        ] {
            assert_eq!(Ends::fault(suite, &[(HANDSHAKE, content)]), fault(end), "{content:?}");
        }
    }
}

#[test]
fn many_key_updates_are_answered_by_one_and_counted() {
    for suite in V13 {
        let mut ends = Ends::new(suite);
        for _ in 0..3 {
            let mut wire = Vec::new();
            for _ in 0..HANDSHAKE_RECORDS_MAX {
                refresh(&mut ends.peer.session().expect("a session"), false);
                Ends::set(&mut ends.peer, |marks| marks.flags = marks.flags & !ASKED | crate::marks::ASK);
                let record = {
                    let mut session = ends.peer.session().expect("a session");
                    let mut out = vec![0; 200];
                    let len = seal_copy(&mut session, b"x", &mut out).expect("sealed");
                    out[..len].to_vec()
                };
                wire.extend(record);
            }
            let (opened, data) = ends.hear(&wire);
            assert_eq!((opened.key_updates, opened.end), (HANDSHAKE_RECORDS_MAX, None));
            assert_eq!(data.len(), HANDSHAKE_RECORDS_MAX as usize);
        }
        let wire = ends.server_says(b"answer");
        let (opened, data) = ends.peer_hears(&wire);
        assert_eq!((opened.key_updates, &data[..], opened.end), (1, &b"answer"[..], None));
        assert_eq!(ends.server_says(b"more").len(), 4 + 22);
    }
    let too_many = vec![(HANDSHAKE, &[24][..]), (HANDSHAKE, &[0, 0, 1, 0])];
    assert_eq!(Ends::fault(Suite::Aes128V13, &too_many), None);
    let mut ends = Ends::new(Suite::Aes128V13);
    let mut wire = Vec::new();
    for _ in 0..=HANDSHAKE_RECORDS_MAX {
        wire.extend(ends.craft(HANDSHAKE, &key_update(false), 0));
        let mut session = ends.peer.session().expect("a session");
        crate::keys::update(Suite::Aes128V13, session.tx());
        session.marks.tx_number = 0;
    }
    assert_eq!(ends.hear(&wire).0.end, fault(Alert::UnexpectedMessage));
}

#[test]
fn keys_are_changed_before_they_have_sealed_too_much() {
    for suite in V13 {
        let mut ends = Ends::new(suite);
        let max = suite.records_max();
        Ends::set(&mut ends.server, |marks| marks.tx_number = max - 1);
        Ends::set(&mut ends.peer, |marks| marks.rx_number = max - 1);
        let wire = [ends.server_says(b"last"), ends.server_says(b"first"), ends.server_says(b"second")];
        assert_eq!(wire.iter().map(Vec::len).collect::<Vec<_>>(), [26, 27 + 27, 28]);
        let (opened, data) = ends.peer_hears(&wire.concat());
        assert_eq!((opened.key_updates, &data[..], opened.end), (1, &b"lastfirstsecond"[..], None));
    }
}

#[test]
fn under_tls_1_2_there_is_an_end_and_it_can_be_said() {
    for suite in [V12, Suite::ChaCha20V12, Suite::Aes256V12] {
        let mut ends = Ends::new(suite);
        let max = suite.records_max();
        Ends::set(&mut ends.server, |marks| marks.tx_number = max - 1);
        Ends::set(&mut ends.peer, |marks| marks.rx_number = max - 1);
        let wire = ends.server_says(b"last");
        assert_eq!(ends.peer_hears(&wire).1, b"last");
        let mut session = ends.server.session().expect("a session");
        assert_eq!(seal_copy(&mut session, b"more", &mut [0; 99]), Err(Unsealed::Exhausted));
        let mut out = [0; ALERT_LEN_MAX];
        let len = alert(&mut session, Alert::CloseNotify, &mut out);
        drop(session);
        assert_eq!(ends.peer_hears(&out[..len]).0.end, Some(End::Closed));
    }
}

#[test]
fn a_peer_that_never_changes_its_keys_is_asked_once_and_then_left() {
    for suite in V13 {
        let mut ends = Ends::new(suite);
        Ends::set(&mut ends.server, |marks| marks.rx_number = ASK_AT);
        Ends::set(&mut ends.peer, |marks| marks.tx_number = ASK_AT);
        for (said, len) in [(b"a", 1 + 22 + 27), (b"b", 1 + 22)] {
            let wire = ends.craft(DATA, said, 0);
            assert_eq!(ends.hear(&wire).1, said);
            let wire = ends.server_says(said);
            assert_eq!(wire.len(), len, "it is asked once");
            assert_eq!(ends.peer_hears(&wire).1, said);
        }
        // Its answer is due before its next data.
        let mut wire = vec![0; 99];
        let len = seal_copy(&mut ends.peer.session().expect("a session"), b"c", &mut wire).expect("sealed");
        let (opened, data) = ends.hear(&wire[..len]);
        assert_eq!((opened.key_updates, &data[..]), (1, &b"c"[..]));
        let marks = ends.server.session().expect("a session").marks;
        assert_eq!((marks.rx_number, marks.has(ASKED)), (1, false));
    }
    for suite in [Suite::Aes128V13, V12] {
        let mut ends = Ends::new(suite);
        Ends::set(&mut ends.server, |marks| marks.rx_number = u32::MAX);
        Ends::set(&mut ends.peer, |marks| marks.tx_number = u32::MAX - 1);
        ends.craft(DATA, b"", 0);
        Ends::set(&mut ends.peer, |marks| marks.tx_number = u32::MAX - 1);
        let wire = ends.craft(DATA, b"end", 0);
        assert_eq!(ends.hear(&wire).0.end, fault(Alert::InternalError));
    }
}

#[test]
fn what_no_handshake_leaves_is_no_state() {
    let long = [1; 48];
    for suite in Suite::ALL {
        let direction = |len: usize, number| Direction { secret: &long[..len], number };
        let state = |len, number| {
            let good = direction(suite.kept_len(), 0);
            State::new(suite, Role::Server, &good, &direction(len, number)).is_some()
        };
        let len = suite.kept_len();
        assert!(state(len, 7) && !state(len - 1, 0) && !state(len, suite.records_max().into()));
        assert!(!state(len, u64::MAX));
    }
}

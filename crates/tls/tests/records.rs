//! Properties of records: whatever is sealed is opened, cut anywhere, and nothing else ever is.

use holdfast_tls::{
    ALERT_LEN_MAX, Alert, CARRIED_LEN_MAX, CONTENT_LEN_MAX, Direction, End, Role, State, Suite, Table,
    Unsealed, Width, alert, front, open, refresh, seal, seal_copy, sealed_len,
};
use proptest::prelude::*;

/// Both ends of one connection.
fn pair(suite: Suite) -> (State, State) {
    let len = match suite {
        Suite::Aes128V13 | Suite::ChaCha20V13 => 32,
        Suite::Aes256V13 => 48,
        Suite::Aes128V12 => 28,
        Suite::ChaCha20V12 | Suite::Aes256V12 => 44,
    };
    let (one, other) = (vec![7; len], vec![9; len]);
    let (one, other) = (Direction { secret: &one, number: 3 }, Direction { secret: &other, number: 0 });
    let server = State::new(suite, Role::Server, &one, &other).expect("a state");
    (server, State::new(suite, Role::Client, &other, &one).expect("a state"))
}

fn sealed(state: &mut State, data: &[u8]) -> Vec<u8> {
    let mut session = state.session().expect("a session");
    let mut out = vec![0; sealed_len(&session, data.len())];
    let len = seal_copy(&mut session, data, &mut out).expect("sealed");
    assert_eq!(len, out.len(), "the length is known before");
    out
}

/// What a peer receives, in one read after the other; the rest of each is kept as a shard keeps it.
struct Reader {
    rest: Vec<u8>,
    data: Vec<u8>,
    end: Option<End>,
}

impl Reader {
    fn new() -> Self {
        Self { rest: Vec::new(), data: Vec::new(), end: None }
    }

    fn read(&mut self, state: &mut State, bytes: &[u8]) {
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.extend_from_slice(bytes);
        let len = buffer.len();
        let opened = open(&mut state.session().expect("a session"), &mut buffer, 0..len);
        self.rest.extend_from_slice(&buffer[opened.rest]);
        self.data.extend_from_slice(&buffer[opened.plain]);
        self.end = self.end.or(opened.end);
        assert!(opened.rest_len == 0 || opened.rest_len > self.rest.len());
    }
}

fn suites() -> impl Strategy<Value = Suite> {
    prop::sample::select(&Suite::ALL[..])
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    let len = prop_oneof![0usize..70, Just(16_383), Just(16_384), Just(16_385), 0usize..50_000];
    prop::collection::vec(len, 1..5)
}

fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("a byte")).collect()
}

#[test]
fn every_split_of_a_conversation_is_opened_the_same() {
    for suite in Suite::ALL {
        let (mut server, mut client) = pair(suite);
        let start = client.carried();
        let mut wire = sealed(&mut server, b"hello");
        refresh(&mut server.session().expect("a session"), true);
        wire.extend(sealed(&mut server, &message(40)));
        let mut close = [0; ALERT_LEN_MAX];
        let len = alert(&mut server.session().expect("a session"), Alert::CloseNotify, &mut close);
        wire.extend_from_slice(&close[..len]);
        for at in 0..=wire.len() {
            client = State::read(&start).expect("a state").0;
            let mut reader = Reader::new();
            reader.read(&mut client, &wire[..at]);
            reader.read(&mut client, &wire[at..]);
            assert_eq!(reader.data, [b"hello", &message(40)[..]].concat(), "{suite:?} at {at}");
            assert_eq!(reader.end, Some(End::Closed), "{suite:?} at {at}");
        }
        client = State::read(&start).expect("a state").0;
        let mut reader = Reader::new();
        wire.iter().for_each(|byte| reader.read(&mut client, &[*byte]));
        assert_eq!((reader.data.len(), reader.end), (45, Some(End::Closed)));
    }
}

#[test]
fn every_changed_bit_ends_the_connection_and_gives_nothing_out() {
    for suite in Suite::ALL {
        let (mut server, client) = pair(suite);
        let start = client.carried();
        let good = sealed(&mut server, b"good");
        let second = sealed(&mut server, b"changed");
        for bit in 0..second.len() * 8 {
            let mut wire = [&good[..], &second].concat();
            wire[good.len() + bit / 8] ^= 1 << (bit % 8);
            let (mut client, _) = State::read(&start).expect("a state");
            let mut reader = Reader::new();
            reader.read(&mut client, &wire);
            assert_eq!(reader.data, b"good", "{suite:?}, bit {bit}");
            let is_longer = reader.end.is_none() && !reader.rest.is_empty();
            assert!(is_longer || matches!(reader.end, Some(End::Fault(_))), "{suite:?}, bit {bit}");
            reader.read(&mut client, &sealed(&mut server, b"more"));
            let is_over = matches!(reader.end, Some(End::Fault(_))) || is_longer;
            assert!(is_over && reader.data == b"good", "{suite:?}, bit {bit}");
        }
    }
}

#[test]
fn a_record_is_not_opened_twice_nor_out_of_order_nor_by_who_sealed_it() {
    for suite in Suite::ALL {
        let (mut server, client) = pair(suite);
        let start = client.carried();
        let (first, second) = (sealed(&mut server, b"1"), sealed(&mut server, b"2"));
        for wire in [[&first[..], &first].concat(), second.clone(), [&first[..], &second, &second].concat()] {
            let (mut client, _) = State::read(&start).expect("a state");
            let mut reader = Reader::new();
            reader.read(&mut client, &wire);
            assert_eq!(reader.end, Some(End::Fault(Alert::BadRecordMac)), "{suite:?}");
        }
        let mut reader = Reader::new();
        reader.read(&mut server, &first);
        assert_eq!((reader.end, reader.data), (Some(End::Fault(Alert::BadRecordMac)), Vec::new()));
    }
}

#[test]
fn an_answer_is_sealed_where_the_question_lay() {
    for suite in Suite::ALL {
        for (count, len) in
            [(1, 64), (3, 64), (1, 1), (1, CONTENT_LEN_MAX), (4, CONTENT_LEN_MAX), (3, 16_000)]
        {
            let (mut server, mut client) = pair(suite);
            let records = (0..count).map(|_| sealed(&mut client, &message(len)));
            let mut buffer = records.collect::<Vec<_>>().concat();
            let whole = buffer.len();
            let mut session = server.session().expect("a session");
            let opened = open(&mut session, &mut buffer, 0..whole);
            assert_eq!((opened.plain.len(), opened.rest.len()), (count * len, 0));
            assert_eq!(opened.plain.start, front(&session));
            let wire = seal(&mut session, &mut buffer, opened.plain).expect("there is always room");
            let mut reader = Reader::new();
            reader.read(&mut client, &buffer[wire]);
            assert_eq!(reader.data, vec![message(len); count].concat(), "{suite:?}, {count} of {len}");
        }
    }
}

#[test]
fn what_does_not_fit_is_not_sealed_and_nothing_is_lost_by_that() {
    let (mut server, mut client) = pair(Suite::Aes128V13);
    refresh(&mut server.session().expect("a session"), false);
    let mut session = server.session().expect("a session");
    let mut small = [1; 64 + 22 + 26];
    assert_eq!(seal(&mut session, &mut small, 5..69), Err(Unsealed::NoRoom));
    assert_eq!(seal(&mut session, &mut small, 90..200), Err(Unsealed::NoRoom));
    assert_eq!(seal_copy(&mut session, &[1; 64], &mut small), Err(Unsealed::NoRoom));
    assert_eq!(seal(&mut session, &mut small, 9..9), Ok(9..9));
    let mut whole = [1; 64 + 22 + 27];
    let wire = seal(&mut session, &mut whole, 5..69).expect("the data is moved");
    assert_eq!(wire, 0..whole.len());
    drop(session);
    let mut reader = Reader::new();
    reader.read(&mut client, &whole);
    assert_eq!(reader.data, [1; 64]);
}

#[test]
fn nothing_is_sealed_behind_an_alert() {
    for suite in Suite::ALL {
        for last in [Alert::CloseNotify, Alert::BadRecordMac, Alert::NoRenegotiation] {
            let (mut server, mut client) = pair(suite);
            let mut out = [0; ALERT_LEN_MAX];
            let mut session = server.session().expect("a session");
            assert_eq!(alert(&mut session, last, &mut out[..9]), 0);
            let len = alert(&mut session, last, &mut out);
            assert!(len > 0 && alert(&mut session, last, &mut [0; ALERT_LEN_MAX]) == 0);
            assert_eq!(seal_copy(&mut session, b"x", &mut [0; 99]), Err(Unsealed::Ended));
            drop(session);
            let mut reader = Reader::new();
            reader.read(&mut client, &out[..len]);
            // A warning of TLS 1.2 is heard and no more.
            let is_heard = suite.name().starts_with("tls12") && last == Alert::NoRenegotiation;
            let expected = match last {
                Alert::CloseNotify => Some(End::Closed),
                _ if is_heard => None,
                _ => Some(End::Alerted(last.number())),
            };
            assert_eq!(reader.end, expected, "{suite:?} {last:?}");
        }
    }
}

#[test]
fn a_table_keeps_states_apart_and_wipes_what_is_taken() {
    let (mut narrow, mut wide) = (Table::new(Width::Narrow, 3), Table::new(Width::Wide, 3));
    let (mut server, mut client) = pair(Suite::ChaCha20V13);
    assert!(narrow.put(1, &server) && wide.put(2, &server));
    assert!(!narrow.put(3, &server) && !narrow.put(usize::MAX, &server));
    assert!(!narrow.put(0, &pair(Suite::Aes256V13).0) && wide.put(0, &pair(Suite::Aes256V13).0));
    let wire = sealed(&mut server, b"the same");
    for (table, key) in [(&mut narrow, 1), (&mut wide, 2)] {
        let mut out = vec![0; 64];
        let len =
            seal_copy(&mut table.session(key).expect("a state"), b"the same", &mut out).expect("sealed");
        assert_eq!(out[..len], wire);
        assert!(table.memory().contains(&7));
        let mut taken = table.take(key).expect("a state");
        assert!(table.session(key).is_none() && table.take(key).is_none());
        let mut other = State::read(&server.carried()).expect("a state").0;
        assert_eq!(sealed(&mut taken, b"and on"), sealed(&mut other, b"and on"));
    }
    assert!(narrow.memory().iter().all(|byte| *byte == 0));
    let mut reader = Reader::new();
    reader.read(&mut client, &wire);
    assert_eq!(reader.data, b"the same");
    for table in [&mut narrow, &mut wide] {
        assert!(table.session(3).is_none() && table.session(usize::MAX).is_none() && table.take(9).is_none());
        table.wipe(usize::MAX);
    }
}

#[test]
fn a_carried_state_goes_on_where_it_was_and_says_nothing_to_who_prints_it() {
    for suite in Suite::ALL {
        let (mut server, mut client) = pair(suite);
        let first = sealed(&mut server, b"before ");
        let carried = server.carried();
        assert!(carried.len() <= CARRIED_LEN_MAX);
        let more = [&carried[..], b"more"].concat();
        let (mut again, len) = State::read(&more).expect("a state");
        assert_eq!((len, again.carried()), (carried.len(), carried.clone()));
        let wire = [first, sealed(&mut again, b"after")].concat();
        let mut reader = Reader::new();
        reader.read(&mut client, &wire);
        assert_eq!(reader.data, b"before after");
        for end in 0..carried.len() {
            assert!(State::read(&carried[..end]).is_none(), "{suite:?} cut at {end}");
        }
        let shown = format!("{again:?}") + &format!("{:?}", again.session());
        assert!(
            shown.contains("rx_number: 3") && !shown.contains("7, 7") && !shown.contains("9, 9"),
            "{shown}"
        );
    }
}

/// What any bytes may begin with: nothing, or a header that may stand there.
const HEADS: [&[u8]; 2] = [&[], &[23, 3, 3, 0, 40]];

proptest! {
    #[test]
    fn what_is_sealed_is_opened_however_it_is_cut(
        suite in suites(),
        lens in lens(),
        cuts in prop::collection::vec(1usize..20_000, 1..30),
        refreshed in prop::collection::vec(any::<(bool, bool)>(), 5),
    ) {
        let (mut server, mut client) = pair(suite);
        let mut wire = Vec::new();
        for (len, (refreshes, asks)) in lens.iter().zip(&refreshed) {
            if *refreshes {
                refresh(&mut server.session().expect("a session"), *asks);
            }
            wire.extend(sealed(&mut server, &message(*len)));
        }
        let mut reader = Reader::new();
        let (mut at, mut cuts) = (0, cuts.iter().cycle());
        while at < wire.len() {
            let end = wire.len().min(at + cuts.next().expect("a cut"));
            reader.read(&mut client, &wire[at..end]);
            at = end;
        }
        prop_assert_eq!((reader.end, reader.rest.len()), (None, 0));
        prop_assert_eq!(reader.data, lens.iter().map(|len| message(*len)).collect::<Vec<_>>().concat());
        // And the other way, with new keys if they were asked for.
        let mut reader = Reader::new();
        reader.read(&mut server, &sealed(&mut client, b"back"));
        prop_assert_eq!((reader.end, &reader.data[..]), (None, &b"back"[..]));
    }

    #[test]
    fn any_bytes_are_refused_or_waited_for_and_never_opened(
        suite in suites(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        head in prop::sample::select(&HEADS[..]),
    ) {
        let (mut server, _) = pair(suite);
        let wire = [head, &bytes].concat();
        let mut reader = Reader::new();
        reader.read(&mut server, &wire);
        prop_assert!(reader.data.is_empty());
        prop_assert!(reader.end.is_none_or(|end| matches!(end, End::Fault(_))));
    }

    #[test]
    fn any_bytes_are_a_state_that_reads_the_same_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..140)) {
        // The form of this release, and every other time a suite.
        bytes.iter_mut().take(1).for_each(|form| *form = 1);
        bytes.iter_mut().skip(13).take(1).for_each(|suite| *suite %= 8);
        if let Some((state, len)) = State::read(&bytes) {
            prop_assert_eq!(&state.carried()[..], &bytes[..len]);
        }
    }
}

//! What a record, a state and a handshake cost.
//!
//! How long it takes is said and not judged: `cargo test --release -p holdfast-tls --test costs -- --ignored
//! --nocapture`.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

mod common;

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use common::{AUTHORITY, ECDSA, RSA, Wishes, certificate, client, client_config, in_rustls, options};
use holdfast_tls::{
    Alert, Clients, Config, Direction, Handshake, NARROW_LEN, Opened, Options, Role, State, Suite, Table,
    Version, WIDE_LEN, alert, open, refresh, seal, seal_copy,
};
use rustix::time::{ClockId, clock_gettime};

fn ends(suite: Suite) -> (State, State) {
    let len = [32, 48, 28, 44].into_iter().find(|len| {
        let secret = vec![1; *len];
        let direction = Direction { secret: &secret, number: 0 };
        State::new(suite, Role::Server, &direction, &direction).is_some()
    });
    let (one, other) = (vec![1; len.expect("a length")], vec![2; len.expect("a length")]);
    let (one, other) = (Direction { secret: &one, number: 0 }, Direction { secret: &other, number: 0 });
    let server = State::new(suite, Role::Server, &one, &other).expect("a state");
    (server, State::new(suite, Role::Client, &other, &one).expect("a state"))
}

#[test]
fn a_state_has_80_bytes_and_a_wide_one_112() {
    assert_eq!((NARROW_LEN, WIDE_LEN), (80, 112));
    let made = allocation_counter::measure(|| {
        let mut table = Table::new(holdfast_tls::Width::Narrow, 1000);
        (0..1000).for_each(|key| assert!(table.put(key, &ends(Suite::Aes128V13).0)));
        assert_eq!(table.memory().len(), 80_000);
        black_box(&table);
    });
    assert!(made.bytes_max < 80_000 + 2_000, "{}", made.bytes_max);
}

/// By Rust's allocator. aws-lc has expanded keys of AES on the heap of C while a call lasts, and wipes them.
#[test]
fn no_record_allocates() {
    for suite in Suite::ALL {
        let mut table = Table::new(holdfast_tls::Width::Wide, 2);
        let (server, client) = ends(suite);
        assert!(table.put(0, &server) && table.put(1, &client));
        let mut buffer = vec![0; 70_000];
        let updates = u32::from(suite.version() == Version::V13);
        // A short one, one of several records, with new keys, and the end.
        for len in [64, 20_000, 50_000] {
            for _ in 0..3 {
                let counted = allocation_counter::measure(|| echo(&mut table, &mut buffer, len, updates));
                assert_eq!(counted.count_total, 0, "{suite:?}, {len}");
            }
        }
        let counted = allocation_counter::measure(|| {
            let mut session = table.session(0).expect("a state");
            let len = alert(&mut session, Alert::CloseNotify, &mut buffer);
            drop(session);
            let opened = open(&mut table.session(1).expect("a state"), &mut buffer, 0..len);
            assert!(opened.end.is_some());
            let opened = open(&mut table.session(0).expect("a state"), &mut [1; 99], 0..99);
            assert!(opened.end.is_some());
            table.wipe(0);
        });
        assert_eq!(counted.count_total, 0, "{suite:?}");
    }
}

/// A client asks, the server answers in place, the client hears.
fn echo(table: &mut Table, buffer: &mut [u8], len: usize, updates: u32) {
    let mut client = table.session(1).expect("a state");
    refresh(&mut client, true);
    let start = 60;
    let wire = seal(&mut client, buffer, start..start + len).expect("room");
    drop(client);
    let mut server = table.session(0).expect("a state");
    let opened = open(&mut server, buffer, wire);
    assert_eq!((opened.plain.len(), opened.key_updates), (len, updates));
    let wire = seal(&mut server, buffer, opened.plain).expect("room");
    drop(server);
    let opened: Opened = open(&mut table.session(1).expect("a state"), buffer, wire);
    assert_eq!((opened.plain.len(), opened.key_updates), (len, updates));
}

#[test]
fn a_handshake_leaves_nothing_behind_and_its_memory_has_a_bound() {
    let config = Config::new(options()).expect("a configuration");
    let of_client = client_config(Wishes::default());
    let handshake = || {
        let mut client = client(&of_client, "one.example");
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("memory");
        (client, wire)
    };
    // Once, for what is made once.
    let _ = shake(&config, handshake());
    let (client, hello) = handshake();
    let mut out = Vec::with_capacity(8192);
    let mut waiting = None;
    let held = allocation_counter::measure(|| {
        let mut handshake = Handshake::new(&config).expect("a handshake");
        handshake.feed(&hello, &mut out).expect("a hello");
        waiting = Some(handshake);
    });
    println!(
        "a handshake that waits for Finished: {} bytes, {} pieces",
        held.bytes_current, held.count_current
    );
    assert!(held.bytes_current < 5000, "{} bytes wait", held.bytes_current);
    drop((waiting, client));
    let (count, most) = shake(&config, handshake());
    println!("a handshake: {count} allocations of the server's half, at most {most} bytes at a time");
}

/// A whole handshake: how many allocations the server's half makes, and the most bytes that one step of it holds.
fn shake(config: &Config, (mut client, hello): (rustls::ClientConnection, Vec<u8>)) -> (u64, u64) {
    let mut handshake = None;
    let (mut out, mut wire, mut count, mut most) = (Vec::with_capacity(16_384), hello, 0, 0);
    loop {
        out.clear();
        let mut done = None;
        let counted = allocation_counter::measure(|| {
            let handshake = handshake.get_or_insert_with(|| Handshake::new(config).expect("a handshake"));
            done = handshake.feed(&wire, &mut out).expect("a handshake").done;
        });
        count += counted.count_total;
        most = most.max(counted.bytes_max);
        if done.is_some() {
            return (count, most);
        }
        let mut bytes = &out[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).expect("memory");
            client.process_new_packets().expect("a handshake");
        }
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
    }
}

#[test]
#[ignore = "says how long something takes"]
fn a_record_against_the_bare_aead() {
    for (suite, algorithm) in [(Suite::Aes128V13, &AES_128_GCM), (Suite::ChaCha20V13, &CHACHA20_POLY1305)] {
        for (len, count) in [(64, 200_000), (1024, 100_000), (16_384, 20_000)] {
            println!("{} of {len} bytes:", suite.name());
            let mut buffer = vec![7; len + 100];
            let key =
                LessSafeKey::new(UnboundKey::new(algorithm, &vec![1; algorithm.key_len()]).expect("a key"));
            let nonce = || Nonce::assume_unique_for_key([5; 12]);
            let bare_seal = timed("  AEAD, seal", count, || {
                let tag = key.seal_in_place_separate_tag(nonce(), Aad::from([0; 5]), &mut buffer[..len + 1]);
                let _ = black_box(tag.expect("sealed"));
            });
            let tag = key.seal_in_place_separate_tag(nonce(), Aad::from([0; 5]), &mut buffer[..len + 1]);
            buffer[len + 1..len + 17].copy_from_slice(tag.expect("sealed").as_ref());
            let sealed = buffer.clone();
            let bare_open = timed("  AEAD, copy and open", count, || {
                buffer.copy_from_slice(&sealed);
                black_box(key.open_in_place(nonce(), Aad::from([0; 5]), &mut buffer[..len + 17]))
                    .expect("opened");
            });
            let (mut server, mut client) = ends(suite);
            let own_seal = timed("  seal", count, || {
                black_box(seal(&mut server.session().expect("a state"), &mut buffer, 5..5 + len))
                    .expect("sealed");
            });
            // Opened again and again by a fresh copy of the state.
            let mut wire = vec![0; len + 22];
            let wire_len =
                seal_copy(&mut client.session().expect("a state"), &vec![7; len], &mut wire).expect("sealed");
            let (server, _) = ends(suite);
            let mut table = Table::new(holdfast_tls::Width::Narrow, 1);
            let put = timed("  put a state back", count, || assert!(table.put(0, &server)));
            let own_open = timed("  copy, put a state back and open", count, || {
                buffer[..wire_len].copy_from_slice(&wire);
                assert!(table.put(0, &server));
                let opened = open(&mut table.session(0).expect("a state"), &mut buffer, 0..wire_len);
                assert_eq!(black_box(opened).plain.len(), len);
            });
            let echo = own_open - put + own_seal;
            println!(
                "  an echo: {echo:.0}, bare {:.0}, more by {:.0} ns",
                bare_open + bare_seal,
                echo - bare_open - bare_seal
            );
        }
    }
}

#[test]
#[ignore = "says how long something takes"]
fn a_message_to_a_hundred_thousand() {
    const PLACES: usize = 100_000;
    for suite in [Suite::Aes128V13, Suite::ChaCha20V13, Suite::Aes128V12] {
        let mut table = Table::new(holdfast_tls::Width::Narrow, PLACES);
        let (server, _) = ends(suite);
        (0..PLACES).for_each(|key| assert!(table.put(key, &server)));
        let (mut buffer, message, mut key) = ([0; 128], [7; 64], 0);
        timed(&format!("{}, each of {PLACES}", suite.name()), 500_000, || {
            key = (key + 1) % PLACES;
            let mut session = table.session(key).expect("a state");
            black_box(seal_copy(&mut session, &message, &mut buffer)).expect("sealed");
        });
        timed("  with new keys", 100_000, || {
            key = (key + 1) % PLACES;
            let mut session = table.session(key).expect("a state");
            refresh(&mut session, false);
            black_box(seal_copy(&mut session, &message, &mut buffer)).expect("sealed");
        });
    }
}

#[test]
#[ignore = "says how long something takes"]
fn a_handshake_of_each_kind() {
    for (name, pem) in [("P-256", &*ECDSA), ("RSA-2048", &*RSA)] {
        let config = Config::new(Options { certificates: vec![certificate(pem)], ..options() });
        let config = config.expect("a configuration");
        for suite in [Suite::Aes128V13, Suite::Aes128V12] {
            let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
            let of_client = client_config(wishes);
            let name = format!("{name}, {}", suite.name());
            server_part(&format!("{name}, full or resumed once and then resumed"), &config, &of_client);
            let resumption = rustls::client::Resumption::disabled();
            let wishes = Wishes { suites: in_rustls(suite), resumption, ..Wishes::default() };
            server_part(&format!("{name}, full"), &config, &client_config(wishes));
        }
    }
    let clients = Clients::Required(AUTHORITY.pem.clone().into_bytes());
    let config = Config::new(Options { clients, ..options() }).expect("a configuration");
    let resumption = rustls::client::Resumption::disabled();
    let wishes = Wishes { has_certificate: true, resumption, ..Wishes::default() };
    server_part("P-256, client certificate, full", &config, &client_config(wishes));
}

/// How long the server's half takes, and the shortest of all.
fn server_part(name: &str, config: &Config, of_client: &std::sync::Arc<rustls::ClientConfig>) {
    let mut took = Vec::new();
    for _ in 0..400 {
        let mut client = client(of_client, "one.example");
        let (mut handshake, mut nanos) = (None, 0);
        let (mut out, mut wire) = (Vec::new(), Vec::new());
        loop {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire).expect("memory");
            }
            out.clear();
            let start = on_the_processor();
            let handshake = handshake.get_or_insert_with(|| Handshake::new(config).expect("a handshake"));
            let done = handshake.feed(&wire, &mut out).expect("a handshake").done;
            nanos += on_the_processor() - start;
            // With the tickets, so that the client can come back.
            let mut bytes = &out[..];
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).expect("memory");
                client.process_new_packets().expect("a handshake");
            }
            if done.is_some() {
                break;
            }
        }
        took.push(nanos);
    }
    took.sort_unstable();
    let micros = |at: usize| took[at] as f64 / 1000.0;
    println!("{name}: {:.0} us (5 % to 95 %: {:.0} to {:.0})", micros(200), micros(20), micros(380));
}

/// Nanoseconds of each, as the median of rounds.
fn timed(what: &str, count: u32, mut run: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 9;
    let mut each: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = on_the_processor();
            (0..count / ROUNDS).for_each(|_| run());
            (on_the_processor() - start) as f64 / f64::from(count / ROUNDS)
        })
        .collect();
    each.sort_unstable_by(f64::total_cmp);
    println!("{what}: {:.0} ns ({:.0} to {:.0})", each[4], each[0], each[8]);
    each[4]
}

/// Nanoseconds that this thread has run. Time in which others had the processor is none of it.
fn on_the_processor() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("it has begun")
}

//! Handshakes with rustls' clients: who is let in, with what, and who is refused how.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;

use common::{
    AUTHORITY, Authority, CLIENT, ECDSA, NOW, Pair, RSA, Random, Server, Wishes, certificate, client,
    client_config, in_rustls, options,
};
use holdfast_tls::{
    Alert, ClientConfig, Clients, Config, HANDSHAKE_BYTES_MAX, Handshake, Options, Suite, TICKET_KEY_LEN,
    Tickets, Version, Why, Width, open, seal_copy,
};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{AlertDescription, Error, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

fn config(options: Options) -> Config {
    Config::new(options).expect("a configuration")
}

fn connect(config: &Config, wishes: Wishes, name: &str) -> Pair {
    let mut pair = Pair::new(client(&client_config(wishes), name), Server::new(config), 5);
    pair.say(b"hello");
    pair.run();
    pair
}

/// Why a client has been refused, as it and the server have it.
fn refusal(mut pair: Pair) -> (Option<Error>, Why) {
    pair.run();
    (pair.client_error, pair.server.failure.expect("a failure").why)
}

#[test]
fn each_suite_alone_is_agreed_on_and_has_its_width() {
    for suite in Suite::ALL {
        for pem in [&*ECDSA, &*RSA] {
            let config =
                config(Options { suites: vec![suite], certificates: vec![certificate(pem)], ..options() });
            assert_eq!(config.width(), suite.width());
            let pair = connect(&config, Wishes::default(), "one.example");
            assert_eq!((pair.established().suite, &pair.heard[..]), (suite, &b"hello"[..]), "{suite:?}");
            assert_eq!(pair.established().server_name.as_deref(), Some("one.example"));
            assert!(!pair.established().is_resumed && pair.established().group.is_some());
        }
    }
    let narrow = config(Options { suites: Suite::NARROW.to_vec(), ..options() });
    assert_eq!(narrow.width(), Width::Narrow);
    let old = Suite::ALL.into_iter().filter(|suite| suite.version() == Version::V12);
    let wishes = || Wishes { suites: old.clone().flat_map(in_rustls).collect(), ..Wishes::default() };
    assert_eq!(connect(&narrow, wishes(), "one.example").established().suite, Suite::Aes128V12);
}

#[test]
fn who_has_nothing_in_common_is_refused_with_the_right_alert() {
    let only = |suite| config(Options { suites: vec![suite], ..options() });
    let wishing = |suite| Wishes { suites: in_rustls(suite), ..Wishes::default() };
    let told = |error: Option<Error>| match error {
        Some(Error::AlertReceived(alert)) => alert,
        other => panic!("{other:?}"),
    };
    let pair = connect(&only(Suite::Aes128V13), wishing(Suite::ChaCha20V13), "one.example");
    let (error, why) = refusal(pair);
    assert_eq!((told(error), why), (AlertDescription::HandshakeFailure, Why::Refused));
    let pair = connect(&only(Suite::Aes128V13), wishing(Suite::Aes128V12), "one.example");
    let (error, why) = refusal(pair);
    assert_eq!((told(error), why), (AlertDescription::ProtocolVersion, Why::Refused));
    let wishes = Wishes { alpn: vec![b"h2".to_vec()], ..Wishes::default() };
    let (error, why) = refusal(connect(&config(options()), wishes, "one.example"));
    assert_eq!((told(error), why), (AlertDescription::NoApplicationProtocol, Why::Refused));
    // A name that is not known, where that is refused.
    let strict = config(Options { serves_unknown_names: false, ..options() });
    let (error, why) = refusal(connect(&strict, Wishes::default(), "two.example"));
    assert_eq!((told(error), why), (AlertDescription::UnrecognisedName, Why::Refused));
    // A client that does not believe the certificate says so.
    let (_, why) = refusal(connect(&config(options()), Wishes::default(), "two.example"));
    assert_eq!(why, Why::Alerted(AlertDescription::BadCertificate.into()));
}

#[test]
fn http_inside_is_agreed_on_where_it_is_offered() {
    let wishes = Wishes { alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], ..Wishes::default() };
    let pair = connect(&config(options()), wishes, "one.example");
    assert!(pair.established().has_alpn && pair.client.alpn_protocol() == Some(b"http/1.1"));
    assert!(!connect(&config(options()), Wishes::default(), "one.example").established().has_alpn);
}

#[test]
fn a_name_leads_to_its_certificate_and_a_client_that_can_do_both_gets_the_cheap_one() {
    let wild = AUTHORITY.signed(&["*.wild.example", "two.example"], false);
    let certificates = [&*RSA, &*ECDSA, &wild].map(certificate).into();
    let config = config(Options { certificates, ..options() });
    let facts: Vec<_> = config.facts().iter().map(|fact| (fact.is_rsa, fact.leaf.names.len())).collect();
    assert_eq!(facts, [(true, 1), (false, 1), (false, 2)]);
    assert!(config.facts().iter().all(|fact| fact.leaf.not_after > i64::try_from(NOW).expect("a time")));
    assert_eq!(config.facts()[0].leaf.subject, "CN=one.example,O=Example\\, Inc.");
    for name in ["one.example", "a.wild.example", "two.example"] {
        let pair = connect(&config, Wishes::default(), name);
        assert_eq!((pair.client_error, &pair.heard[..]), (None, &b"hello"[..]), "{name}");
    }
    // A suite of TLS 1.2 for RSA alone: what an old client may have.
    let suites = in_rustls(Suite::Aes128V12)[1..].to_vec();
    let pair = connect(&config, Wishes { suites, ..Wishes::default() }, "one.example");
    assert_eq!((pair.client_error, &pair.heard[..]), (None, &b"hello"[..]));
}

#[test]
fn a_session_is_resumed_with_a_ticket_of_this_node_or_another() {
    let file = [3; TICKET_KEY_LEN];
    let shared = || Some(Arc::new(Tickets::shared(&file, 3600).expect("keys")));
    for suite in Suite::ALL {
        let nodes = [0, 1].map(|_| config(Options { tickets: shared(), ..options() }));
        let other = config(options());
        let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
        let config = client_config(wishes);
        let resumes = |node: &Config| {
            let mut pair = Pair::new(client(&config, "one.example"), Server::new(node), 7);
            pair.say(b"hello");
            pair.run();
            assert_eq!((&pair.client_error, &pair.heard[..]), (&None, &b"hello"[..]), "{suite:?}");
            pair.established().is_resumed
        };
        let all = [&nodes[0], &nodes[1], &nodes[0], &other, &nodes[1]].map(resumes);
        // The other node does not know the key; its own ticket is unknown to the others.
        assert_eq!(all[..4], [false, true, true, false], "{suite:?}");
    }
    let without = config(Options { tickets: None, ..options() });
    let config = client_config(Wishes::default());
    for _ in 0..2 {
        let mut pair = Pair::new(client(&config, "one.example"), Server::new(&without), 7);
        pair.run();
        assert!(!pair.established().is_resumed && pair.client.tls13_tickets_received() == 0);
    }
}

#[test]
fn a_ticket_is_good_as_long_as_it_may_be_and_not_where_other_clients_are_believed() {
    let tickets = Some(Arc::new(Tickets::made(3600, NOW).expect("keys")));
    let (first, clock) = (options(), common::clock());
    let open = config(Options { tickets: tickets.clone(), clock: Arc::clone(&clock), ..first });
    let believes = |clients| config(Options { clients, tickets: tickets.clone(), ..options() });
    let closed = believes(Clients::Optional(AUTHORITY.pem.clone().into()));
    let kept = Resumption::in_memory_sessions(8);
    let config = client_config(Wishes { resumption: kept, ..Wishes::default() });
    let resumes = |node: &Config| {
        let mut pair = Pair::new(client(&config, "one.example"), Server::new(node), 7);
        pair.run();
        pair.established().is_resumed
    };
    assert!(!resumes(&open) && resumes(&open));
    assert!(!resumes(&closed), "a ticket of times without client certificates");
    assert!(resumes(&closed));
    assert!(!resumes(&open) && resumes(&open));
    clock.set(NOW + 3601);
    assert!(!resumes(&open) && resumes(&open));
}

#[test]
fn client_certificates_are_not_asked_for_or_believed_or_required() {
    let pem = || AUTHORITY.pem.clone().into_bytes();
    let with = |has_certificate| Wishes { has_certificate, ..Wishes::default() };
    let server = |clients| config(Options { clients, ..options() });
    for suite in [Suite::Aes128V13, Suite::Aes128V12] {
        let wishes = |has| Wishes { suites: in_rustls(suite), ..with(has) };
        let shown = |config: &Config, has| {
            let pair = connect(config, wishes(has), "one.example");
            assert_eq!(pair.heard, b"hello");
            let shown = pair.established().client_certificate.clone();
            shown.map(|der| holdfast_tls::Leaf::read(&der).expect("a certificate").subject)
        };
        let subject = Some("CN=device-7,O=Example\\, Inc.".to_owned());
        assert_eq!(shown(&server(Clients::Off), true), None);
        assert_eq!(shown(&server(Clients::Optional(pem())), true), subject);
        assert_eq!(shown(&server(Clients::Optional(pem())), false), None);
        assert_eq!(shown(&server(Clients::Required(pem())), true), subject);
        let (_, why) = refusal(connect(&server(Clients::Required(pem())), wishes(false), "one.example"));
        assert_eq!(why, Why::Refused, "{suite:?}");
        // One that somebody else has signed.
        let strangers = Authority::new().pem.into_bytes();
        for clients in [Clients::Optional(strangers.clone()), Clients::Required(strangers)] {
            let (_, why) = refusal(connect(&server(clients), wishes(true), "one.example"));
            assert_eq!(why, Why::Refused, "{suite:?}");
        }
    }
    // And it is known again after a resumption.
    let server = server(Clients::Required(pem()));
    let config = client_config(with(true));
    for is_resumed in [false, true] {
        let mut pair = Pair::new(client(&config, "one.example"), Server::new(&server), 7);
        pair.run();
        let established = pair.established();
        assert_eq!(established.is_resumed, is_resumed);
        assert!(established.client_certificate.is_some());
    }
    assert!(CLIENT.0.contains("BEGIN CERTIFICATE"));
}

#[test]
fn what_is_wrong_with_files_is_a_sentence() {
    let wrong = |chain: &str, key: &str| {
        holdfast_tls::Certificate::read(chain.as_bytes(), key.as_bytes()).expect_err("it is wrong")
    };
    assert_eq!(wrong("", &ECDSA.1), "it has no certificate in PEM");
    assert!(wrong(&ECDSA.0, "").starts_with("it has no private key in PEM"));
    let cut = &ECDSA.0[..ECDSA.0.len() / 2];
    assert!(wrong(cut, &ECDSA.1).starts_with("its certificates cannot be read"), "{}", wrong(cut, &ECDSA.1));
    let mismatched = (ECDSA.0.clone(), RSA.1.clone());
    let refused = Config::new(Options { certificates: vec![certificate(&mismatched)], ..options() });
    assert!(refused.expect_err("another key").contains("keys"), "says that the key is another's");
    let refused = Config::new(Options { certificates: Vec::new(), ..options() });
    assert_eq!(refused.expect_err("none"), "there is no certificate");
    let refused = Config::new(Options { suites: Vec::new(), ..options() });
    assert_eq!(refused.expect_err("none"), "no suite is named");
    let refused = Config::new(Options { clients: Clients::Required(b"none".to_vec()), ..options() });
    assert_eq!(refused.expect_err("none"), "it has no certificate in PEM");
}

#[test]
fn a_peer_that_does_not_speak_tls_is_told_nothing() {
    let config = config(options());
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0", b"\x17\x03\x03", b"\x80\x2e\x01"] {
        let mut out = Vec::new();
        let failure = Handshake::new(&config).expect("a handshake").feed(first, &mut out);
        assert_eq!((failure.expect_err("no TLS").why, out), (Why::NotTls, Vec::new()));
    }
}

#[test]
fn a_peer_that_sends_too_much_is_refused() {
    let config = config(options());
    // One handshake message that is said to be long, in records of 16 KiB; and one in many small records.
    let long = [&[22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff][..], &vec![0; 0x4000 - 4]].concat();
    let more = [&[22, 3, 1, 0x40, 0][..], &vec![0; 0x4000]].concat();
    let small = [22, 3, 1, 0, 1, 1];
    for (first, next) in [(&long[..], &more[..]), (&small[..], &[22, 3, 1, 0, 1, 0][..])] {
        let (mut handshake, mut out, mut sent) =
            (Handshake::new(&config).expect("a handshake"), Vec::new(), 0);
        let mut bytes = first;
        let failure = loop {
            sent += bytes.len();
            assert!(sent <= HANDSHAKE_BYTES_MAX + 0x4005);
            match handshake.feed(bytes, &mut out) {
                Err(failure) => break failure,
                Ok(progress) => assert!(progress.done.is_none()),
            }
            bytes = next;
        };
        assert!(matches!(failure.why, Why::TooMuch | Why::Refused), "{failure:?}");
        assert!(out.len() == 7 && out[0] == 21, "{out:?}");
    }
    // A record that is too long is refused by its header.
    let mut out = Vec::new();
    let failure = Handshake::new(&config).expect("a handshake").feed(&[22, 3, 1, 0xff, 0xff], &mut out);
    assert_eq!(failure.expect_err("too long").why, Why::Refused);
    assert_eq!(out, Alert::DecodeError.plain());
}

/// The bytes of a client's handshake, up to its first data, and the server that has heard them.
fn recorded(config: &Config, suite: Suite) -> Vec<Vec<u8>> {
    let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
    let mut client = client(&client_config(wishes), "one.example");
    let mut handshake = Handshake::new(config).expect("a handshake");
    let mut flights = Vec::new();
    loop {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).expect("memory");
        }
        let mut out = Vec::new();
        let done = handshake.feed(&flight, &mut out).expect("a handshake").done.is_some();
        flights.push(flight);
        if done {
            return flights;
        }
        let mut out = &out[..];
        while !out.is_empty() {
            client.read_tls(&mut out).expect("memory");
            client.process_new_packets().expect("a handshake");
        }
    }
}

#[test]
fn a_handshake_that_is_cut_waits_and_one_that_is_changed_is_refused() {
    let config = config(Options { tickets: None, ..options() });
    for suite in [Suite::Aes128V13, Suite::Aes128V12] {
        let hello = recorded(&config, suite).remove(0);
        for end in 0..hello.len() {
            let (mut handshake, mut out) = (Handshake::new(&config).expect("a handshake"), Vec::new());
            let progress = handshake.feed(&hello[..end], &mut out).expect("it waits");
            assert!(progress.done.is_none() && progress.used == end && out.is_empty());
            let progress = handshake.feed(&hello[end..], &mut out).expect("it goes on");
            assert!(progress.done.is_none() && out[0] == 22);
        }
        let mut random = Random::new(9);
        for _ in 0..3000 {
            let mut changed = hello.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len());
                changed[at] = u8::try_from(random.below(256)).expect("a byte");
            }
            let (mut handshake, mut out) = (Handshake::new(&config).expect("a handshake"), Vec::new());
            // Some changes do not matter, such as those of the random number. No change ends a handshake.
            match handshake.feed(&changed, &mut out) {
                Ok(progress) => assert!(progress.done.is_none()),
                Err(failure) => {
                    assert!(matches!(failure.why, Why::Refused | Why::NotTls), "{failure:?}");
                    assert_eq!(out.is_empty(), failure.why == Why::NotTls, "{failure:?}");
                }
            }
        }
    }
}

#[test]
fn a_finished_that_is_changed_is_refused() {
    let config = config(options());
    for suite in [Suite::Aes128V13, Suite::Aes128V12] {
        for at in 0..40 {
            let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
            let mut client = client(&client_config(wishes), "one.example");
            let (mut handshake, mut out) = (Handshake::new(&config).expect("a handshake"), Vec::new());
            let mut hello = Vec::new();
            client.write_tls(&mut hello).expect("memory");
            handshake.feed(&hello, &mut out).expect("a hello");
            client.read_tls(&mut &out[..]).expect("memory");
            client.process_new_packets().expect("a handshake");
            let mut finished = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut finished).expect("memory");
            }
            let from_end = finished.len() - 1 - at;
            finished[from_end] ^= 0x10;
            out.clear();
            let failure = handshake.feed(&finished, &mut out).expect_err("it was changed");
            assert_eq!(failure.why, Why::Refused, "{suite:?}, {at}");
            assert!(!out.is_empty(), "it is said to the client");
            assert!(handshake.feed(&finished, &mut out).is_err(), "and nothing comes of more");
        }
    }
}

#[test]
fn a_client_of_this_crate_speaks_to_its_server_and_to_rustls() {
    let config = config(options());
    for suite in Suite::ALL {
        let of_client =
            ClientConfig::new(AUTHORITY.pem.as_bytes(), &[suite], common::clock()).expect("a configuration");
        let mut random = Random::new(3);
        for is_rustls in [false, true] {
            let mut client = Handshake::client(&of_client, "one.example").expect("a handshake");
            let mut wire = Vec::new();
            assert!(client.feed(&[], &mut wire).expect("a hello").done.is_none());
            let (mut own, mut other) = (Server::new(&config), server_of_rustls(suite));
            let mut server = |bytes: &[u8]| match is_rustls {
                false => {
                    own.input(bytes);
                    std::mem::take(&mut own.out)
                }
                true => echo_of_rustls(&mut other, bytes),
            };
            let (mut established, mut left) = (None, Vec::new());
            while established.is_none() {
                let answer = server(&std::mem::take(&mut wire));
                let mut answer = &answer[..];
                while !answer.is_empty() && established.is_none() {
                    let (piece, rest) = answer.split_at(1 + random.cut(answer.len()));
                    let progress = client.feed(piece, &mut wire).expect("a handshake");
                    established = progress.done;
                    answer = rest;
                    left = [&piece[progress.used..], rest].concat();
                }
            }
            let mut state = established.expect("a handshake").state;
            let mut session = state.session().expect("a state");
            let mut out = vec![0; 200];
            let len = seal_copy(&mut session, b"hello", &mut out).expect("sealed");
            // With its Finished, where that is not sent yet.
            wire.extend_from_slice(&out[..len]);
            left.extend(server(&wire));
            let len = left.len();
            let opened = open(&mut session, &mut left, 0..len);
            assert_eq!((&left[opened.plain], opened.end), (&b"hello"[..], None), "{suite:?} {is_rustls}");
        }
    }
    let stranger = ClientConfig::new(Authority::new().pem.as_bytes(), &Suite::ALL, common::clock());
    let mut client = Handshake::client(&stranger.expect("one"), "one.example").expect("a handshake");
    let (mut server, mut wire) = (Server::new(&config), Vec::new());
    client.feed(&[], &mut wire).expect("a hello");
    server.input(&wire);
    wire.clear();
    let failure = client.feed(&server.out, &mut wire).expect_err("it is not believed");
    assert_eq!(failure.why, Why::Refused);
    server.input(&wire);
    assert!(matches!(server.failure.expect("it is told").why, Why::Alerted(_)));
}

fn server_of_rustls(suite: Suite) -> ServerConnection {
    let provider =
        CryptoProvider { cipher_suites: in_rustls(suite), ..rustls::crypto::aws_lc_rs::default_provider() };
    let version =
        if suite.version() == Version::V13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
    let chain = CertificateDer::from_pem_slice(ECDSA.0.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(ECDSA.1.as_bytes()).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a certificate");
    ServerConnection::new(Arc::new(config)).expect("a server")
}

/// What a server of rustls answers, which says again what it hears.
fn echo_of_rustls(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let (mut heard, mut out) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).expect("memory");
        server.process_new_packets().expect("a good client");
    }
    let _ = server.reader().read_to_end(&mut heard);
    server.writer().write_all(&heard).expect("room");
    while server.wants_write() {
        server.write_tls(&mut out).expect("memory");
    }
    out
}

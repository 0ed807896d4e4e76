//! A provider over real sockets, at a pace that no operator can set.

use std::future::pending;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_webpubsub::identity::{Pace, ProviderToken, Refused};
use holdfast_webpubsub::token::Claims;
use tokio::runtime::{Builder, Handle};

use super::{Fetches, Provider, Unverified, Worker};
use crate::HandshakeId;
use crate::settings::IdentitySettings;

type Answered = (u32, Result<Claims, Unverified>);

/// Publishes what it is told to, and counts who asks. None: the connection is cut.
struct Publisher {
    address: SocketAddr,
    published: Arc<Mutex<Option<String>>>,
    asked: Arc<Mutex<usize>>,
}

impl Publisher {
    fn start(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        let address = listener.local_addr().expect("its address");
        let (published, asked) = (Arc::new(Mutex::new(Some(document))), Arc::new(Mutex::new(0)));
        let (shown, counted) = (Arc::clone(&published), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.expect("a stream"));
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|len| len > 2) {
                    line.clear();
                }
                *counted.lock().expect("no panic") += 1;
                let Some(body) = shown.lock().expect("no panic").clone() else { continue };
                let len = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
                // Whoever asked may have left.
                let _ = stream.get_mut().write_all((head + &body).as_bytes());
            }
        });
        Self { address, published, asked }
    }

    fn publish(&self, document: Option<String>) {
        *self.published.lock().expect("no panic") = document;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().expect("no panic")
    }
}

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    fn document(&self, kid: &str) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}]}}"#)
    }

    fn token(&self, kid: &str) -> ProviderToken {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        let claims = r#"{"iss":"i","aud":"a","sub":"ann","exp":99999999999}"#;
        let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), head.as_bytes()).expect("signed");
        ProviderToken::read(&format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature))).expect("a token")
    }
}

struct Rig {
    provider: Arc<Provider>,
    fetches: Arc<Fetches>,
    said: Sender<Answered>,
    heard: Receiver<Answered>,
    runtime: Handle,
}

impl Rig {
    fn new(publisher: &Publisher, pace: Pace) -> Self {
        let place = format!("http://{}/keys", publisher.address);
        let settings = IdentitySettings {
            keys: place.as_str().try_into().expect("a place"),
            issuer: "i".to_owned(),
            audience: vec!["a".to_owned()],
            ..IdentitySettings::default()
        };
        let (fetches, worker) = (Arc::default(), Worker::default());
        let provider = Provider::with_pace(pace, "chat", &settings, None, &fetches, &worker);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        // For as long as the test takes.
        thread::spawn(move || runtime.block_on(pending::<()>()));
        let (said, heard) = channel();
        let provider = Arc::new(provider.expect("a provider"));
        Self { provider, fetches, said, heard, runtime: handle }
    }

    fn start(self) -> Self {
        self.provider.start(&self.runtime);
        self
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            thread::yield_now();
        }
    }

    fn verify(&self, number: u32, token: ProviderToken) {
        let said = self.said.clone();
        let answer = move |result| said.send((number, result)).expect("heard");
        assert!(self.provider.verify(token, handshake(number), answer));
    }

    fn next(&self) -> Answered {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("an answer")
    }
}

fn handshake(key: u32) -> HandshakeId {
    HandshakeId { shard: 0, key, generation: 0 }
}

fn pace(gap: Duration) -> Pace {
    Pace { gap, age_max: Duration::from_secs(3600), retry: Duration::from_millis(1), ..Pace::default() }
}

#[test]
fn a_new_key_is_fetched_once_for_all_who_show_it_and_the_old_one_goes() {
    let (old, new) = (Signer::new(), Signer::new());
    let publisher = Publisher::start(old.document("old"));
    let rig = Rig::new(&publisher, pace(Duration::ZERO)).start();
    rig.wait("there are keys", |rig| rig.provider.keys().0 == 1);
    rig.verify(0, old.token("old"));
    assert_eq!(rig.next().1.expect("it is good").user.as_deref(), Some("ann"));
    // Held until all have asked.
    let mut held = publisher.published.lock().expect("no panic");
    (0..20).for_each(|number| rig.verify(number, new.token("new")));
    rig.wait("they wait", |rig| rig.provider.waiting() == 20);
    *held = Some(new.document("new"));
    drop(held);
    let mut answered: Vec<_> = (0..20).map(|_| rig.next()).collect();
    assert!(answered.iter().all(|(_, result)| result.is_ok()), "{answered:?}");
    answered.sort_by_key(|(number, _)| *number);
    assert!(answered.iter().map(|(number, _)| *number).eq(0..20), "each once");
    assert_eq!(publisher.asked(), 2, "one fetch for all of them");
    rig.verify(1, old.token("old"));
    assert_eq!(rig.next(), (1, Err(Unverified::Key(Refused::Unknown))));
}

#[test]
fn who_makes_up_names_of_keys_has_nobody_asked() {
    let signer = Signer::new();
    let publisher = Publisher::start(signer.document("a"));
    let rig = Rig::new(&publisher, pace(Duration::from_secs(3600))).start();
    rig.wait("there are keys", |rig| rig.provider.keys().0 == 1);
    for number in 0..100 {
        rig.verify(number, signer.token(&format!("made up {number}")));
        assert_eq!(rig.next(), (number, Err(Unverified::Key(Refused::Unknown))));
    }
    assert_eq!((publisher.asked(), rig.fetches.counted()), (1, (1, 0)));
}

#[test]
fn keys_stay_where_none_can_be_had() {
    let signer = Signer::new();
    let publisher = Publisher::start(signer.document("a"));
    let rig = Rig::new(&publisher, pace(Duration::ZERO)).start();
    rig.wait("there are keys", |rig| rig.provider.keys().0 == 1);
    for broken in [None, Some("<html>".to_owned()), Some(" ".repeat(1 << 20))] {
        publisher.publish(broken);
        let failed = rig.fetches.counted().1;
        rig.verify(1, signer.token("b"));
        assert_eq!(rig.next(), (1, Err(Unverified::Key(Refused::Unavailable))));
        assert!(rig.fetches.counted().1 > failed);
        rig.verify(2, signer.token("a"));
        assert!(rig.next().1.is_ok(), "the old one is good");
    }
    publisher.publish(Some(signer.document("b")));
    rig.wait("the new one is there", |rig| {
        rig.verify(3, signer.token("b"));
        rig.next().1.is_ok()
    });
}

#[test]
fn who_leaves_waits_no_more() {
    let publisher = Publisher::start(String::new());
    // Nobody fetches: they wait.
    let rig = Rig::new(&publisher, Pace::default());
    let signer = Signer::new();
    (0..10).for_each(|number| rig.verify(number, signer.token("a")));
    rig.wait("they wait", |rig| rig.provider.waiting() == 10);
    (0..5).for_each(|number| rig.provider.leave(handshake(number)));
    assert_eq!(rig.provider.waiting(), 5);
    let rig = rig.start();
    let mut left: Vec<u32> = (0..5)
        .map(|_| rig.next())
        .map(|(number, result)| {
            assert_eq!(result, Err(Unverified::Key(Refused::Unavailable)), "{number}");
            number
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [5, 6, 7, 8, 9]);
}

//! OpenSSL's client as the oracle, by its command. Where there is none, these tests say so and are skipped.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{AUTHORITY, CLIENT, ECDSA, RSA, Server, certificate, options};
use holdfast_tls::{Alert, Clients, Config, End, Options, Suite, Why};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server knows of its client by now.
#[derive(Debug, Default)]
struct Seen {
    key_updates: u32,
    suite: Option<Suite>,
    is_resumed: bool,
    has_certificate: bool,
    end: Option<End>,
    why: Option<Why>,
}

/// A server on a port of its own that echoes, one client after the other.
struct Listening {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Listening {
    fn new(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let also = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                *also.lock().expect("nobody panics") = Seen::default();
                serve(&config, stream.expect("a client"), &also);
            }
        });
        Self { port, seen }
    }

    /// Waits until the server has seen something.
    fn until(&self, what: &str, seen: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        loop {
            let now = self.seen.lock().expect("nobody panics");
            if seen(&now) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{what} has not come: {:?}", *now);
            drop(now);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} has not come");
        thread::sleep(Duration::from_millis(5));
    }
}

fn serve(config: &Config, mut stream: TcpStream, seen: &Mutex<Seen>) {
    let (mut server, mut buffer) = (Server::new(config), [0; 3000]);
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        server.input(&buffer[..len]);
        let mut seen = seen.lock().expect("nobody panics");
        seen.key_updates = server.key_updates;
        (seen.end, seen.why) = (server.end, server.failure.as_ref().map(|failure| failure.why));
        if let Some(established) = &server.established {
            (seen.suite, seen.is_resumed) = (Some(established.suite), established.is_resumed);
            seen.has_certificate = established.client_certificate.is_some();
        }
        if stream.write_all(&std::mem::take(&mut server.out)).is_err() {
            return;
        }
        if seen.end.is_some() || seen.why.is_some() {
            return;
        }
    }
}

/// Written once: tests run beside each other.
static AUTHORITY_FILE: LazyLock<String> = LazyLock::new(|| file("authority", &AUTHORITY.pem));

/// `openssl s_client`, and what it has written.
struct Client {
    process: Child,
    said: Arc<Mutex<String>>,
}

impl Client {
    fn new(port: u16, arguments: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
            .args(["-servername", "one.example", "-verify_return_error", "-CAfile", &AUTHORITY_FILE])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl");
        let said = Arc::new(Mutex::new(String::new()));
        let (out, err) = (process.stdout.take().expect("a pipe"), process.stderr.take().expect("a pipe"));
        listen(out, &said);
        listen(err, &said);
        Self { process, said }
    }

    fn type_in(&mut self, line: &str) {
        let pipe = self.process.stdin.as_mut().expect("a pipe");
        pipe.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// Says a line and waits for its echo.
    fn echo(&mut self, line: &str) {
        self.type_in(line);
        self.until(line);
    }

    fn until(&self, text: &str) {
        let has = || self.said.lock().expect("nobody panics").contains(text);
        let start = Instant::now();
        while !has() {
            let said = self.said.lock().expect("nobody panics").clone();
            assert!(start.elapsed() < PATIENCE, "{text} has not come:\n{said}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listen(mut pipe: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer) {
            said.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
    });
}

/// A file of this test run, with that in it.
fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-{name}"));
    fs::write(&path, text).expect("a file");
    path.to_string_lossy().into_owned()
}

fn is_missing() -> bool {
    let is_missing = Command::new("openssl").arg("version").output().is_err();
    if is_missing {
        eprintln!("SKIPPED: there is no openssl here (apt-get install openssl)");
    }
    is_missing
}

/// The options that leave nothing but this suite.
fn only(suite: Suite) -> Vec<&'static str> {
    match suite {
        Suite::Aes128V13 => vec!["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
        Suite::ChaCha20V13 => vec!["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        Suite::Aes256V13 => vec!["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"],
        Suite::Aes128V12 => vec!["-tls1_2", "-cipher", "ECDHE+AESGCM+AES128"],
        Suite::ChaCha20V12 => vec!["-tls1_2", "-cipher", "ECDHE+CHACHA20"],
        Suite::Aes256V12 => vec!["-tls1_2", "-cipher", "ECDHE+AESGCM+AES256"],
    }
}

const V13: [Suite; 3] = [Suite::Aes128V13, Suite::ChaCha20V13, Suite::Aes256V13];

#[test]
fn every_suite_is_spoken_with_either_certificate_and_closed_cleanly() {
    if is_missing() {
        return;
    }
    for pem in [&*ECDSA, &*RSA] {
        let listening = Listening::new(
            Config::new(Options { certificates: vec![certificate(pem)], ..options() })
                .expect("a configuration"),
        );
        for suite in Suite::ALL {
            let mut client = Client::new(listening.port, &only(suite));
            client.echo("hello, whoever you are");
            client.echo(&"long ".repeat(700));
            client.type_in("Q");
            listening.until("a close", |seen| seen.end == Some(End::Closed) && seen.suite == Some(suite));
        }
    }
}

#[test]
fn keys_are_updated_as_often_as_the_client_likes() {
    if is_missing() {
        return;
    }
    let listening = Listening::new(Config::new(options()).expect("a configuration"));
    for suite in V13 {
        let mut client = Client::new(listening.port, &only(suite));
        client.echo("before");
        for (count, letter) in (1..).zip(["K", "k", "k", "K", "K", "K", "k", "K"]) {
            client.type_in(letter);
            listening.until("an update", |seen| seen.key_updates == count);
            client.echo(&format!("after {count}"));
        }
    }
}

#[test]
fn a_client_whose_first_guess_is_wrong_is_asked_again() {
    if is_missing() {
        return;
    }
    let listening = Listening::new(Config::new(options()).expect("a configuration"));
    for suite in V13 {
        // There is a key of X448 in its first message, which is not served.
        let mut client =
            Client::new(listening.port, &[&only(suite)[..], &["-groups", "X448:P-256"]].concat());
        client.echo("now we agree");
        listening.until("the suite", |seen| seen.suite == Some(suite));
    }
}

#[test]
fn records_may_be_padded_and_small() {
    if is_missing() {
        return;
    }
    let listening = Listening::new(Config::new(options()).expect("a configuration"));
    for suite in V13 {
        for more in [&["-record_padding", "256"][..], &["-max_send_frag", "512"]] {
            let mut client = Client::new(listening.port, &[&only(suite)[..], more].concat());
            client.echo("short");
            client.echo(&"long ".repeat(900));
        }
    }
}

#[test]
fn a_session_is_resumed() {
    if is_missing() {
        return;
    }
    let listening = Listening::new(Config::new(options()).expect("a configuration"));
    for suite in Suite::ALL {
        let kept = file(&format!("session-{}", suite.name()), "");
        let mut client = Client::new(listening.port, &[&only(suite)[..], &["-sess_out", &kept]].concat());
        client.echo("hello");
        until("a session", || fs::read_to_string(&kept).is_ok_and(|text| text.contains("END SSL")));
        client.type_in("Q");
        listening.until("a close", |seen| seen.end.is_some());
        let mut client = Client::new(listening.port, &[&only(suite)[..], &["-sess_in", &kept]].concat());
        client.echo("here I am again");
        listening.until("a resumption", |seen| seen.is_resumed && seen.suite == Some(suite));
    }
}

#[test]
fn renegotiation_is_refused() {
    if is_missing() {
        return;
    }
    let listening = Listening::new(Config::new(options()).expect("a configuration"));
    let mut client = Client::new(listening.port, &only(Suite::Aes128V12));
    client.echo("hello");
    client.type_in("R");
    listening.until("an end", |seen| seen.end == Some(End::Fault(Alert::NoRenegotiation)));
    client.until("no renegotiation");
}

#[test]
fn a_client_shows_its_certificate() {
    if is_missing() {
        return;
    }
    let clients = Clients::Required(AUTHORITY.pem.clone().into_bytes());
    let listening = Listening::new(Config::new(Options { clients, ..options() }).expect("a configuration"));
    let (chain, key) = (file("client", &CLIENT.0), file("client-key", &CLIENT.1));
    for suite in [Suite::Aes128V13, Suite::Aes128V12] {
        let mut client =
            Client::new(listening.port, &[&only(suite)[..], &["-cert", &chain, "-key", &key]].concat());
        client.echo("it is me");
        listening.until("a certificate", |seen| seen.has_certificate);
        drop(client);
        let client = Client::new(listening.port, &only(suite));
        listening.until("a refusal", |seen| seen.why == Some(Why::Refused));
        client.until("alert");
    }
}

#[test]
fn who_has_nothing_in_common_is_told_so() {
    if is_missing() {
        return;
    }
    let narrow = Options { suites: vec![Suite::Aes128V13], ..options() };
    let listening = Listening::new(Config::new(narrow).expect("a configuration"));
    Client::new(listening.port, &only(Suite::Aes128V12)).until("alert number 70");
    Client::new(listening.port, &only(Suite::Aes256V13)).until("alert number 40");
    Client::new(listening.port, &["-alpn", "h2"]).until("alert number 120");
    Client::new(listening.port, &["-alpn", "h2,http/1.1"]).until("ALPN protocol: http/1.1");
}

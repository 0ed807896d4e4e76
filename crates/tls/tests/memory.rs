//! What is left in memory of connections that have ended: no secret, and no key. OpenSSL's client says what they were;
//! where there is none, this test says so and is skipped. It is alone in its process.
//!
//! rustls moves its state out of one box into the next and does not wipe the one that it leaves: the traffic secrets
//! lie in freed memory until somebody else gets it. So this runs with an allocator that overwrites what is freed, which
//! glibc's is by a tunable. Whatever is found then is still in use, or on a stack.

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Server, options};
use holdfast_tls::Config;

/// What is looked for is kept in another form, so that it is not found where it is kept.
const MASK: u8 = 0x5A;

struct Needle {
    what: String,
    masked: Vec<u8>,
}

impl Needle {
    fn new(what: &str, hex: &str) -> Self {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        let masked = digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte") ^ MASK).collect();
        Self { what: what.to_owned(), masked }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let first = self.masked[0] ^ MASK;
        let is_here = |window: &[u8]| {
            window[0] == first && window.iter().zip(&self.masked).all(|(byte, masked)| byte ^ MASK == *masked)
        };
        bytes.windows(self.masked.len()).any(is_here)
    }
}

/// The tunables by which glibc overwrites what is freed (mallopt(3), M_PERTURB); what a thread keeps it would not.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0");

#[test]
fn no_secret_of_a_connection_that_has_ended_is_left() {
    if std::env::var(TUNABLES.0).is_ok_and(|value| value == TUNABLES.1) {
        return search();
    }
    let own = std::env::current_exe().expect("a path");
    let output = Command::new(own).env(TUNABLES.0, TUNABLES.1).arg("--nocapture").output().expect("itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}

fn search() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no openssl here (apt-get install openssl)");
        return;
    }
    let config = Config::new(options()).expect("a configuration");
    let (mut needles, mut servers) = (Vec::new(), Vec::new());
    for version in ["-tls1_3", "-tls1_2"] {
        for at in 0..3 {
            let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory{version}-{at}"));
            let _ = fs::remove_file(&log);
            servers.push(conversation(&config, version, &log));
            let text = fs::read_to_string(&log).expect("a key log");
            needles.extend(text.lines().filter_map(needle).flatten());
            fs::remove_file(&log).expect("it was there");
        }
    }
    // For each connection of TLS 1.3 two secrets and two keys. While states are kept, the secrets are there.
    assert_eq!(needles.len(), 3 * 4);
    let secrets = found(&needles).iter().filter(|line| !line.starts_with("key of")).count();
    assert!(secrets >= 6, "{secrets} of 6 secrets are found where they must be");
    servers.iter_mut().for_each(Server::wipe);
    let found = found(&needles);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A client that says something, is answered, and leaves.
fn conversation(config: &Config, version: &str, log: &Path) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "one.example", version, "-keylogfile"])
        .arg(log)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut pipe = client.stdin.take().expect("a pipe");
    let (mut stream, _) = listener.accept().expect("a client");
    let mut server = Server::new(config);
    let (mut buffer, mut has_typed) = ([0; 3000], false);
    while server.end.is_none() {
        let len = stream.read(&mut buffer).expect("a client that is there");
        server.input(&buffer[..len]);
        stream.write_all(&std::mem::take(&mut server.out)).expect("a client that reads");
        if server.established.is_some() && !has_typed {
            has_typed = true;
            pipe.write_all(b"hello\n").expect("it reads");
        } else if has_typed {
            let _ = pipe.write_all(b"Q\n");
        }
        assert!(server.failure.is_none(), "{:?}", server.failure);
    }
    let _ = client.wait();
    server
}

/// What a line of the key log gives to look for: a traffic secret and its key. Of TLS 1.2 it has nothing from which
/// that follows in one step.
fn needle(line: &str) -> Option<Vec<Needle>> {
    let mut words = line.split(' ');
    let (label, _, secret) = (words.next()?, words.next()?, words.next()?);
    match label {
        "CLIENT_TRAFFIC_SECRET_0" | "SERVER_TRAFFIC_SECRET_0" => {
            let key = Needle::new(&format!("key of {label}"), &key(secret));
            Some(vec![Needle::new(label, secret), key])
        }
        _ => None,
    }
}

/// The key of AES that follows from a traffic secret, by another process: here it would leave a trace.
fn key(secret: &str) -> String {
    let len = if secret.len() == 96 { 32 } else { 16 };
    let hash = if secret.len() == 96 { "SHA2-384" } else { "SHA2-256" };
    let output = Command::new("openssl")
        .args(["kdf", "-keylen", &len.to_string(), "-kdfopt", &format!("digest:{hash}")])
        .args(["-kdfopt", "mode:EXPAND_ONLY", "-kdfopt", &format!("hexkey:{secret}")])
        .args(["-kdfopt", &format!("hexinfo:00{len:02x}09746c733133206b657900"), "HKDF"])
        .output()
        .expect("openssl");
    String::from_utf8(output.stdout).expect("digits").trim().replace(':', "")
}

/// Where in this process' memory something of it lies.
fn found(needles: &[Needle]) -> Vec<String> {
    const CHUNK: usize = 1 << 20;
    let maps = fs::read_to_string("/proc/self/maps").expect("maps");
    let mut memory = File::open("/proc/self/mem").expect("memory");
    let (mut found, mut bytes) = (Vec::new(), Vec::with_capacity(CHUNK + 64));
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("two ends");
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        let (mut at, end) = (number(start), number(end));
        while at < end {
            bytes.clear();
            memory.seek(SeekFrom::Start(at)).expect("an address");
            let len = u64::try_from(CHUNK + 64).expect("little").min(end - at);
            if (&mut memory).take(len).read_to_end(&mut bytes).is_err() {
                break;
            }
            for needle in needles.iter().filter(|needle| needle.is_in(&bytes)) {
                found.push(format!("{} within a megabyte of {at:x}, in {line}", needle.what));
            }
            at += u64::try_from(CHUNK).expect("little");
        }
    }
    found
}

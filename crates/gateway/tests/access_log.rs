//! The access log: what its lines say, of whom they tell, and that nobody waits for it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast::counters::{Count, Counters};
use holdfast::settings::{AccessLog, DriverChoice, ForwardedHeader, Settings};
use holdfast::{Admission, Verdict};
use rig::peer::request_with;
use rig::{Peer, Rig, Script, request, settings, wait_until};
use rustix::fs::{Mode, mkfifoat};
use serde_json::Value;

on_every_rung!(
    a_connection_has_a_line_when_it_opens_and_one_when_it_ends,
    a_refused_handshake_has_a_line_and_a_health_check_none,
    those_who_are_refused_before_they_say_anything_have_a_line,
    the_address_is_the_one_that_proxies_name,
    a_connection_has_both_its_lines_or_neither,
    connections_that_are_cut_have_their_last_line,
    a_log_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted,
    what_peers_send_begins_no_line_and_no_field,
);

/// A gateway that logs, and its log.
struct Logged {
    rig: Rig,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Logged {
    fn with(settings: Settings) -> Self {
        Self::scripted(settings, &Script::default())
    }

    fn scripted(settings: Settings, script: &Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let access_log = Some(AccessLog::File(path.clone()));
        let rig = Rig::scripted(&Settings { access_log, ..settings }, script);
        Self { rig, path, _folder: folder }
    }

    /// So many lines, as soon as they are there.
    #[track_caller]
    fn lines(&self, count: usize) -> Vec<Value> {
        wait_until(&format!("{count} lines are written"), || self.text().lines().count() >= count);
        self.parsed(count)
    }

    /// So many lines, and no more, once the gateway has ended.
    #[track_caller]
    fn all_lines(self, count: usize) -> Vec<Value> {
        let Self { rig, path, _folder } = self;
        drop(rig);
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), count, "{text}");
        lines
    }

    fn text(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap();
        // The last line may be under way.
        text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
    }

    #[track_caller]
    fn parsed(&self, count: usize) -> Vec<Value> {
        let text = self.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), count, "{text}");
        lines
    }
}

/// A line without its time, as JSON whose keys are sorted.
fn said(line: &Value) -> String {
    let fields = line.as_object().expect("an object").iter().filter(|(key, _)| *key != "time");
    fields.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn a_connection_has_a_line_when_it_opens_and_one_when_it_ends(rung: DriverChoice) {
    let subprotocols = vec!["chat".to_owned()];
    let logged = Logged::with(Settings { subprotocols, ..settings(rung) });
    let mut peer = logged.rig.silent_peer();
    let lines = "Origin: https://example.com\r\nSec-WebSocket-Protocol: soap, chat\r\n";
    peer.send(&request_with("/chat/1?token=secret", lines));
    peer.expect_accepted();
    let line = logged.lines(1).remove(0);
    let id = line["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        said(&line),
        format!(
            "address=\"127.0.0.1\" event=\"open\" id=\"{id}\" origin=\"https://example.com\" outcome=\"101\" \
             path=\"/chat/1\" status=101 subprotocol=\"chat\""
        )
    );
    assert!(line["time"].as_str().expect("a time").ends_with('Z'));
    // Two messages of 14 bytes, masked one way and not the other, and close frames of 2 bytes.
    peer.check_echo();
    peer.check_echo();
    peer.close();
    let line = logged.lines(2).remove(1);
    assert!(line["seconds"].as_f64().expect("a number") < 3600.0);
    let (sent, received) = (2 * (6 + 14) + 6 + 2, 2 * (2 + 14) + 2 + 2);
    let seconds = &line["seconds"];
    assert_eq!(
        said(&line),
        format!(
            "bytes_in={sent} bytes_out={received} code=\"1000\" event=\"close\" id=\"{id}\" messages_in=2 \
             messages_out=2 reason=\"peer\" seconds={seconds}"
        )
    );
    assert_eq!(logged.rig.sum(|counters| counters.log_dropped.get()), 0);
    logged.all_lines(2);
}

fn a_refused_handshake_has_a_line_and_a_health_check_none(rung: DriverChoice) {
    let script = Script::default()
        .on_open(|_, _| Admission::Now(Verdict::Refuse { status: 401, reason: "who are you?".to_owned() }));
    let paths = vec!["/chat".to_owned()];
    let logged = Logged::scripted(Settings { paths, ..settings(rung) }, &script);
    let requests: [(&[u8], u16); 4] = [
        (&request("/other?token=secret"), 404),
        (&request("/chat"), 401),
        (b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        (b"BAD\r\n\r\n", 400),
    ];
    for (request, status) in requests {
        let mut peer = logged.rig.silent_peer();
        peer.send(request);
        peer.expect_refused(status);
    }
    drop(logged.rig.silent_peer());
    let lines: Vec<String> = logged.lines(4).iter().map(said).collect();
    let start = "address=\"127.0.0.1\" event=\"refuse\"";
    assert_eq!(
        lines,
        [
            format!("{start} outcome=\"path\" path=\"/other\" status=404"),
            format!("{start} outcome=\"other\" path=\"/chat\" status=401"),
            format!("{start} outcome=\"400\" status=400"),
            format!("{start} outcome=\"gone\""),
        ]
    );
    logged.all_lines(4);
}

fn those_who_are_refused_before_they_say_anything_have_a_line(rung: DriverChoice) {
    let logged = Logged::with(Settings { address_connections_max: Some(1), ..settings(rung) });
    let _first = logged.rig.peer();
    logged.rig.silent_peer().expect_refused(429);
    let line = said(&logged.lines(2)[1]);
    assert_eq!(line, "address=\"127.0.0.1\" event=\"refuse\" outcome=\"429\" status=429");

    let trusted_proxies = vec!["192.0.2.1".parse().unwrap()];
    let logged = Logged::with(Settings { proxy_protocol: true, trusted_proxies, ..settings(rung) });
    logged.rig.silent_peer().expect_over();
    assert_eq!(said(&logged.lines(1)[0]), "address=\"127.0.0.1\" event=\"refuse\" outcome=\"untrusted\"");
}

fn the_address_is_the_one_that_proxies_name(rung: DriverChoice) {
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let forwarded = Some(ForwardedHeader::XForwardedFor);
    let logged = Logged::with(Settings { forwarded, trusted_proxies, ..settings(rung) });
    for (list, status) in [("192.0.2.1", 101), ("nonsense", 400)] {
        let mut peer = logged.rig.silent_peer();
        peer.send(&request_with("/", &format!("X-Forwarded-For: {list}\r\n")));
        assert_eq!(peer.read_status(), status);
    }
    let lines: Vec<String> = logged.lines(3).iter().map(said).collect();
    assert!(lines.iter().any(|line| line.contains("address=\"192.0.2.1\" event=\"open\"")), "{lines:?}");
    let refused = "address=\"127.0.0.1\" event=\"refuse\" outcome=\"forwarded\" path=\"/\" status=400";
    assert!(lines.iter().any(|line| line == refused), "{lines:?}");
}

fn a_connection_has_both_its_lines_or_neither(rung: DriverChoice) {
    const COUNT: usize = 200;
    let logged = Logged::with(Settings { access_log_sample: 2, ..settings(rung) });
    let mut peers = logged.rig.peers(COUNT);
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.check_echo();
        if index % 2 == 0 {
            peer.close();
        }
    }
    drop(peers);
    logged.rig.wait_until_empty();
    let path = logged.path.clone();
    let text = {
        let Logged { rig, _folder, .. } = logged;
        drop(rig);
        fs::read_to_string(path).unwrap()
    };
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let field = |name: &str| line[name].as_str().expect("text").to_owned();
        events.entry(field("id")).or_default().push(field("event"));
    }
    assert!(events.values().all(|events| events == &["open", "close"]), "{events:?}");
    // That all or none of two hundred fall to one side does not happen.
    assert!((1..COUNT).contains(&events.len()), "{} of {COUNT}", events.len());
}

fn connections_that_are_cut_have_their_last_line(rung: DriverChoice) {
    let logged = Logged::with(settings(rung));
    let mut peers = logged.rig.peers(3);
    peers.iter_mut().for_each(Peer::check_echo);
    let lines = logged.all_lines(6);
    let last: Vec<String> = lines[3..].iter().map(said).collect();
    assert!(last.iter().all(|line| line.contains("event=\"close\"")), "{last:?}");
    assert!(last.iter().all(|line| line.contains("code=\"none\"")), "{last:?}");
}

fn a_log_that_is_not_read_holds_up_nobody_and_what_is_lost_is_counted(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    // Both ends, so that opening waits for nobody; nothing is read.
    let pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let rig = Rig::with(&Settings { access_log: Some(AccessLog::File(path.clone())), ..settings(rung) });
    let mut stays = rig.peer();
    let lost = || rig.sum(|counters| counters.log_dropped.get());
    wait_until("lines are dropped", || {
        rig.peers(50).iter_mut().for_each(Peer::close);
        lost() > 0
    });
    stays.check_echo();
    let counters = Arc::clone(rig.gateway.counters());
    let sum = |count: fn(&Counters) -> &Count| counters.iter().map(|shard| count(shard).get()).sum::<u64>();
    // Now somebody reads. Every line is there or was counted: two for each connection, those included that are cut.
    let mut reader = File::open(&path).unwrap();
    drop(pipe);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    drop(rig);
    let text = reader.join().unwrap();
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let written = text.lines().count() as u64;
    assert_eq!(written + sum(|shard| &shard.log_dropped), 2 * sum(|shard| &shard.opened));
}

fn what_peers_send_begins_no_line_and_no_field(rung: DriverChoice) {
    let logged = Logged::with(settings(rung));
    let origin = "https://x\",\"event\":\"close\"},{\"\\";
    let long = format!("/{}", "x".repeat(600));
    for target in ["/a%0A%22b?\"},{", &long] {
        let mut peer = logged.rig.silent_peer();
        peer.send(&request_with(target, &format!("Origin: {origin}\r\n")));
        peer.expect_accepted();
        peer.close();
        wait_until("it is closed", || logged.rig.held() == 0);
    }
    let lines = logged.all_lines(4);
    assert_eq!((lines[0]["path"].as_str(), lines[0]["event"].as_str()), (Some("/a%0A%22b"), Some("open")));
    assert_eq!(lines[0]["origin"].as_str(), Some(origin));
    let path = lines[2]["path"].as_str().expect("text");
    assert!(path.len() == 515 && path.ends_with("x..."), "{path}");
}

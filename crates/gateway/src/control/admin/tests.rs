use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};

use super::*;
use crate::cluster::{BusStatus, ClusterStatus, ClusterView, NodeStatus};
use crate::control::thread::without_signals;
use crate::control::{Drainer, Phase, Readiness};
use crate::counters::Counters;
use crate::metrics::Facts;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long a test waits for something that should happen at once.
const DEADLINE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    shards: Arc<[Arc<Counters>]>,
    readiness: Arc<Readiness>,
    handle: crate::Handle,
    server: AdminServer,
}

fn running(shards: usize) -> Running {
    running_with(shards, HEAD_MAX, None)
}

/// Silent peers may stay for an hour: whoever is answered has got another's place.
fn patient() -> Running {
    running_with(1, Duration::from_secs(3600), None)
}

fn running_with(shards: usize, head_max: Duration, token: Option<Secret>) -> Running {
    running_as(shards, head_max, |state| state.with_token(token))
}

/// A node of a cluster that is as `status` says.
fn node(status: &ClusterStatus) -> Running {
    let status = status.clone();
    running_as(1, HEAD_MAX, |state| state.with_cluster(Some(ClusterView::new(move || status.clone()))))
}

fn running_as(shards: usize, head_max: Duration, complete: impl FnOnce(AdminState) -> AdminState) -> Running {
    let shards: Arc<[Arc<Counters>]> = (0..shards).map(|_| Arc::default()).collect();
    let readiness = Arc::new(Readiness::default());
    let facts = facts();
    let handle = crate::Handle::new(shards.len());
    let drainer = drainer(&handle, &shards, &readiness);
    let state = complete(AdminState::new(handle.clone(), Arc::clone(&shards), drainer, &facts));
    let admin = Admin { head_max, ..Admin::bind(LOOPBACK).expect("a free port") };
    let address = admin.local_addr();
    let server = admin.start(state, &without_signals());
    Running { address, shards, readiness, handle, server }
}

fn facts() -> Facts {
    let driver = "epoll".to_owned();
    Facts {
        driver,
        kernel_bytes_per_connection: 3856,
        room: 19_900,
        memory: None,
        plan: None,
        message_bytes_max: 1000,
    }
}

fn drainer(
    handle: &crate::Handle,
    shards: &Arc<[Arc<Counters>]>,
    readiness: &Arc<Readiness>,
) -> Arc<Drainer> {
    let settings = crate::settings::Settings::default();
    Arc::new(Drainer::new(handle.clone(), Arc::clone(shards), Arc::clone(readiness), &settings))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream
}

/// Sends these bytes and reads until the end of stream.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).expect("sent");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("response");
    String::from_utf8(response).expect("UTF-8")
}

/// Head and body of the response.
fn request(address: SocketAddr, method: &str, path: &str) -> (String, String) {
    let response =
        exchange(address, format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[track_caller]
fn assert_status(address: SocketAddr, method: &str, path: &str, status: &str) -> (String, String) {
    let (head, body) = request(address, method, path);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {head}");
    (head, body)
}

#[test]
fn metrics_are_prometheus_text_of_this_moment() {
    let running = running(2);
    running.shards[1].accepted.add(7);
    let (head, body) = assert_status(running.address, "GET", "/metrics", "200");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.contains("\nholdfast_accepted_total 7\n"), "{body}");
    assert!(body.contains("\nholdfast_shards 2\n"), "{body}");
    running.shards[0].accepted.add(1);
    let (_, body) = assert_status(running.address, "GET", "/metrics", "200");
    assert!(body.contains("\nholdfast_accepted_total 8\n"), "{body}");
    running.server.stop().expect("stopped");
}

#[test]
fn it_is_ready_only_between_start_and_drain() {
    let running = running(1);
    assert_eq!(assert_status(running.address, "GET", "/readyz", "503").1, "starting\n");
    running.readiness.set(Phase::Accepting);
    assert_eq!(assert_status(running.address, "GET", "/readyz", "200").1, "ok\n");
    running.readiness.set(Phase::Draining);
    assert_eq!(assert_status(running.address, "GET", "/readyz", "503").1, "draining\n");
    assert!(assert_status(running.address, "GET", "/metrics", "200").1.contains("\nholdfast_draining 1\n"));
}

#[test]
fn a_node_of_a_cluster_is_ready_when_it_is_in_it() {
    let ask = |bus: BusStatus, ready: bool, phase: Phase| {
        let running = node(&ClusterStatus { ready, bus, ..ClusterStatus::default() });
        running.readiness.set(phase);
        request(running.address, "GET", "/readyz").1
    };
    let away =
        |error: Option<&str>| BusStatus { last_error: error.map(str::to_owned), ..BusStatus::default() };
    let here = || BusStatus { connected: true, ..BusStatus::default() };
    for (bus, ready, phase, said) in [
        (away(None), false, Phase::Accepting, "not in the cluster: NATS is away"),
        (
            away(Some("wrong password")),
            false,
            Phase::Starting,
            "not in the cluster: NATS is away: wrong password",
        ),
        (here(), false, Phase::Accepting, "not in the cluster: waiting for the answers of the other nodes"),
        (here(), true, Phase::Starting, "starting"),
        (here(), true, Phase::Accepting, "ok"),
        (away(Some("gone")), true, Phase::Accepting, "ok"),
        (away(None), false, Phase::Draining, "draining"),
    ] {
        assert_eq!(ask(bus, ready, phase), format!("{said}\n"), "{phase:?}");
    }
}

#[test]
fn the_cluster_is_shown_where_there_is_one() {
    let (_, body) = assert_status(running(1).address, "GET", "/cluster", "404");
    assert_eq!(body, "this gateway is a node of no cluster: set cluster and cluster-name\n");
    let other = NodeStatus { node: "0000000000ab".to_owned(), connections: 7, ..NodeStatus::default() };
    let status = ClusterStatus { name: "prod".to_owned(), nodes: vec![other], ..ClusterStatus::default() };
    let running = node(&status);
    let (head, body) = assert_status(running.address, "GET", "/cluster", "200");
    assert!(head.contains("content-type: application/json"), "{head}");
    let shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(shown, serde_json::to_value(&status).expect("JSON"));
    assert_eq!((&shown["name"], &shown["nodes"][0]["connections"]), (&"prod".into(), &7.into()));
    let (_, whole) = assert_status(running.address, "GET", "/status", "200");
    let whole: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(whole["cluster"], shown);
    let (_, metrics) = assert_status(running.address, "GET", "/metrics", "200");
    assert!(metrics.contains("\nholdfast_cluster_nodes{cluster=\"prod\"} 1\n"), "{metrics}");
}

#[test]
fn it_is_healthy_while_it_lives_and_drains_too() {
    let running = running(1);
    running.readiness.set(Phase::Draining);
    assert_eq!(assert_status(running.address, "GET", "/healthz", "200").1, "ok\n");
}

#[test]
fn a_drain_is_begun_shown_and_taken_back() {
    let running = running(2);
    running.readiness.set(Phase::Accepting);
    running.shards[1].opened.add(3);
    assert_eq!(assert_status(running.address, "GET", "/drain", "200").1, "not draining, 3 connections\n");
    assert_eq!(assert_status(running.address, "DELETE", "/drain", "409").1, "no drain is under way\n");
    for _ in 0..2 {
        let (_, body) = assert_status(running.address, "POST", "/drain", "202");
        assert_eq!(body, "draining, 3 connections left\n");
        assert_status(running.address, "GET", "/readyz", "503");
    }
    assert_status(running.address, "DELETE", "/drain", "200");
    assert_status(running.address, "GET", "/readyz", "200");
    running.readiness.set(Phase::Ending);
    let (_, body) = assert_status(running.address, "DELETE", "/drain", "409");
    assert_eq!(body, "the drain is for the end and cannot be taken back\n");
    let (_, body) = assert_status(running.address, "POST", "/drain", "202");
    assert_eq!(body, "draining for the end, 3 connections left\n");
}

#[test]
fn a_web_page_cannot_begin_a_drain() {
    let running = running(1);
    running.readiness.set(Phase::Accepting);
    for sign in ["Origin: https://example.com", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        for method in ["POST", "DELETE"] {
            let request = format!("{method} /drain HTTP/1.1\r\nHost: 127.0.0.1\r\n{sign}\r\n\r\n");
            let response = exchange(running.address, request.as_bytes());
            assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
        }
    }
    assert_eq!(running.readiness.phase(), Phase::Accepting);
}

#[test]
fn a_page_by_another_name_reads_neither_the_console_nor_the_status() {
    let running = running(1);
    for host in [&b"evil.example:9085"[..], b"\xe9vil.example"] {
        let ask = |path: &str| {
            exchange(
                running.address,
                &[format!("GET {path} HTTP/1.1\r\nHost: ").as_bytes(), host, b"\r\n\r\n"].concat(),
            )
        };
        for path in ["/", "/?x", "/status", "/status?x", "/cluster"] {
            let response = ask(path);
            assert!(
                response.starts_with("HTTP/1.1 403 ") && !response.contains("shards"),
                "{path}: {response}"
            );
        }
        assert!(ask("/healthz").starts_with("HTTP/1.1 200 "), "probes ask by any name");
        assert!(ask("/metrics").starts_with("HTTP/1.1 200 "), "Prometheus asks by any name");
    }
}

#[test]
fn our_own_page_shows_what_goes_on_and_drains_with_the_token() {
    let token = "0123456789abcdef0123456789abcdef";
    let running = running_with(1, HEAD_MAX, Some(Secret::new(token)));
    running.readiness.set(Phase::Accepting);
    running.shards[0].opened.add(2);
    let (head, page) = assert_status(running.address, "GET", "/", "200");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("\r\ncontent-security-policy: default-src 'none'; script-src 'sha256-"), "{head}");
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let (_, status) = assert_status(running.address, "GET", "/status", "200");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!((&status["phase"], &status["connections"]), (&"accepting".into(), &2.into()));
    assert_eq!(status["shards"][0]["holdfast_connections_opened_total"], 2.0);
    assert!(status["up_seconds"].as_f64().is_some_and(|up| (0.0..600.0).contains(&up)), "{status}");
    let host = running.address;
    let own = format!("Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n");
    let ask = |shown: &str| exchange(host, format!("POST /drain HTTP/1.1\r\n{own}{shown}\r\n").as_bytes());
    assert!(ask("").starts_with("HTTP/1.1 401 "), "on this machine, too, a page needs the token");
    assert_eq!(running.readiness.phase(), Phase::Accepting);
    let response = ask(&format!("Authorization: Bearer {token}\r\n"));
    assert!(response.starts_with("HTTP/1.1 202 "), "{response}");
    assert_eq!(running.readiness.phase(), Phase::Draining);
}

/// A POST with these header lines, each with its CRLF, and this body.
fn post(address: SocketAddr, path: &str, lines: &str, body: &[u8]) -> String {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{lines}\r\n", body.len());
    exchange(address, &[head.as_bytes(), body].concat())
}

#[test]
fn a_broadcast_says_what_it_is_or_is_refused() {
    // No shard turns, so that no broadcast is ever over: those that are accepted fill the places.
    let running = running(1);
    let refused = [
        ("/broadcast?kind=text", "", &b"\xff\xfe"[..], "400", "a text message must be UTF-8\n"),
        ("/broadcast?kind=other", "", b"?", "400", "kind is text or binary\n"),
        ("/broadcast", "Content-Type: application/x-www-form-urlencoded\r\n", b"?", "415", "say"),
        ("/broadcast", "Content-Type: text/plain\r\n", b"\xff", "400", "a text message must be UTF-8\n"),
        ("/broadcast", "", &[0; 1001], "413", ""),
    ];
    for (path, lines, body, status, text) in refused {
        let response = post(running.address, path, lines, body);
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && body.starts_with(text), "{response}");
    }
    assert_status(running.address, "GET", "/broadcast", "405");
}

#[test]
fn a_web_page_cannot_broadcast() {
    let running = running(1);
    for sign in ["Origin: null", "Sec-Fetch-Site: same-origin"] {
        let response = post(running.address, "/broadcast?kind=text", &format!("{sign}\r\n"), b"buy this");
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    }
}

#[test]
fn one_broadcast_too_many_is_refused() {
    let running = running(2);
    let message = crate::Prepared::new(crate::MessageKind::Binary, &[b"hello"]);
    let held = || running.handle.send_to_all(&message).expect("there is room");
    let held: Vec<_> = (0..crate::PUBLICATIONS_MAX).map(|_| held()).collect();
    let response = post(running.address, "/broadcast", "", b"hello");
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(
        response.ends_with("too many messages to many are under way: try again when some of them are over\n"),
        "{response}"
    );
    assert!(held.iter().all(|broadcast| !broadcast.is_over()), "no shard turns here");
}

#[test]
fn a_broadcast_that_takes_long_is_answered_all_the_same() {
    let shards: Arc<[Arc<Counters>]> = Arc::new([Arc::default()]);
    let handle = crate::Handle::new(shards.len());
    let drainer = drainer(&handle, &shards, &Arc::default());
    let state = State(Arc::new(AdminState::new(handle, shards, drainer, &facts())));
    // On a clock that jumps to the end of whatever is waited for.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let broadcast = broadcast::broadcast(state, RawQuery(None), HeaderMap::new(), "hello".into());
    let (status, [(_, kind)], body) = runtime.expect("runtime").block_on(broadcast);
    assert_eq!((status, kind), (StatusCode::ACCEPTED, "application/json"));
    assert_eq!(body, "{\"handed\":0,\"left_in_outboxes\":0,\"over\":false}\n");
}

#[test]
fn other_paths_are_404_and_other_methods_405() {
    let running = running(1);
    for path in ["//", "/metrics/", "/metric", "/healthz/x", "/%2e%2e/metrics"] {
        assert_status(running.address, "GET", path, "404");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) = assert_status(running.address, method, "/metrics", "405");
        assert!(head.contains("allow: GET"), "{head}");
    }
    assert_eq!(assert_status(running.address, "HEAD", "/healthz", "200").1, "");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let running = running(1);
    let mut request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ".to_vec();
    request.resize(HEAD_BYTES_MAX, b'a');
    let response = exchange(running.address, &request);
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

#[test]
fn too_many_header_fields_are_refused() {
    let running = running(1);
    let fields: String = (0..=HEADERS_MAX).map(|index| format!("x{index}: 1\r\n")).collect();
    let response = exchange(running.address, format!("GET /metrics HTTP/1.1\r\n{fields}\r\n").as_bytes());
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

#[test]
fn what_is_not_http_is_refused_and_the_server_lives_on() {
    let running = running(1);
    let response = exchange(running.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert_status(running.address, "GET", "/healthz", "200");
}

#[test]
fn a_connection_serves_one_request() {
    let running = running(1);
    let one = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let response = exchange(running.address, one.repeat(3).as_bytes());
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 1, "{response}");
    assert!(response.contains("connection: close"), "{response}");
}

#[test]
fn an_address_in_use_is_refused_with_the_setting_to_change() {
    let held = TcpListener::bind(LOOPBACK).expect("a free port");
    let address = held.local_addr().expect("address");
    let refused = Admin::bind_within(address, &mut Patience::none()).expect_err("in use").to_string();
    assert!(refused.starts_with(&format!("the admin server cannot listen on {address}: ")), "{refused}");
    assert!(
        refused.ends_with("it is taken, another process listens there: change admin, or set it to off"),
        "{refused}"
    );
}

#[test]
fn stopping_ends_the_server_and_frees_the_port_though_a_peer_is_silent() {
    let running = running(1);
    let silent = connect(running.address);
    running.server.stop().expect("stopped");
    let again = Admin::bind(running.address).expect("the port is free");
    assert_eq!(again.local_addr(), running.address);
    drop(silent);
}

/// Serves on a clock that jumps to the next timer whenever nothing else is to do, until `peers` has ended.
fn serve_on_a_jumping_clock<T: Send + 'static>(
    admin: Admin,
    peers: impl FnOnce() -> T + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let shards: Arc<[Arc<Counters>]> = Arc::new([Arc::default()]);
    let facts = facts();
    let handle = crate::Handle::new(shards.len());
    let drainer = drainer(&handle, &shards, &Arc::default());
    let state = AdminState::new(handle, shards, drainer, &facts);
    let (ended, end) = oneshot::channel::<()>();
    let peers = thread::spawn(move || {
        let result = peers();
        drop(ended);
        result
    });
    let serve = admin.serve(state, async { drop(end.await) });
    runtime.expect("runtime").block_on(serve).expect("served");
    peers.join().expect("peers")
}

#[test]
fn a_peer_that_sends_no_request_is_left() {
    let admin = Admin::bind(LOOPBACK).expect("a free port");
    let mut silent = connect(admin.local_addr());
    silent.write_all(b"GET /metrics HTTP/1.1\r\n").expect("sent");
    let left = serve_on_a_jumping_clock(admin, move || {
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).map(|_| rest)
    });
    let rest = left.expect("an end of stream before the test's deadline");
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[test]
fn silent_peers_cannot_keep_every_place() {
    let admin = Admin::bind(LOOPBACK).expect("a free port");
    let address = admin.local_addr();
    let silent: Vec<_> = (0..2 * CONNECTIONS_MAX).map(|_| connect(address)).collect();
    let mut last = connect(address);
    last.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    let response = serve_on_a_jumping_clock(admin, move || {
        let mut response = String::new();
        last.read_to_string(&mut response).map(|_| response)
    });
    let response = response.expect("a response before the test's deadline");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    drop(silent);
}

#[test]
fn probes_are_answered_while_silent_peers_hold_every_place() {
    let running = patient();
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.extend((0..100).map(|_| connect(running.address)));
        assert_status(running.address, "GET", "/healthz", "200");
        assert_status(running.address, "GET", "/readyz", "503");
    }
    assert!(has_ended(&silent[0]), "the oldest has made room");
    let newest = silent.last_mut().expect("a thousand");
    newest.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    let mut response = String::new();
    newest.read_to_string(&mut response).expect("the newest has kept its place");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

fn has_ended(mut peer: &TcpStream) -> bool {
    match peer.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn probes_are_answered_while_heads_are_trickled() {
    let running = patient();
    let head = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let mut slow: Vec<_> = (0..2 * CONNECTIONS_MAX).map(|_| connect(running.address)).collect();
    for byte in head {
        for peer in &mut slow {
            // Who has made room hears of it.
            let _ = peer.write_all(&[*byte]);
        }
    }
    assert_status(running.address, "GET", "/healthz", "200");
}

#[test]
fn probes_are_answered_while_requests_that_do_not_end_hold_every_place() {
    let running = patient();
    let request =
        b"POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nthe first of it";
    let greedy: Vec<_> = (0..2 * CONNECTIONS_MAX)
        .map(|_| {
            let mut peer = connect(running.address);
            peer.write_all(request).expect("sent");
            peer
        })
        .collect();
    for _ in 0..5 {
        assert_status(running.address, "GET", "/healthz", "200");
    }
    assert!(has_ended(&greedy[0]), "the oldest has made room");
}

#[test]
fn who_has_sent_a_request_keeps_its_place_before_the_silent() {
    let running = patient();
    let mut first = connect(running.address);
    first
        .write_all(b"POST /broadcast?kind=other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        .expect("sent");
    let silent: Vec<_> = (0..3 * CONNECTIONS_MAX).map(|_| connect(running.address)).collect();
    assert!(has_ended(&silent[0]), "the first of those who say nothing has made room");
    first.write_all(b"hello").expect("sent");
    let mut response = String::new();
    first.read_to_string(&mut response).expect("response");
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[test]
fn there_are_never_more_connections_than_descriptors_are_kept_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(async {
        let mut conversations = Conversations::default();
        let alive = Arc::new(());
        for index in 0..1000 {
            let held = Arc::clone(&alive);
            conversations.take(|came| async move {
                if index % 3 == 0 {
                    came.note();
                }
                std::future::pending::<()>().await;
                drop(held);
            });
            assert!(Arc::strong_count(&alive) <= 1 + CONNECTIONS_MAX, "the newest among them");
            conversations.make_room().await;
            assert!(Arc::strong_count(&alive) <= CONNECTIONS_MAX, "there is room for the next");
        }
    });
}

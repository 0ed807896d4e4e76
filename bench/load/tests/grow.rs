//! `holdfast-load grow` against small servers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use servers::{assert_success, complaint, load, report, tcp, websocket};

#[test]
fn each_step_adds_connections_to_those_before() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("grow.json");
    let pid = std::process::id();
    let output = load(&format!("grow --steps 20,50 --pid {pid} --url {url} --json {}", json.display()));
    assert_success(&output);
    let report = report(&json);
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["count"].as_u64().unwrap()).collect::<Vec<_>>(), [20, 50]);
    // A thread each, in this process: it has grown.
    assert!(steps[1]["server_growth"]["rss_bytes"].as_i64().unwrap() > 0, "{report}");
}

#[test]
fn steps_that_do_not_grow_are_refused() {
    let pid = std::process::id();
    let output = load(&format!("grow --steps 50,20 --pid {pid} --url ws://127.0.0.1:1/"));
    assert!(complaint(&output).contains("must grow"), "{}", complaint(&output));
}

#[test]
fn a_refused_opening_handshake_fails_the_run() {
    let address = tcp(servers::refuse);
    let pid = std::process::id();
    let output = load(&format!("grow --steps 5,10 --pid {pid} --url ws://{address}/"));
    assert!(complaint(&output).contains("failed 5"), "{}", complaint(&output));
}

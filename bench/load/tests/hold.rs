//! `holdfast-load hold` against small servers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use servers::{assert_success, complaint, load, program, report, tcp, websocket};

#[test]
fn every_connection_is_opened_asked_and_closed_over_several_processes() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("hold.json");
    let output = load(&format!(
        "hold -n 300 --per-process 100 --in-flight 30 --for 10ms --rounds 2 --ping-each --message-each \
         --url {url} --json {}",
        json.display()
    ));
    assert_success(&output);
    let report = report(&json);
    assert_eq!(report["processes"], 3);
    let totals = &report["totals"];
    for (name, expected) in [("opened", 600), ("closed", 600), ("answered", 1200)] {
        assert_eq!(totals[name], expected, "{name} of {totals}");
    }
    for name in ["failed", "lost", "wrong", "unclean"] {
        assert_eq!(totals[name], 0, "{name} of {totals}");
    }
}

#[test]
fn a_server_s_pings_are_answered_while_connections_are_held() {
    let url = websocket(servers::ping_first);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("hold.json");
    let output = load(&format!("hold -n 50 --for 0s --message-each --url {url} --json {}", json.display()));
    assert_success(&output);
    assert_eq!(report(&json)["totals"]["pongs"], 50);
}

#[test]
fn a_refused_opening_handshake_is_named_and_fails_the_run() {
    let address = tcp(servers::refuse);
    let output = load(&format!("hold -n 20 --for 0s --url ws://{address}/"));
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("20 x opening: answered 503 Service Unavailable"), "{said}");
}

#[test]
fn a_connection_that_the_server_drops_fails_the_run() {
    let url = websocket(|_| Ok(()));
    let output = load(&format!("hold -n 20 --for 0s --ping-each --url {url}"));
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("lost 20"), "{said}");
}

#[test]
fn a_wrong_echo_fails_the_run() {
    let url = websocket(|connection| {
        connection.read()?;
        connection.send("something else".into())?;
        servers::echo(connection)
    });
    let output = load(&format!("hold -n 20 --for 0s --message-each --url {url}"));
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("20 x a wrong answer"), "{said}");
}

#[test]
fn bare_sockets_are_held_without_a_handshake() {
    let address = tcp(servers::raw_echo);
    let output = load(&format!("hold --raw -n 50 --for 0s --url tcp://{address}/"));
    assert_success(&output);
}

#[test]
fn a_signal_ends_a_run_and_its_processes() {
    let url = websocket(servers::echo);
    let arguments = format!("hold -n 20 --per-process 10 --for 1h --url {url}");
    let mut run = program()
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The line comes after the processes have been started.
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("hold: 20 connections")));
    let children = children(&run);
    assert_eq!(children.len(), 2);
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(complaint(&output), "holdfast-load: interrupted\n");
    let deadline = Instant::now() + Duration::from_secs(30);
    while children.iter().any(|&child| test_kill_process(child).is_ok()) {
        assert!(Instant::now() < deadline, "a process has outlived the run");
        std::thread::yield_now();
    }
}

fn children(process: &Child) -> Vec<Pid> {
    let id = process.id();
    let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    listed.split_whitespace().map(|id| Pid::from_raw(id.parse().unwrap()).unwrap()).collect()
}

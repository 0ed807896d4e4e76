//! `holdfast-load echo` and `pause` against small servers, right ones and wrong ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use std::process::Command;

use servers::{assert_success, complaint, load, report, tcp, websocket};

/// A short run over 100 connections.
const RUN: &str = "echo -c 100 -a 20 --messages 3000 --warmup 10ms --stall 20s";

#[test]
fn every_reply_is_checked_at_every_size() {
    let url = websocket(servers::echo);
    for size in [0, 1, 64, 126, 70_000] {
        for kind in ["", "--text"] {
            let output =
                load(&format!("echo -c 20 -a 5 --messages 200 --warmup 1ms -s {size} {kind} --url {url}"));
            assert_success(&output);
        }
    }
}

#[test]
fn the_report_counts_what_was_asked_for() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("echo.json");
    let pid = std::process::id();
    assert_success(&load(&format!("{RUN} --url {url} --pid {pid} --json {}", json.display())));
    let report = report(&json);
    assert!(report["messages"].as_u64().unwrap() >= 3000, "{report}");
    assert_eq!(report["connections"], 100);
    // Of this whole process: nothing, where threads of other tests end meanwhile.
    assert!(report["server_cpu_ns_per_message"].as_f64().unwrap() >= 0.0, "{report}");
    let latency = |name: &str| report["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("max"), "{report}");
}

#[test]
fn a_rate_is_kept_to() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("echo.json");
    let run = "echo -c 20 -a 10 --rate 500 --for 1s --warmup 1ms";
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    let report = report(&json);
    // At most: the rate, what is made up for after a wait, and what was in flight before.
    assert!(report["messages"].as_f64().unwrap() <= 500.0 * report["seconds"].as_f64().unwrap() + 60.0);
}

#[test]
fn what_a_rate_asks_for_and_the_server_cannot_do_is_counted_as_late() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("echo.json");
    // One at a time, and a millionth of a second for each.
    let run = "echo -c 1 -a 1 --rate 1e6 --for 500ms --warmup 0s";
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    let report = report(&json);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let (seconds, messages) = (number(&report["seconds"]), number(&report["messages"]));
    // None that was due is forgotten: answered, in flight, or overdue.
    assert!(messages + 1.0 + number(&report["overdue"]) >= 1e6 * seconds - 1.0, "{report}");
    // The last reply was to a message that had been due `messages` microseconds after the start.
    let least = seconds * 1e6 - number(&report["longest_gap_us"]) - messages - 1.0;
    assert!(number(&report["latency_us"]["max"]) >= 0.99 * least, "{report}");
    assert!(number(&report["behind_max_us"]) > 0.0, "{report}");
}

#[test]
fn latency_at_real_time_priority_is_measured_beside_and_the_priority_given_back() {
    let tried = Command::new("chrt").args(["-f", "1", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no chrt (package util-linux) here, or no right to real-time priority");
        return;
    }
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("echo.json");
    // Whose priority is changed need not be who answers.
    let mut server = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = server.id();
    let run = "echo -c 20 -a 5 --for 200ms --warmup 1ms --no-slabs --real-time";
    let output = load(&format!("{run} --pid {pid} --url {url} --json {}", json.display()));
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_success(&output);
    assert!(report(&json)["real_time_latency_us"]["p99"].as_f64().unwrap() > 0.0);
    // proc_pid_stat(5): field 41, the scheduling policy; the fields behind the name begin with the third.
    let policy = stat.rsplit(')').next().unwrap().split_whitespace().nth(41 - 3);
    assert_eq!(policy, Some("0"), "SCHED_OTHER");
}

#[test]
fn connections_without_traffic_are_held_beside_those_with() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("echo.json");
    let held = "--held 60 --per-process 25 --in-flight 20";
    assert_success(&load(&format!("{RUN} {held} --url {url} --json {}", json.display())));
    assert_eq!(report(&json)["held"], 60);
}

#[test]
fn a_raw_echo_is_checked_too() {
    let address = tcp(servers::raw_echo);
    for size in [0, 64, 70_000] {
        let output = load(&format!(
            "echo --raw -c 20 -a 5 --messages 200 --warmup 1ms -s {size} --url tcp://{address}/"
        ));
        assert_success(&output);
    }
}

#[test]
fn one_wrong_bit_fails_the_run() {
    let output = load(&format!("{RUN} --url {}", websocket(servers::corrupt)));
    assert!(!output.status.success());
    assert!(complaint(&output).contains("byte 40 of the reply is"), "{}", complaint(&output));
}

#[test]
fn a_reply_that_comes_twice_fails_the_run() {
    let output = load(&format!("{RUN} --url {}", websocket(servers::stutter)));
    assert!(!output.status.success());
    let complaint = complaint(&output);
    // Before the connection's next message, or in the place of its reply.
    assert!(complaint.contains("nobody asked for") || complaint.contains("of the reply is"), "{complaint}");
}

#[test]
fn a_connection_that_is_dropped_fails_the_run() {
    let output = load(&format!("{RUN} --url {}", websocket(servers::hang_up)));
    assert!(!output.status.success());
    assert!(complaint(&output).contains("lost: "), "{}", complaint(&output));
}

#[test]
fn a_server_that_stops_answering_fails_the_run() {
    let url = websocket(|connection| {
        loop {
            connection.read()?;
        }
    });
    let output = load(&format!("echo -c 10 -a 5 --stall 1s --url {url}"));
    assert!(!output.status.success());
    assert!(
        complaint(&output).contains("5 messages in flight and no reply for 1s"),
        "{}",
        complaint(&output)
    );
}

#[test]
fn honest_connections_outlive_every_way_of_killing_others() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    for kill in ["none", "reset", "fin", "error"] {
        let json = folder.path().join("pause.json");
        let run = "pause -n 120 --honest 30 --victims 60 --rounds 2 --for 200ms --rate 500 -a 10";
        assert_success(&load(&format!("{run} --kill {kill} --url {url} --json {}", json.display())));
        let report = report(&json);
        assert_eq!(report["rounds"].as_array().unwrap().len(), 2);
        assert!(report["rounds"][1]["kill_messages"].as_u64().unwrap() > 0, "{report}");
    }
}

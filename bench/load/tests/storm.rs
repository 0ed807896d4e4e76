//! `holdfast-load storm` and `churn` against small servers, right ones and wrong ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use servers::{assert_success, complaint, load, report, tcp, websocket};

#[test]
fn everybody_is_let_in_in_every_storm() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("storm.json");
    let run = format!("storm -n 200 --in-flight 50 --rounds 2 --pid {}", std::process::id());
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    let report = report(&json);
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    for round in rounds {
        assert_eq!(round["opened"], 200, "{report}");
        let wait = |name: &str| round["wait_us"][name].as_f64().unwrap();
        assert!(wait("p50") <= wait("p99") && wait("p99") <= wait("max"), "{report}");
        assert!(wait("max") <= round["seconds"].as_f64().unwrap() * 1.01e6, "{report}");
        assert!(round["server_cpu_ns_per_handshake"].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[test]
fn honest_traffic_goes_on_beside_a_storm() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("storm.json");
    let run = "storm -n 100 --rounds 2 --honest 20 --rate 500 --control 100ms";
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    for round in report(&json)["rounds"].as_array().unwrap() {
        assert!(round["control_us"]["p50"].as_f64().unwrap() > 0.0, "{round}");
        assert!(round["storm_us"].is_object() && round["server_cpu_ns_per_handshake"].is_null(), "{round}");
    }
}

#[test]
fn those_who_are_not_let_in_are_named_and_fail_the_run() {
    let output = load(&format!("storm -n 20 --rounds 2 --url ws://{}/", tcp(servers::refuse)));
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("round 2: FAILED 20 x answered 503 Service Unavailable"), "{said}");
    assert!(complaint(&output).contains("40 connections were not let in"), "{}", complaint(&output));
}

#[test]
fn a_full_server_is_to_refuse_everybody_else() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("storm.json");
    let run = "storm -n 50 --in-flight 10 --rounds 2 --refused";
    let full = websocket_for_one();
    assert_success(&load(&format!("{run} --url {full} --json {}", json.display())));
    assert!(report(&json)["rounds"].as_array().unwrap().iter().all(|round| round["opened"] == 50));
    let output = load(&format!("{run} --url {}", websocket(servers::echo)));
    assert!(complaint(&output).contains("100 connections were not let in"), "{}", complaint(&output));
}

/// A server that echoes to its first client and refuses all others.
fn websocket_for_one() -> String {
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let address = tcp(move |stream| {
        if taken.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return servers::refuse(stream);
        }
        let mut connection = tungstenite::accept(stream).unwrap();
        // An error is how it ends.
        let _ = servers::echo(&mut connection);
    });
    format!("ws://{address}/")
}

#[test]
fn bare_sockets_storm_without_a_handshake() {
    assert_success(&load(&format!("storm --raw -n 100 --rounds 1 --url tcp://{}/", tcp(servers::raw_echo))));
}

#[test]
fn visits_are_counted_and_timed() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("churn.json");
    let run = format!("churn -n 20 --life 10ms --for 300ms --warmup 10ms --pid {}", std::process::id());
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    let report = report(&json);
    assert!(report["visits"].as_u64().unwrap() > 0, "{report}");
    for wait in ["opening_us", "echo_us"] {
        assert!(report[wait]["p50"].as_f64().unwrap() > 0.0, "{report}");
    }
    assert!(report["server_cpu_ns_per_visit"].as_f64().unwrap() > 0.0, "{report}");
    // Nobody lives for less than asked.
    let visits_max = 20.0 * (report["seconds"].as_f64().unwrap() / 0.010 + 2.0);
    assert!(report["visits"].as_f64().unwrap() <= visits_max, "{report}");
}

#[test]
fn no_more_come_than_are_due() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("churn.json");
    let run = "churn --rate 200 --life 20ms --for 500ms --warmup 100ms";
    assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
    let report = report(&json);
    let seconds = report["seconds"].as_f64().unwrap();
    let opened = report["opened_per_second"].as_f64().unwrap() * seconds;
    // What was due before the measurement may be opened within it.
    assert!(opened > 0.0 && opened <= 200.0 * (seconds + 0.1) + 25.0, "{report}");
}

#[test]
fn a_wrong_echo_and_a_lost_connection_fail_the_run() {
    let wrong = websocket(|connection| {
        connection.read()?;
        connection.send("something else".into())?;
        servers::echo(connection)
    });
    let lost = websocket(|connection| connection.read().map(|_| ()));
    for (url, what) in [(wrong, "a wrong echo"), (lost, "waiting for an echo")] {
        let output = load(&format!("churn -n 5 --life 10ms --for 100ms --warmup 0s --url {url}"));
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("FAILED") && said.contains(what), "{said}");
    }
}

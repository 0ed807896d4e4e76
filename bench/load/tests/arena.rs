//! `holdfast-load arena` against small servers, right ones and wrong ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use tungstenite::Message;

use servers::{Behaviour, assert_success, complaint, load, report, tcp, websocket};

/// A short run over 50 connections with three messages in flight on each.
const RUN: &str = "arena -c 50 -a 3 --for 200ms --warmup 10ms --stall 20s";

#[test]
fn everybody_is_let_in_and_every_reply_counted() {
    let url = websocket(servers::echo);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("arena.json");
    for active in [1, 16] {
        let run = format!("arena -c 50 -a {active} --for 300ms --warmup 10ms --pid {}", std::process::id());
        assert_success(&load(&format!("{run} --url {url} --json {}", json.display())));
        let report = report(&json);
        let number = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
        assert_eq!((number("/connections"), number("/active_each")), (50.0, f64::from(active)));
        let wait = number("/wait_us/max");
        assert!(wait > 0.0 && wait <= 1.01e6 * number("/opening_seconds"), "{report}");
        assert!(number("/messages") > 0.0 && number("/messages_per_second") > 0.0, "{report}");
        assert!(number("/fewest_on_one") * 50.0 <= number("/messages"), "{report}");
        assert!(number("/most_on_one") * 50.0 >= number("/messages"), "{report}");
        // Of this whole process: nothing, where threads of other tests end meanwhile.
        assert!(number("/server_cpu_ns_per_message") >= 0.0, "{report}");
    }
}

#[test]
fn as_many_are_in_flight_on_each_connection_as_asked_for_and_no_more() {
    // Answers nobody before three have come, and hangs up when there is a fourth.
    let url = websocket(|connection| {
        loop {
            let messages = [connection.read()?, connection.read()?, connection.read()?];
            connection.get_ref().set_nonblocking(true)?;
            if !matches!(connection.read(), Err(tungstenite::Error::Io(_))) {
                return Ok(());
            }
            connection.get_ref().set_nonblocking(false)?;
            for message in messages {
                connection.write(message)?;
            }
            connection.flush()?;
        }
    });
    assert_success(&load(&format!("{RUN} --url {url}")));
}

#[test]
fn bare_sockets_are_in_the_arena_too() {
    assert_success(&load(&format!("{RUN} --raw --url tcp://{}/", tcp(servers::raw_echo))));
}

#[test]
fn a_ping_of_the_server_is_answered_and_no_mistake() {
    let url = websocket(|connection| {
        let first = connection.read()?;
        connection.send(Message::Ping("are you there".into()))?;
        connection.send(first)?;
        loop {
            match connection.read()? {
                Message::Pong(payload) => assert_eq!(&payload[..], b"are you there"),
                message if message.is_text() => connection.send(message)?,
                _ => {}
            }
        }
    });
    assert_success(&load(&format!("{RUN} --url {url}")));
}

#[test]
fn what_is_wrong_fails_the_run_and_is_named() {
    let other: Behaviour = |connection| {
        connection.read()?;
        connection.send("hullo".into())?;
        servers::echo(connection)
    };
    let binary: Behaviour = |connection| {
        let message = connection.read()?;
        connection.send(Message::binary(message.into_data()))?;
        servers::echo(connection)
    };
    for (behaviour, what) in [
        (other, "another message came back"),
        (binary, "as a binary one"),
        (servers::stutter, "nobody asked for"),
        (servers::hang_up, "lost: "),
    ] {
        let output = load(&format!("{RUN} --url {}", websocket(behaviour)));
        assert!(!output.status.success());
        assert!(complaint(&output).contains(what), "{}", complaint(&output));
    }
}

#[test]
fn who_is_not_let_in_fails_the_run() {
    let output = load(&format!("{RUN} --url ws://{}/", tcp(servers::refuse)));
    assert!(!output.status.success());
    let complaint = complaint(&output);
    assert!(complaint.contains("50 connections were not let in: answered 503"), "{complaint}");
}

#[test]
fn a_server_that_stops_answering_fails_the_run() {
    let url = websocket(|connection| {
        loop {
            connection.read()?;
        }
    });
    let output = load(&format!("arena -c 10 -a 2 --stall 1s --url {url}"));
    assert!(!output.status.success());
    let complaint = complaint(&output);
    assert!(complaint.contains("20 messages in flight and no reply for 1s"), "{complaint}");
}

//! What operators do with a gateway that runs: probe it, look at it, drain it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rig::process::{Process, get};
use rig::{PATIENCE, Peer, wait_until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

/// Runs a command of the program against the admin server of `process`: exit code, and all that it said.
fn operate(process: &Process, args: &[&str]) -> (Option<i32>, String) {
    run(args, Some(process.admin))
}

fn run(args: &[&str], admin: Option<SocketAddr>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(args).env_clear().envs(admin.map(|admin| ("HOLDFAST_ADMIN", admin.to_string())));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_gateway_is_well_and_ready_until_it_drains() {
    let process = Process::start(&["--driver", "epoll"]);
    let ok = (Some(0), "ok\n".to_owned());
    assert_eq!(operate(&process, &["health"]), ok);
    assert_eq!(operate(&process, &["health", "--ready"]), ok);
    let (code, said) = operate(&process, &["drain"]);
    assert_eq!((code, &*said), (Some(0), "everybody has gone\n"));
    assert_eq!(operate(&process, &["health"]), ok, "it drains, and is well");
    assert_eq!(operate(&process, &["health", "--ready"]), (Some(1), "holdfast: 503: draining\n".to_owned()));
    assert_eq!(operate(&process, &["drain", "--undo"]).0, Some(0));
    assert_eq!(operate(&process, &["health", "--ready"]), ok);
    let (code, said) = operate(&process, &["drain", "--undo"]);
    assert_eq!((code, &*said), (Some(1), "holdfast: 409: no drain is under way\n"));
}

#[test]
fn a_drain_is_waited_for_and_says_who_is_left() {
    let process = Process::start(&["--driver", "epoll", "--drain-spread", "0", "--close-timeout", "1h"]);
    let mut peer = process.peer();
    let (code, said) = operate(&process, &["drain", "--drain-timeout", "1s"]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(said, "draining, 1 connections left\nholdfast: 1 connections are left after 1s\n");
    peer.expect_close(1001);
    drop(peer);
    assert_eq!(operate(&process, &["drain", "--drain-timeout", "1m"]).0, Some(0));
    let (code, said) = operate(&process, &["drain", "--no-wait"]);
    assert_eq!((code, &*said), (Some(0), "draining, 0 connections left\n"));
}

#[test]
fn nobody_there_is_not_well_and_the_settings_say_where_to_ask() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = run(&["health", "--admin", &nobody.to_string()], None);
    assert_eq!(code, Some(1));
    assert!(said.starts_with(&format!("holdfast: the admin server at {nobody}: ")), "{said}");
    for (admin, sentence) in [
        ("off", "holdfast: admin is off: there is nobody to ask\n"),
        ("here", "holdfast: admin \"here\": expected an IP address and a port"),
    ] {
        let (code, said) = run(&["health", "--admin", admin], None);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with(sentence), "{said}");
    }
    let process = Process::start(&["--driver", "epoll"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    // That a gateway could not start with it any more is no reason to say that the one which runs is not well.
    std::fs::write(&file, format!("admin = \"{}\"\nno-such-setting = 1\n", process.admin)).unwrap();
    let health = run(&["health", "--config", file.to_str().unwrap()], None);
    assert_eq!(health, (Some(0), "ok\n".to_owned()));
}

#[test]
fn the_status_says_what_was_started_and_what_each_shard_counts() {
    let process = Process::start(&["--driver", "epoll", "--shards", "2", "--connections-max", "100"]);
    let mut peers = [process.peer(), process.peer(), process.peer()];
    peers.iter_mut().for_each(Peer::check_echo);
    let status = || {
        let answer = get(process.admin, "/status");
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    wait_until("the shards have shown it", || status()["connections"] == 3);
    let status = status();
    assert_eq!((&status["driver"], &status["room"]), (&"epoll".into(), &100.into()));
    assert_eq!(status["driver_reasons"], serde_json::json!(["driver is set to epoll"]));
    assert_eq!((&status["binding"], &status["phase"]), (&"connections-max".into(), &"accepting".into()));
    assert_eq!(status["clients"], serde_json::json!([format!("ws://{}/", process.websocket)]));
    let of_shards = |name: &str| -> f64 {
        let shards = status["shards"].as_array().unwrap();
        assert_eq!(shards.len(), 2);
        shards.iter().map(|shard| shard[name].as_f64().unwrap_or_default()).sum()
    };
    assert_eq!(of_shards("holdfast_connections"), 3.0);
    assert_eq!(of_shards("holdfast_handshakes_total{outcome=\"101\"}"), 3.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let started_at = status["started_at"].as_f64().unwrap();
    assert!((now - 600.0..=now).contains(&started_at), "{started_at} at {now}");
}

#[test]
fn an_admin_server_that_had_no_descriptor_for_a_while_answers_again() {
    let mut process = Process::start(&["--driver", "epoll"]);
    let pid = Pid::from_child(&process.child);
    let allow = |current: Option<u64>| {
        let limit = Rlimit { current, maximum: getrlimit(Resource::Nofile).maximum };
        prlimit(Some(pid), Resource::Nofile, limit).unwrap()
    };
    let before = allow(Some(4));
    let mut asked = TcpStream::connect(process.admin).unwrap();
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    asked.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(process.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("the admin server cannot accept a connection")));
    allow(before.current);
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The rest of what it says, so that it is never kept from saying it.
    std::thread::spawn(move || lines.for_each(drop));
}

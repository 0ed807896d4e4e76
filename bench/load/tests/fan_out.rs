//! `holdfast-load fan-out` and `million`: against the gateway, and against small servers that do not send as they
//! should.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod servers;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use servers::{assert_success, complaint, load, report, tcp};

/// The folder with the gateway, which is built if it is not there.
fn binaries() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_holdfast-load")).parent().unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "holdfast", "--bin", "holdfast"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    folder
}

/// A gateway, with the addresses that it says it has.
struct Gateway {
    process: Child,
    url: String,
    admin: String,
}

impl Gateway {
    fn start() -> Self {
        let mut process = Command::new(binaries().join("holdfast"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shards", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let word = |line: &str, start: &str| {
            line.split_whitespace().find(|word| word.starts_with(start)).map(str::to_owned)
        };
        let found = lines.into_iter().find_map(|line| word(&line, "ws://").zip(word(&line, "http://")));
        let (url, admin) = found.unwrap();
        Self { process, url, admin }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn every_connection_of_a_gateway_hears_each_message_once() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("fan-out.json");
    let (url, admin, pid) = (&gateway.url, &gateway.admin, gateway.process.id());
    assert_success(&load(&format!(
        "fan-out -n 300 --per-process 100 --rounds 3 -s 3000 --url {url} --admin {admin} --pid {pid} --json {}",
        json.display()
    )));
    let report = report(&json);
    assert_eq!((&report["totals"]["heard"], &report["totals"]["closed"]), (&900.into(), &300.into()));
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 3);
    for round in rounds {
        assert_eq!(round["heard"], 300);
        assert!(round["cpu_nanoseconds_each"].as_f64().unwrap() > 0.0, "{round}");
        let (half, last) = (round["p50_seconds"].as_f64().unwrap(), round["last_seconds"].as_f64().unwrap());
        assert!(0.0 < half && half <= last, "{round}");
        assert!(round["answer"].as_str().unwrap().starts_with("{\"handed\":300,"), "{round}");
    }
}

#[test]
fn a_small_million_is_held_told_and_drained() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("million.json");
    // A descriptor limit of the test's machine may be anything: the fleet takes as many processes as it needs.
    let output = load(&format!(
        "million -n 400 --per-process 150 --for 2s --drain-spread 1s --shards 2 --driver auto --gigabytes-max 1000 \
         --binaries {} --json {}",
        binaries().display(),
        json.display()
    ));
    assert_success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("verdict: nothing lost"));
    let report = report(&json);
    let totals = &report["totals"];
    for (name, expected) in [("opened", 400), ("heard", 1200), ("closed", 400), ("missed", 0), ("lost", 0)] {
        assert_eq!(totals[name], expected, "{name} of {totals}");
    }
    assert!(totals["answered"].as_u64().unwrap() >= 4 * 3, "the talkers have talked: {totals}");
    assert_eq!(report["exit_code"], 0);
}

/// Connections of a run.
const COUNT: usize = 50;

/// A server that sends what comes to its control address to every one of [`COUNT`] connections, as `send` has it. Its
/// two addresses.
fn fan_out(send: impl Fn(&mut TcpStream, usize, &[u8]) + Send + 'static) -> (String, String) {
    let connections = Arc::new(Mutex::new(Vec::new()));
    let held = Arc::clone(&connections);
    let address = tcp(move |stream| held.lock().unwrap().push(stream));
    let control = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = control.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in control.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            // They are open as soon as they are in the listener's queue.
            while connections.lock().unwrap().len() < COUNT {
                thread::yield_now();
            }
            for (index, connection) in connections.lock().unwrap().iter_mut().enumerate() {
                send(connection, index, &bytes);
            }
            writeln!(stream, "sent").unwrap();
        }
    });
    (address, at)
}

fn run(addresses: &(String, String)) -> std::process::Output {
    let (address, control) = addresses;
    load(&format!(
        "fan-out --raw -n {COUNT} --rounds 2 --stall 2s --url tcp://{address}/ --control {control}"
    ))
}

#[test]
fn the_yardstick_is_measured_in_the_same_way() {
    let server = fan_out(|connection, _, bytes| connection.write_all(bytes).unwrap());
    assert_success(&run(&server));
}

#[test]
fn a_message_that_one_connection_does_not_get_fails_the_run() {
    let server = fan_out(|connection, index, bytes| {
        if index != 7 {
            connection.write_all(bytes).unwrap();
        }
    });
    let output = run(&server);
    assert!(!output.status.success());
    assert!(complaint(&output).contains("did not come to everybody"), "{}", complaint(&output));
}

#[test]
fn a_message_that_one_connection_gets_twice_fails_the_run() {
    let server = fan_out(|connection, index, bytes| {
        connection.write_all(&bytes.repeat(1 + usize::from(index == 7))).unwrap();
    });
    let output = run(&server);
    assert!(!output.status.success());
    assert!(complaint(&output).contains("or one that came twice"), "{}", complaint(&output));
}

#[test]
fn a_wrong_byte_fails_the_run() {
    let server = fan_out(|connection, index, bytes| {
        let mut bytes = bytes.to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= u8::from(index == 7);
        connection.write_all(&bytes).unwrap();
    });
    let output = run(&server);
    assert!(!output.status.success());
    assert!(complaint(&output).contains("a wrong message, one for others"), "{}", complaint(&output));
}

//! The yardstick must be right before it may be fast.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

struct Floor {
    process: Child,
    address: String,
    control: Option<String>,
}

impl Floor {
    fn start(mode: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_holdfast-floor"))
            .args([mode, "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("tcp://").unwrap().split('/').next().unwrap().to_owned();
        let control = line.split("control ").nth(1).map(|address| address.trim().to_owned());
        Self { process, address, control }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn every_connection_gets_its_own_bytes_back() {
    let floor = Floor::start("echo");
    let mut connections: Vec<TcpStream> = (0..200).map(|_| floor.connect()).collect();
    for round in 0..3 {
        for (index, connection) in connections.iter_mut().enumerate() {
            writeln!(connection, "{round} {index:08}").unwrap();
        }
        for (index, connection) in connections.iter_mut().enumerate() {
            let expected = format!("{round} {index:08}\n");
            let mut reply = vec![0; expected.len()];
            connection.read_exact(&mut reply).unwrap();
            assert_eq!(reply, expected.as_bytes());
        }
    }
}

#[test]
fn a_flood_that_fills_both_socket_buffers_comes_back_whole() {
    const LEN: usize = 8 * 1024 * 1024;
    let floor = Floor::start("echo");
    let connection = floor.connect();
    let mut writer = connection.try_clone().unwrap();
    let sent: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    let expected = sent.clone();
    // More than the socket buffers hold: the server must keep what is not taken, and go on when it may.
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut reader = connection;
    let mut first = vec![0; LEN];
    reader.read_exact(&mut first).unwrap();
    writing.join().unwrap();
    assert!(first == expected, "the bytes that came back differ");
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the server must close after the peer");
}

#[test]
fn a_held_connection_gets_nothing_and_its_end_is_noticed() {
    let floor = Floor::start("hold");
    let mut connection = floor.connect();
    connection.write_all(b"anyone?").unwrap();
    let mut silent = floor.connect();
    silent.shutdown(Shutdown::Write).unwrap();
    // Closed only once the server has looked for ended connections; nothing comes before that.
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    connection.set_nonblocking(true).unwrap();
    let nothing = connection.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_comes_to_the_control_address_goes_to_every_connection() {
    let floor = Floor::start("fan-out");
    let mut connections: Vec<TcpStream> = (0..100).map(|_| floor.connect()).collect();
    for message in [b"one".repeat(30_000), b"two".to_vec()] {
        let mut control = TcpStream::connect(floor.control.as_ref().unwrap()).unwrap();
        control.write_all(&message).unwrap();
        control.shutdown(Shutdown::Write).unwrap();
        for connection in &mut connections {
            let mut bytes = vec![0; message.len()];
            connection.read_exact(&mut bytes).unwrap();
            assert!(bytes == message);
        }
        let mut answer = String::new();
        control.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "sent to 100\n");
    }
}

#[test]
fn a_wrong_argument_is_answered_with_the_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-floor")).arg("dance").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: "));
}

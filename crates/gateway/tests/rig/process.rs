//! The program as an operator runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use holdfast::settings::DriverChoice;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::pipe;
use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, Peer};

/// The name of a rung, as the flag has it.
pub fn name(rung: DriverChoice) -> &'static str {
    match rung {
        DriverChoice::Auto => "auto",
        DriverChoice::Uring => "uring",
        DriverChoice::UringBaseline => "uring-baseline",
        DriverChoice::Epoll => "epoll",
    }
}

/// The program with free ports and these flags, its variables those of an empty environment.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program, running.
pub struct Process {
    pub child: Child,
    pub stdout: BufReader<ChildStdout>,
    /// Its two lines.
    pub lines: [String; 2],
    pub websocket: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    pub fn start(flags: &[&str]) -> Self {
        Self::of(&mut command(flags))
    }

    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            stdout.read_line(line).expect("a line");
        }
        if lines[1].is_empty() {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                stderr.read_to_string(&mut said).unwrap();
            }
            panic!("the program starts, and does not say {said:?}");
        }
        let websocket = between(&lines[1], "websocket ws://", "/").parse().expect("an address");
        let admin = between(&lines[1], "admin http://", "/").parse().expect("an address");
        Self { child, stdout, lines, websocket, admin }
    }

    pub fn peer(&self) -> Peer {
        let mut peer = Peer::connect(self.websocket);
        peer.open("/");
        peer
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is ours");
    }

    /// Waits for its end: the exit code, and what it said on standard error.
    #[track_caller]
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().expect("its errors").read_to_string(&mut said).unwrap();
        let mut more = String::new();
        self.stdout.read_to_string(&mut more).unwrap();
        assert_eq!(more, "", "two lines and no more");
        (self.code(), said)
    }

    /// Waits for its end, whatever it says: the exit code.
    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        wait_for(&mut self.child)
    }

    /// A metric, by its name and labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        self.find_metric(name).unwrap_or_else(|| panic!("{name} is a metric"))
    }

    /// A metric that may not be there yet.
    #[track_caller]
    pub fn find_metric(&self, name: &str) -> Option<u64> {
        let text = get(self.admin, "/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value.parse().expect("a number"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a program: its exit code, unless a signal ended it.
#[track_caller]
pub fn wait_for(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("its status") {
            return status.code();
        }
        assert!(Instant::now() < deadline, "the program ends");
        std::thread::yield_now();
    }
}

/// What stands between these two.
#[track_caller]
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("{start:?} in {text:?}")) + start.len();
    let len = text[from..].find(end).unwrap_or_else(|| panic!("{end:?} behind {start:?} in {text:?}"));
    &text[from..from + len]
}

/// What the admin server answers.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("the admin server is there");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Both ends, reader and writer, of a pipe that takes not a byte more.
pub fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("it does not wait");
    for size in [4096, 1] {
        while rustix::io::write(&writer, &vec![b'x'; size]) != Err(Errno::AGAIN) {}
    }
    fcntl_setfl(&writer, OFlags::empty()).expect("it waits");
    (reader, writer)
}

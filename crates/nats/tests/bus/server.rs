//! A NATS server of a test's own: Debian's nats-server, on a free port, ended with the test.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where the program is said to be. What is named must be there; without it `nats-server` of the path is taken.
const VARIABLE: &str = "NATS_SERVER_PROGRAM";

/// The program, or None: then the tests that need it are skipped, which is said on standard error.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(path) = env::var_os(VARIABLE) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{VARIABLE} names no file: {}", path.display());
        return Some(path);
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nats-server")).find(|path| path.is_file());
    static SAY: Once = Once::new();
    if found.is_none() {
        // Not by eprintln, which the test harness keeps to itself when a test passes.
        SAY.call_once(|| {
            let text =
                "SKIPPED: all tests of the bus over NATS, for there is no nats-server (Debian: nats-server)";
            let _ = writeln!(io::stderr(), "\n{text}; {VARIABLE}=PATH says where it is\n");
        });
    }
    found
}

/// The version of the program: its first two numbers.
pub(crate) fn version() -> Option<(u32, u32)> {
    let output = Command::new(program()?).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, version) = text.trim().rsplit_once('v')?;
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// A port that nobody has.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// One with these settings besides its address. None: there is no such program.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        Self::start_on(free_port(), settings)
    }

    pub(crate) fn start_on(port: u16, settings: &str) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nats.conf");
        let mut text = format!("listen: 127.0.0.1:{port}\nmax_payload: 1114112\nserver_name: s{port}\n");
        writeln!(text, "{settings}").unwrap();
        fs::write(&file, text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        let mut server = Self { port, folder, child };
        server.wait();
        Some(server)
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let is_over = self.child.try_wait().unwrap().is_some() || Instant::now() > deadline;
            assert!(!is_over, "nats-server does not start:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Sends it a signal: to stop, to go on, to be a lame duck. One that is to stop has stopped.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        while signal == Signal::STOP && !self.has_stopped() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether none of its threads runs any more.
    fn has_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        // The state follows the name, which stands in brackets.
        stats.all(|stat| stat.rsplit(") ").next().unwrap_or_default().starts_with('T'))
    }

    /// What it says to whoever connects.
    fn info(&self) -> String {
        let mut line = String::new();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) -> u16 {
        self.end();
        self.port
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Two servers in one cluster, each of which tells of the other.
pub(crate) fn pair(settings: &str) -> Option<(Server, Server)> {
    let (first, second) = (free_port(), free_port());
    let cluster = |own: u16, other: u16| {
        format!(
            "{settings}\ncluster {{ name: c, listen: 127.0.0.1:{own}, routes: [nats://127.0.0.1:{other}] }}"
        )
    };
    let (one, two) = (Server::start(&cluster(first, second))?, Server::start(&cluster(second, first))?);
    let deadline = Instant::now() + Duration::from_secs(30);
    let tells = |one: &Server, two: &Server| one.info().contains(&format!("\"127.0.0.1:{}\"", two.port));
    while !(tells(&one, &two) && tells(&two, &one)) {
        assert!(Instant::now() < deadline, "they are in no cluster:\n{}\n{}", one.log(), two.log());
        thread::sleep(Duration::from_millis(20));
    }
    Some((one, two))
}

//! Servers that this program starts for itself.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::interrupt;
use crate::measure::process;

/// How long a server may take to say where it listens.
const START_MAX: Duration = Duration::from_secs(10);

/// One contestant: a name for tables, a program, its arguments, and how to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    pub(crate) raw: bool,
}

impl Contestant {
    /// `holdfast` with one shard, on the rung `driver`.
    pub(crate) fn gateway(folder: &Path, driver: &str) -> Self {
        let arguments =
            ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shards", "1", "--driver", driver];
        Self {
            name: driver.to_owned(),
            program: folder.join("holdfast"),
            arguments: arguments.map(str::to_owned).to_vec(),
            raw: false,
        }
    }

    /// `holdfast-floor echo`.
    pub(crate) fn floor(folder: &Path) -> Self {
        Self {
            name: "floor".to_owned(),
            program: folder.join("holdfast-floor"),
            arguments: vec!["echo".to_owned(), "127.0.0.1:0".to_owned()],
            raw: true,
        }
    }

    /// `holdfast` with these arguments, on any free ports.
    pub(crate) fn gateway_with(folder: &Path, arguments: Vec<String>) -> Self {
        let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned);
        let arguments = ports.into_iter().chain(arguments).collect();
        Self { name: "holdfast".to_owned(), program: folder.join("holdfast"), arguments, raw: false }
    }

    /// Starts it on one CPU.
    pub(crate) fn start(&self, cpu: usize) -> anyhow::Result<Server> {
        // Inherited: no thread of the server ever runs elsewhere.
        process::pin_self(cpu)?;
        self.start_anywhere()
    }

    /// Starts it where this process may run.
    pub(crate) fn start_anywhere(&self) -> anyhow::Result<Server> {
        let name = self.program.display();
        let mut process = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let (sender, lines) = channel();
        read_lines(process.stdout.take(), sender.clone());
        read_lines(process.stderr.take(), sender);
        let mut server = Server { process, url: String::new(), admin: None };
        let mut said = String::new();
        while let Ok(line) = lines.recv_timeout(START_MAX) {
            if let Some(url) = address(&line) {
                server.url = url.to_owned();
                server.admin = admin(&line).map(str::to_owned);
                return Ok(server);
            }
            said.push_str(&line);
            said.push('\n');
        }
        anyhow::bail!("{name} does not say where it listens. It said:\n{said}")
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Where it listens: `ws://127.0.0.1:PORT/` or `tcp://127.0.0.1:PORT/`.
    pub(crate) url: String,
    /// Where its admin server listens, if it has said so: `http://127.0.0.1:PORT/`.
    pub(crate) admin: Option<String>,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Tells it to end in order (SIGTERM).
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM).context("SIGTERM")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            interrupt::check()?;
            anyhow::ensure!(Instant::now() < deadline, "the server does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            let _ = self.process.wait();
        }
    }
}

/// Reads a pipe to its end, so that its writer never waits.
fn read_lines(pipe: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // After the start line nobody listens any more.
            let _ = sender.send(line);
        }
    });
}

/// The admin address of a line.
fn admin(line: &str) -> Option<&str> {
    let start = line.find("http://")?;
    line[start..].split(|c: char| c.is_whitespace() || c == '"').next()
}

/// The first `ws://` or `tcp://` address of a line.
fn address(line: &str) -> Option<&str> {
    let start = line.find("ws://").or_else(|| line.find("tcp://"))?;
    line[start..].split(|c: char| c.is_whitespace() || c == '"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_start_line() {
        let line = "websocket ws://127.0.0.1:8085/ · admin http://127.0.0.1:9085/ · application echo";
        assert_eq!(address(line), Some("ws://127.0.0.1:8085/"));
        assert_eq!(admin(line), Some("http://127.0.0.1:9085/"));
        assert_eq!(admin("websocket ws://127.0.0.1:1/"), None);
        assert_eq!(address("tcp://127.0.0.1:1/ · echo"), Some("tcp://127.0.0.1:1/"));
        assert_eq!(address("holdfast 0.1.0 · driver epoll"), None);
    }
}

//! Servers and load, each on its CPU, started for one run and ended after it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;

use crate::contestants::Contestant;
use crate::interrupt;

/// How long a server may take to say where it listens.
const START_MAX: Duration = Duration::from_secs(20);
/// How long a program may take to end once it was asked to.
const END_MAX: Duration = Duration::from_secs(5);
/// How long a signal to this program may go unnoticed.
const LOOK: Duration = Duration::from_millis(20);

/// Raises the soft descriptor limit to the hard one, here and in what is started from here.
pub(crate) fn raise_descriptor_limit() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("raising the descriptor limit")
}

/// Where programs run, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    /// The program `holdfast-load`.
    pub(crate) load: PathBuf,
    pub(crate) server_cpu: usize,
    pub(crate) load_cpu: usize,
    /// Processes may be given real-time priority here.
    pub(crate) real_time: bool,
}

impl Rig {
    /// One rig with its programs in `folder`.
    ///
    /// # Errors
    ///
    /// When the CPUs are not there.
    pub(crate) fn new(folder: &std::path::Path, server_cpu: usize, load_cpu: usize) -> anyhow::Result<Self> {
        let may = sched_getaffinity(None).context("asking for CPUs")?;
        for cpu in [server_cpu, load_cpu] {
            ensure!(
                cpu < CpuSet::MAX_CPU && may.is_set(cpu),
                "CPU {cpu} may not be used here: choose others with --server-cpu and --load-cpu \
                 (on a single CPU, 0 for both; figures then say little)"
            );
        }
        Ok(Self { load: folder.join("holdfast-load"), server_cpu, load_cpu, real_time: may_be_real_time() })
    }

    /// Starts a server with further arguments; returns once it says where it listens.
    ///
    /// # Errors
    ///
    /// When it does not say so, with what it said instead.
    pub(crate) fn start(&self, contestant: &Contestant, further: &[String]) -> anyhow::Result<Server> {
        let name = &contestant.name;
        let mut command = Command::new(&contestant.program);
        command.args(&contestant.arguments).args(further);
        let (process, lines) = spawn(command, self.server_cpu).with_context(|| format!("starting {name}"))?;
        let mut server = Server { process, url: String::new(), admin: None, control: None };
        let deadline = Instant::now() + START_MAX;
        let mut said = String::new();
        while Instant::now() < deadline {
            interrupt::check()?;
            match lines.recv_timeout(LOOK) {
                Ok(line) => {
                    if let Some(url) = address(&line, &["ws://", "tcp://"]) {
                        server.url = url.to_owned();
                        server.admin = address(&line, &["http://"]).map(str::to_owned);
                        server.control = line.split("control ").nth(1).map(str::to_owned);
                        return Ok(server);
                    }
                    said.push_str(&line);
                    said.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        bail!("{name} does not say where it listens. It said:\n{said}")
    }

    /// Runs `holdfast-load` with `arguments`; its JSON report.
    ///
    /// # Errors
    ///
    /// When it fails, with the last it said, or takes longer than `limit`.
    pub(crate) fn load(&self, arguments: &[String], limit: Duration) -> anyhow::Result<Value> {
        let report = tempfile::NamedTempFile::new().context("a place for a report")?;
        let mut command = Command::new(&self.load);
        command.args(arguments).arg("--json").arg(report.path());
        let (process, lines) =
            spawn(command, self.load_cpu).with_context(|| format!("starting {}", self.load.display()))?;
        let mut process = Guard(process);
        let deadline = Instant::now() + limit;
        let mut said = Vec::new();
        let status = loop {
            interrupt::check()?;
            ensure!(Instant::now() < deadline, "it took longer than {limit:?}; it was ended");
            match lines.recv_timeout(LOOK) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                // Both pipes are closed: it ends now.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
            }
            if let Some(status) = process.0.try_wait()? {
                break status;
            }
        };
        said.extend(lines.iter());
        if !status.success() {
            let error = said.iter().rfind(|line| line.starts_with("holdfast-load:")).or(said.last());
            bail!("{}", error.map_or("it failed and said nothing", String::as_str));
        }
        let text = std::fs::read_to_string(report.path())?;
        serde_json::from_str(&text).context("its report is not JSON")
    }
}

/// Whether this user may give real-time priority to a process, and has the chrt(1) that `holdfast-load` does it with.
fn may_be_real_time() -> bool {
    let tried =
        Command::new("chrt").args(["-f", "1", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Starts a program on one CPU, out of the terminal's process group: a Ctrl-C is ours to pass on.
fn spawn(mut command: Command, cpu: usize) -> anyhow::Result<(Child, Receiver<String>)> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The affinity is inherited by what this thread starts: no thread of it ever runs elsewhere.
    let ours = sched_getaffinity(None)?;
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(None, &cpus)?;
    let started = command.spawn();
    sched_setaffinity(None, &ours)?;
    let mut process = started?;
    let (sender, lines) = channel();
    read_lines(process.stdout.take(), sender.clone());
    read_lines(process.stderr.take(), sender);
    Ok((process, lines))
}

/// Reads a pipe to its end, so that its writer never waits.
fn read_lines(pipe: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // After its start line nobody listens to a server any more.
            let _ = sender.send(line);
        }
    });
}

/// The first address of a line that begins with one of `schemes`.
fn address<'l>(line: &'l str, schemes: &[&str]) -> Option<&'l str> {
    let start = schemes.iter().find_map(|scheme| line.find(scheme))?;
    line[start..].split(|c: char| c.is_whitespace() || c == '"').next()
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    /// Where it listens: `ws://127.0.0.1:PORT/` or `tcp://127.0.0.1:PORT/`.
    pub(crate) url: String,
    /// Where its metrics are, if it has any.
    pub(crate) admin: Option<String>,
    /// HOST:PORT where the floor is told to send, if it can be.
    pub(crate) control: Option<String>,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing it could still say is wanted, and draining takes time.
        if self.process.kill().is_ok() {
            let _ = self.process.wait();
        }
    }
}

/// A running program that may have started others: it is asked to end, and given time.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::Role;

    fn rig(load: &str) -> Rig {
        let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| sched_getaffinity(None).unwrap().is_set(cpu)).unwrap();
        Rig { load: PathBuf::from(load), server_cpu: cpu, load_cpu: cpu, real_time: false }
    }

    fn shell(script: &str) -> Contestant {
        Contestant {
            name: "it".into(),
            note: String::new(),
            role: Role::Variant,
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            raw: false,
        }
    }

    #[test]
    fn addresses_are_found_in_start_lines() {
        let line = "websocket ws://127.0.0.1:8085/ · admin http://127.0.0.1:9085/ · application echo";
        assert_eq!(address(line, &["ws://", "tcp://"]), Some("ws://127.0.0.1:8085/"));
        assert_eq!(address(line, &["http://"]), Some("http://127.0.0.1:9085/"));
        assert_eq!(address("holdfast 0.1.0 · driver epoll", &["ws://"]), None);
    }

    #[test]
    fn a_server_runs_on_its_cpu_until_it_is_dropped() {
        let rig = rig("");
        let server = rig.start(&shell("echo listening on ws://127.0.0.1:1/; exec sleep 60"), &[]).unwrap();
        assert_eq!(server.url, "ws://127.0.0.1:1/");
        let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
        let cpus = sched_getaffinity(pid).unwrap();
        assert!(cpus.count() == 1 && cpus.is_set(rig.server_cpu));
        let folder = PathBuf::from(format!("/proc/{}", server.pid()));
        assert!(folder.exists());
        drop(server);
        assert!(!folder.exists());
    }

    #[test]
    fn a_server_that_ends_is_quoted() {
        let error = rig("").start(&shell("echo no such port >&2"), &[]).unwrap_err().to_string();
        assert!(error.contains("no such port"), "{error}");
    }

    fn run_load(script: &str, limit: Duration) -> String {
        let arguments = ["-c", script].map(str::to_owned);
        rig("/bin/sh").load(&arguments, limit).unwrap_err().to_string()
    }

    #[test]
    fn a_failed_load_is_quoted() {
        let error = run_load("echo 'holdfast-load: lost: end of stream' >&2; echo more; exit 1", START_MAX);
        assert_eq!(error, "holdfast-load: lost: end of stream");
    }

    #[test]
    fn a_load_that_hangs_is_ended() {
        let error = run_load("exec sleep 60", Duration::from_millis(50));
        assert!(error.contains("longer than"), "{error}");
    }

    #[test]
    fn a_report_that_is_none_is_an_error() {
        // $0 and $1 are --json and its path.
        assert!(run_load("echo nothing > $1", START_MAX).contains("not JSON"));
    }
}

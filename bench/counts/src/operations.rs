//! Operations and system calls for each echoed message, on each rung: a real gateway, counted by its own counters.
//!
//! Gateway and load share one CPU. Then one runs while the other waits, and a turn finds what the load has sent in
//! the meantime: how many messages that are depends less on the machine than with a CPU for each. With one message in
//! flight little is left to chance.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::record::{Counted, Counts};

const RUNGS: [&str; 3] = ["uring", "uring-baseline", "epoll"];
/// In flight, and messages that are measured.
const TRAFFIC: [(u32, u32); 2] = [(1, 4000), (256, 100_000)];
/// Counters of the gateway, and what they are called here.
const COUNTERS: [(&str, &str); 3] = [
    ("holdfast_syscalls_total", "system calls"),
    ("holdfast_submissions_total", "submissions"),
    ("holdfast_completions_total", "completions"),
];
/// What chance may add to a message's count. A turn takes what is there, and now and then the sweep has a turn of its
/// own: on a machine with much else to do, the system calls were seen to differ by 0.02.
const SLACK: f64 = 0.03;
/// On the baseline rung a completion wakes whoever waits, in the middle of what else the kernel does for the same
/// message: whether two of them are met by one wait or by two differs by 0.25, and 3 is the most there can be.
const SLACK_BASELINE: f64 = 0.4;
/// With many in flight, how many messages a turn finds depends on when the scheduler lets the load run: the same
/// program gave 0.04 to 0.12 on uring-baseline and 0.06 to 0.09 on uring in one hour (2026-11-26, 2 cores, Linux 6.18),
/// and 0.02 and
/// 0.04 on another day.
const SLACK_CROWD: f64 = 0.12;
/// How many connections are busy enough for a multishot receive depends on how the turns fall: five runs differed by
/// 0.2.
const SLACK_MULTISHOT: f64 = 0.3;

/// Counts on every rung.
///
/// # Errors
/// When a rung does not work here, or a message is lost.
pub(crate) fn count() -> anyhow::Result<Counted> {
    let folder = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let mut counts = Counts::new();
    for rung in RUNGS {
        let gateway = Gateway::start(&folder, rung)?;
        for (active, messages) in TRAFFIC {
            let report = gateway.echo(&folder, active, messages)?;
            for (counter, name) in COUNTERS {
                let each = report["counters_per_message"][counter].as_f64();
                let each = each.with_context(|| format!("the gateway does not tell {counter}"))?;
                counts
                    .insert(format!("{rung}: {name}, {active} in flight"), (each * 1000.0).round() / 1000.0);
            }
        }
    }
    Ok(Counted { setting: setting(), counts, slack })
}

fn slack(name: &str) -> f64 {
    match name {
        "uring-baseline: system calls, 1 in flight" => SLACK_BASELINE,
        "uring: system calls, 256 in flight" | "uring-baseline: system calls, 256 in flight" => SLACK_CROWD,
        "uring: submissions, 256 in flight" | "uring: completions, 256 in flight" => SLACK_MULTISHOT,
        _ => SLACK,
    }
}

/// What counts depend on: what the kernel can do.
fn setting() -> String {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    format!("Linux {}", release.split('.').take(2).collect::<Vec<_>>().join("."))
}

/// A gateway with one shard; killed when dropped.
struct Gateway {
    process: Child,
    cpu: usize,
    websocket: String,
    admin: String,
}

impl Gateway {
    fn start(folder: &Path, rung: &str) -> anyhow::Result<Self> {
        let cpu = pin()?;
        let mut process = Command::new(folder.join("holdfast"))
            .args(["--driver", rung, "--shards", "1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}/holdfast", folder.display()))?;
        let lines = process.stdout.take().map(|pipe| BufReader::new(pipe).lines());
        let mut gateway = Self { process, cpu, websocket: String::new(), admin: String::new() };
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                match word {
                    "websocket" => gateway.websocket = words.next().unwrap_or_default().to_owned(),
                    "admin" => gateway.admin = words.next().unwrap_or_default().to_owned(),
                    _ => {}
                }
            }
            if !gateway.websocket.is_empty() && !gateway.admin.is_empty() {
                return Ok(gateway);
            }
        }
        anyhow::bail!("the gateway does not start on {rung}")
    }

    fn echo(&self, folder: &Path, active: u32, messages: u32) -> anyhow::Result<serde_json::Value> {
        let json = std::env::temp_dir().join(format!("holdfast-counts-{}.json", std::process::id()));
        let output = Command::new(folder.join("holdfast-load"))
            .args(["echo", "--connections", "256", "--size", "64", "--warmup", "100ms"])
            .args(["--active", &active.to_string(), "--messages", &messages.to_string()])
            .args(["--pin-client", &self.cpu.to_string()])
            .args(["--url", &self.websocket, "--admin", &self.admin, "--json"])
            .arg(&json)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("starting {}/holdfast-load", folder.display()))?;
        let report = std::fs::read_to_string(&json);
        let _ = std::fs::remove_file(&json);
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_str(&report?)?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            let _ = self.process.wait();
        }
    }
}

/// Pins this thread, and with it all processes it starts, to the last CPU that it may use. Which one that is.
fn pin() -> anyhow::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let cpu = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).context("there is a CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one)?;
    Ok(cpu)
}

//! Real-time scheduling for a while, so that nothing else on the machine takes a CPU from what is measured.

use std::process::Command;

use anyhow::{Context, ensure};

/// The lowest of the real-time priorities (sched(7)): all other work of the machine has none.
const PRIORITY: &str = "1";

/// While it lives, every thread of some processes runs as SCHED_FIFO; after it, as SCHED_OTHER.
pub(crate) struct RealTime(Vec<u32>);

impl RealTime {
    /// For all threads of `processes`.
    ///
    /// # Errors
    ///
    /// Without CAP_SYS_NICE, or where chrt(1) is not installed.
    pub(crate) fn begin(processes: Vec<u32>) -> anyhow::Result<Self> {
        // What was done so far is undone when one of them cannot be changed.
        let mut real_time = Self(Vec::new());
        for process in processes {
            schedule(process, "-f", PRIORITY)?;
            real_time.0.push(process);
        }
        Ok(real_time)
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        for &process in &self.0 {
            if let Err(error) = schedule(process, "-o", "0") {
                eprintln!("holdfast-load: a process stays at real-time priority: {error:#}");
            }
        }
    }
}

/// chrt(1) of util-linux, since no safe call for sched_setscheduler(2) is to be had.
fn schedule(process: u32, policy: &str, priority: &str) -> anyhow::Result<()> {
    let output = Command::new("chrt")
        .args(["-a", policy, "-p", priority, &process.to_string()])
        .output()
        .context("starting chrt (package util-linux)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "changing how process {process} is scheduled: {}", said.trim());
    Ok(())
}

//! Memory, CPU time and CPU affinity of a process, from /proc (proc(5)).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use serde::Serialize;

const KIB: u64 = 1024;

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// Resident set size.
    pub(crate) rss_bytes: u64,
    /// Proportional set size: shared pages counted in parts.
    pub(crate) pss_bytes: u64,
    /// Size of the data segment (VmData): what was reserved, resident or not.
    pub(crate) data_bytes: u64,
}

/// Value of `name:    123 kB` in a file of such lines, bytes.
pub(crate) fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok().map(|kib: u64| kib * KIB)
}

/// Memory of process `pid` now.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("there is no process {pid}"))?;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("reading the memory of process {pid}"))?;
    Ok(Memory {
        rss_bytes: kib_field(&rollup, "Rss").context("smaps_rollup without Rss")?,
        pss_bytes: kib_field(&rollup, "Pss").context("smaps_rollup without Pss")?,
        data_bytes: kib_field(&status, "VmData").context("status without VmData")?,
    })
}

/// Resident memory of process `pid`, bytes; cheaper and less exact than [`memory`].
pub(crate) fn rss_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    kib_field(&status, "VmRSS").context("status without VmRSS")
}

/// Nanoseconds on a CPU, the first field of a schedstat file.
fn schedstat_nanoseconds(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// CPU time so far of all threads of process `pid`, the kernel's own threads for io_uring among them. A thread that
/// has ended is no longer counted.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in tasks(pid)? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat")) else { continue };
        nanoseconds += schedstat_nanoseconds(&text).context("a schedstat file without numbers")?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The same once the process has done what it has left to do, within a second: what is over for its clients may not be
/// over for it.
pub(crate) fn settled_cpu_time(pid: u32) -> anyhow::Result<Duration> {
    const STEP: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    /// What an idle server may use within a step.
    const QUIET: Duration = Duration::from_micros(200);
    let begin = Instant::now();
    let mut used = cpu_time(pid)?;
    loop {
        thread::sleep(STEP);
        let now = cpu_time(pid)?;
        if now.saturating_sub(used) < QUIET || begin.elapsed() > LONGEST {
            return Ok(now);
        }
        used = now;
    }
}

/// Pins every thread that process `pid` has now to one CPU.
pub(crate) fn pin(pid: u32, cpu: usize) -> anyhow::Result<()> {
    for task in tasks(pid)? {
        let task = Pid::from_raw(i32::try_from(task)?);
        pin_thread(task, cpu).with_context(|| format!("pinning process {pid}"))?;
    }
    Ok(())
}

/// Sets the scheduling priority, -20 to 19, of the calling thread and what it starts from now on, and of every thread
/// that process `pid` has now.
pub(crate) fn prioritise(priority: i32, pid: Option<u32>) -> anyhow::Result<()> {
    let tasks = pid.map(tasks).transpose()?.unwrap_or_default();
    setpriority_process(None, priority).context("setting the priority of this process")?;
    for task in tasks {
        // setpriority(2): Linux sets it per thread.
        setpriority_process(Pid::from_raw(i32::try_from(task)?), priority)
            .with_context(|| format!("setting the priority of thread {task}"))?;
    }
    Ok(())
}

/// Pins the calling thread, and what it starts from now on, to one CPU.
pub(crate) fn pin_self(cpu: usize) -> anyhow::Result<()> {
    pin_thread(None, cpu).context("pinning this process")
}

fn pin_thread(task: Option<Pid>, cpu: usize) -> anyhow::Result<()> {
    anyhow::ensure!(cpu < CpuSet::MAX_CPU, "there is no CPU {cpu}");
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(task, &cpus).with_context(|| format!("CPU {cpu}"))
}

fn tasks(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut tasks = Vec::new();
    let folder = fs::read_dir(format!("/proc/{pid}/task"));
    for entry in folder.with_context(|| format!("there is no process {pid}"))? {
        tasks.push(entry?.file_name().to_string_lossy().parse()?);
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLUP: &str = "55d0c0a00000-7ffd5d1f9000 ---p 00000000 00:00 0    [rollup]\n\
        Rss:                2148 kB\nPss:                 398 kB\nPss_Dirty:           200 kB\n";

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        assert_eq!(kib_field(ROLLUP, "Rss"), Some(2148 * 1024));
        assert_eq!(kib_field(ROLLUP, "Pss"), Some(398 * 1024));
        assert_eq!(kib_field(ROLLUP, "Pss_D"), None);
        assert_eq!(kib_field(ROLLUP, "Swap"), None);
    }

    #[test]
    fn the_first_field_of_schedstat_is_time_on_a_cpu() {
        assert_eq!(schedstat_nanoseconds("130485 88031 2\n"), Some(130_485));
        assert_eq!(schedstat_nanoseconds(""), None);
    }

    #[test]
    fn this_process_has_memory_and_has_used_its_cpu() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.rss_bytes > 0 && memory.pss_bytes <= memory.rss_bytes);
        assert!(cpu_time(pid).unwrap() > Duration::ZERO);
    }
}

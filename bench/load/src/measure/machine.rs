//! Where and when a measurement was made.

use std::fs;
use std::time::SystemTime;

use serde::Serialize;

use super::process::kib_field;

/// Memory of the machine that is in use: all of it less what the kernel could give to somebody; bytes.
pub(crate) fn used_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name| kib_field(&text, name).unwrap_or(0);
    field("MemTotal").saturating_sub(field("MemAvailable"))
}

/// Date, command and machine, as they head every report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cpus: usize,
    pub(crate) memory_bytes: u64,
}

impl Setting {
    /// That of this run.
    pub(crate) fn now() -> Self {
        let mut arguments = std::env::args();
        let program = arguments.next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        let command = std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ");
        let system = rustix::system::uname();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let models: Vec<&str> =
            processor.lines().filter_map(|line| line.strip_prefix("model name")).collect();
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command,
            kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            processor: models
                .first()
                .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            cpus: models.len(),
            memory_bytes: kib_field(&read("/proc/meminfo"), "MemTotal").unwrap_or(0),
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { date, kernel, processor, cpus, memory_bytes, .. } = self;
        let gib = memory_bytes / (1 << 30);
        write!(f, "{date} · {kernel} · {cpus} x {processor} · {gib} GiB")
    }
}

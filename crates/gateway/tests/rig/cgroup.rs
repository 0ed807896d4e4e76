//! A cgroup of a test. Needs one below this process's own with the memory controller, version 1 or 2; root mostly may
//! make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::wait_until;

/// A cgroup with a limit, and one within it that has none: there the gateway is.
pub struct Cgroup {
    outer: PathBuf,
    pub is_v1: bool,
}

impl Cgroup {
    /// One of so many MiB; where that is not to be had, says why.
    pub fn new(mib: u64) -> Option<Self> {
        let made = Self::place().and_then(|(place, is_v1)| {
            static MADE: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("holdfast-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
            let group = Self { outer: place.join(name), is_v1 };
            group.make(mib << 20).map(|()| group).map_err(|error| format!("{}: {error}", place.display()))
        });
        made.inspect_err(|why| println!("SKIPPED: no cgroup with a memory limit can be made here: {why}"))
            .ok()
    }

    /// Where one may be made: with version 1 below the own one; with version 2, where a group has processes or others
    /// within it, beside it.
    fn place() -> Result<(PathBuf, bool), String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let path = |wanted: &dyn Fn(&str) -> bool| {
            let line = own.lines().find(|line| line.split(':').nth(1).is_some_and(wanted))?;
            line.splitn(3, ':').nth(2).map(|path| path.trim_start_matches('/').to_owned())
        };
        let v1 = Path::new("/sys/fs/cgroup/memory");
        if v1.join("memory.limit_in_bytes").exists() {
            let own = path(&|names| names.split(',').any(|name| name == "memory"));
            let own = v1.join(own.unwrap_or_default());
            return Ok((if own.exists() { own } else { v1.to_owned() }, true));
        }
        let v2 = Path::new("/sys/fs/cgroup");
        let own = v2.join(path(&str::is_empty).unwrap_or_default());
        let beside = own.parent().filter(|it| it.starts_with(v2)).unwrap_or(v2);
        let children = fs::read_to_string(beside.join("cgroup.subtree_control")).unwrap_or_default();
        match children.split_whitespace().any(|name| name == "memory") {
            true => Ok((beside.to_owned(), false)),
            false => Err(format!("the memory controller is not in {}", beside.display())),
        }
    }

    fn make(&self, bytes: u64) -> std::io::Result<()> {
        fs::create_dir(&self.outer)?;
        fs::write(self.limit_file(), bytes.to_string())?;
        if !self.is_v1 {
            // Nothing is swapped out instead; where there is no swap there is no file.
            let _ = fs::write(self.outer.join("memory.swap.max"), "0");
            fs::write(self.outer.join("cgroup.subtree_control"), "+memory")?;
        }
        fs::create_dir(self.inner())
    }

    pub fn inner(&self) -> PathBuf {
        self.outer.join("inner")
    }

    pub fn limit_file(&self) -> PathBuf {
        self.outer.join(if self.is_v1 { "memory.limit_in_bytes" } else { "memory.max" })
    }

    /// The most that was in use, where the kernel tells.
    pub fn peak(&self) -> String {
        let name = if self.is_v1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        let bytes =
            fs::read_to_string(self.outer.join(name)).ok().and_then(|text| text.trim().parse::<u64>().ok());
        bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} KiB", bytes >> 10))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group is busy until the last of its processes is gone for good.
        wait_until("its cgroup can be removed", || {
            let _ = fs::remove_dir(self.inner());
            fs::remove_dir(&self.outer).is_ok() || !self.outer.exists()
        });
    }
}

//! Where and with what a run was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

/// The machine and its kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cpus: usize,
    pub(crate) memory_bytes: u64,
    /// Descriptors that a process may hold.
    pub(crate) descriptors_max: u64,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let system = rustix::system::uname();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let models: Vec<&str> =
            processor.lines().filter_map(|line| line.strip_prefix("model name")).collect();
        let memory = read("/proc/meminfo");
        let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
        Self {
            kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            processor: models
                .first()
                .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024,
            descriptors_max: descriptors_max(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        write!(f, "{} x {}, {gib:.0} GiB, {}", self.cpus, self.processor, self.kernel)
    }
}

/// What was compiled, and by what.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Versions {
    pub(crate) rustc: String,
    /// Empty where there is no Go.
    pub(crate) go: String,
    /// Of the source tree.
    pub(crate) commit: String,
    /// Whether the tree had changes that are in no commit.
    pub(crate) modified: bool,
    /// By variant: the libraries that it stands for, with their versions, from its Cargo.lock.
    pub(crate) variants: BTreeMap<String, BTreeMap<String, String>>,
}

impl Versions {
    /// Of the tree at `root`, whose variants are in `folders`.
    pub(crate) fn here(root: &Path, folders: impl Iterator<Item = String>) -> Self {
        let say = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(root).output().ok();
            let output = output.filter(|output| output.status.success());
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let locked = |folder: String| {
            let path = root.join("bench/variants").join(&folder);
            let lock = fs::read_to_string(path.join("Cargo.lock")).ok()?;
            let manifest = fs::read_to_string(path.join("Cargo.toml")).ok()?;
            Some((folder, direct(&manifest, &lock)?))
        };
        Self {
            rustc: say("rustc", &["--version"]),
            go: say("go", &["version"]),
            commit: say("git", &["rev-parse", "HEAD"]),
            modified: !say("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty(),
            variants: folders.filter_map(locked).collect(),
        }
    }
}

/// Versions in a Cargo.lock of what a Cargo.toml depends on.
fn direct(manifest: &str, lock: &str) -> Option<BTreeMap<String, String>> {
    let manifest: toml::Table = manifest.parse().ok()?;
    let lock: toml::Table = lock.parse().ok()?;
    let wanted = manifest.get("dependencies")?.as_table()?;
    let packages = lock.get("package")?.as_array()?.iter();
    let pair = |package: &toml::Value| {
        let text = |key: &str| package.get(key)?.as_str().map(str::to_owned);
        let name = text("name").filter(|name| wanted.contains_key(name))?;
        Some((name, text("version")?))
    };
    Some(packages.filter_map(pair).collect())
}

/// Descriptors that a process may hold.
fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_variant_depends_on_is_named_with_the_version_that_is_locked() {
        let manifest =
            "[package]\nname = \"it\"\n[dependencies]\ntokio = { version = \"1\" }\nhyper = \"1\"\n";
        let lock = "[[package]]\nname = \"hyper\"\nversion = \"1.2.3\"\n\
            [[package]]\nname = \"it\"\nversion = \"0.1.0\"\n[[package]]\nname = \"other\"\nversion = \"9.0.0\"\n\
            [[package]]\nname = \"tokio\"\nversion = \"1.54.0\"\n";
        let versions = direct(manifest, lock).unwrap();
        let expected = [("hyper", "1.2.3"), ("tokio", "1.54.0")];
        assert_eq!(versions, expected.map(|(name, version)| (name.to_owned(), version.to_owned())).into());
    }
}

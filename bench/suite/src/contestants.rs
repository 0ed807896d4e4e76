//! Who is measured: the gateway on each rung, the variants, and the floor.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// The one that ratios are about.
pub(crate) const REFERENCE: &str = "uring";
/// A raw TCP echo on epoll.
pub(crate) const FLOOR: &str = "floor";
/// Accepts and holds, and does nothing else: the bare connection.
pub(crate) const BARE: &str = "bare";

/// What a contestant is to the comparison.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Gateway,
    Variant,
    Floor,
    Bare,
}

/// Who was measured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) note: String,
    /// Program and arguments, without the address.
    pub(crate) command: String,
    pub(crate) role: Role,
}

/// Who was not measured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// A server to be started again and again.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) role: Role,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// TCP without WebSocket.
    pub(crate) raw: bool,
}

impl Contestant {
    fn new(role: Role, name: &str, note: &str, program: PathBuf, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            note: note.to_owned(),
            role,
            program,
            arguments: arguments.iter().copied().map(str::to_owned).collect(),
            raw: matches!(role, Role::Floor | Role::Bare),
        }
    }

    fn gateway(folder: &Path, driver: &str, note: &str) -> Self {
        let listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let arguments = [&listen[..], &["--driver", driver, "--shards", "1"]].concat();
        Self::new(Role::Gateway, driver, note, folder.join("holdfast"), &arguments)
    }

    /// The same gateway with more shards, each of which has a descriptor table of its own.
    pub(crate) fn with_shards(&self, shards: u32) -> Self {
        let mut other = self.clone();
        if let Some(last) = other.arguments.last_mut().filter(|_| self.role == Role::Gateway) {
            *last = shards.to_string();
        }
        other
    }

    /// For the results.
    pub(crate) fn about(&self) -> About {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        let command = std::iter::once(program.as_ref()).chain(self.arguments.iter().map(String::as_str));
        About {
            name: self.name.clone(),
            note: self.note.clone(),
            command: command.collect::<Vec<_>>().join(" "),
            role: self.role,
        }
    }
}

/// bench/variants/variants.toml.
#[derive(Debug, Deserialize)]
pub(crate) struct Variants {
    #[serde(default)]
    variant: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
struct Variant {
    name: String,
    folder: String,
    program: String,
    arguments: Vec<String>,
    raw: bool,
    note: String,
}

impl Variants {
    /// Reads the list below `root`.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("bench/variants/variants.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a list of variants", path.display()))
    }

    /// Their source folders, each once.
    pub(crate) fn folders(&self) -> Vec<String> {
        let mut folders: Vec<String> = self.variant.iter().map(|variant| variant.folder.clone()).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

/// Compiles what is measured. Returns the folders of variants whose build failed, and why.
///
/// # Errors
///
/// When Holdfast itself cannot be compiled.
pub(crate) fn build(root: &Path, target: &Path, variants: &Variants) -> anyhow::Result<Vec<Skipped>> {
    eprintln!("building Holdfast and the bench tools ...");
    let own = ["build", "--release", "-p", "holdfast", "-p", "holdfast-load", "-p", "holdfast-floor"];
    let status = Command::new("cargo").args(own).current_dir(root).env("CARGO_TARGET_DIR", target).status();
    ensure!(status.context("cargo is needed to build")?.success(), "Holdfast cannot be built: see above");
    let mut failed = Vec::new();
    for folder in variants.folders() {
        crate::interrupt::check()?;
        eprintln!("building the variant in {folder} ...");
        let script = root.join("bench/variants/build");
        let status = Command::new(&script).arg(&folder).env("CARGO_TARGET_DIR", target).status();
        if !status.with_context(|| format!("starting {}", script.display()))?.success() {
            eprintln!("  failed: what is in {folder} is left out");
            failed.push(Skipped { name: folder, reason: "its build failed".to_owned() });
        }
    }
    Ok(failed)
}

/// All that can be started, and those that cannot. `only`: names to keep, all if empty.
///
/// # Errors
///
/// When Holdfast or the floor are not there, or `only` names nobody.
pub(crate) fn gather(
    target: &Path,
    variants: &Variants,
    failed: &[Skipped],
    only: &[String],
) -> anyhow::Result<(Vec<Contestant>, Vec<Skipped>)> {
    let own = target.join("release");
    let floor = |role, name: &str, mode: &str, note: &str| {
        Contestant::new(role, name, note, own.join("holdfast-floor"), &[mode, "127.0.0.1:0"])
    };
    let mut all = vec![
        Contestant::gateway(&own, REFERENCE, "Holdfast on io_uring, all that works here"),
        Contestant::gateway(&own, "uring-baseline", "Holdfast on io_uring as Linux 5.10 has it"),
        Contestant::gateway(&own, "epoll", "Holdfast on epoll"),
    ];
    for variant in &variants.variant {
        let mut arguments: Vec<&str> = variant.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--listen", "127.0.0.1:0"]);
        let program = target.join("variants").join(&variant.program);
        let contestant = Contestant::new(Role::Variant, &variant.name, &variant.note, program, &arguments);
        all.push(Contestant { raw: variant.raw, ..contestant });
    }
    all.push(floor(Role::Floor, FLOOR, "echo", "raw TCP echo of the same bytes on epoll"));
    all.push(floor(Role::Bare, BARE, "hold", "accepts and holds raw TCP, and nothing else"));
    if let Some(unknown) = only.iter().find(|name| !all.iter().any(|one| one.name == **name)) {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        bail!("nobody is called {unknown}; there are: {}", names.join(", "));
    }
    all.retain(|one| only.is_empty() || only.contains(&one.name));
    let (there, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.program.is_file());
    if let Some(ours) = missing.iter().find(|one| one.role != Role::Variant) {
        bail!(
            "{} is not there: leave out --no-build, or run `cargo build --release --workspace`",
            ours.program.display()
        );
    }
    let reason = |one: Contestant| {
        let folder =
            variants.variant.iter().find(|variant| variant.name == one.name).map(|variant| &variant.folder);
        let built = failed.iter().find(|failed| Some(&failed.name) == folder);
        let reason = built.map_or("it was not built: its toolchain is not here", |failed| &failed.reason);
        Skipped { name: one.name, reason: reason.to_owned() }
    };
    Ok((there, missing.into_iter().map(reason).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [[variant]]
        name = "plain"
        folder = "one"
        program = "one"
        arguments = []
        raw = false
        note = "As it is."

        [[variant]]
        name = "tuned"
        folder = "one"
        program = "one"
        arguments = ["--tuned"]
        raw = false
        note = "As it could be."
    "#;

    fn target(programs: &[&str]) -> tempfile::TempDir {
        let target = tempfile::tempdir().unwrap();
        for folder in ["release", "variants"] {
            std::fs::create_dir(target.path().join(folder)).unwrap();
        }
        for program in programs {
            std::fs::write(target.path().join(program), "").unwrap();
        }
        target
    }

    fn names(contestants: &[Contestant]) -> Vec<&str> {
        contestants.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn a_variant_that_was_not_built_is_skipped_with_its_reason() {
        let variants: Variants = toml::from_str(TWO).unwrap();
        assert_eq!(variants.folders(), ["one"]);
        let target = target(&["release/holdfast", "release/holdfast-floor"]);
        let failed = [Skipped { name: "one".into(), reason: "its build failed".into() }];
        let (there, skipped) = gather(target.path(), &variants, &failed, &[]).unwrap();
        assert_eq!(names(&there), ["uring", "uring-baseline", "epoll", "floor", "bare"]);
        assert_eq!(skipped[1], Skipped { name: "tuned".into(), reason: "its build failed".into() });
    }

    #[test]
    fn a_variant_is_started_with_its_arguments_and_an_address() {
        let variants: Variants = toml::from_str(TWO).unwrap();
        let target = target(&["release/holdfast", "release/holdfast-floor", "variants/one"]);
        let (there, skipped) = gather(target.path(), &variants, &[], &["tuned".into()]).unwrap();
        assert!(skipped.is_empty());
        assert_eq!(there[0].about().command, "one --tuned --listen 127.0.0.1:0");
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
        let variants: Variants = toml::from_str(TWO).unwrap();
        let target = target(&[]);
        let error = gather(target.path(), &variants, &[], &["other".into()]).unwrap_err().to_string();
        assert!(error.contains("other") && error.contains("tuned"), "{error}");
    }

    #[test]
    fn the_list_in_the_tree_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(!Variants::read(&root).unwrap().folders().is_empty());
    }
}

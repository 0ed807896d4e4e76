//! The process's own cgroups: where they lie, and what they say of memory. Version 2 is described in
//! Documentation/admin-guide/cgroup-v2.rst of the kernel's tree, version 1 in cgroup-v1/memory.rst; a hybrid host has
//! both, with the memory controller in one of them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Which cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1: the hierarchy with the controller that is asked for, mostly `memory`.
    V1,
    /// Version 2: the one hierarchy.
    V2,
}

/// The controller of version 1 that bounds memory.
const MEMORY: &str = "memory";

/// A cgroup that this process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) version: Version,
    /// Where its files are.
    pub(crate) directory: PathBuf,
    /// The highest of those above it that can be seen: where the hierarchy is mounted.
    mount: PathBuf,
}

impl Group {
    /// It and those above it, as far as they can be seen and their limits hold for it: with version 1 a group without
    /// `memory.use_hierarchy` does not bound those below it.
    pub(crate) fn with_those_above(&self) -> impl Iterator<Item = &Path> {
        let seen = self.directory.ancestors().take_while(|directory| directory.starts_with(&self.mount));
        let is_loose = |directory: &Path| {
            self.version == Version::V1
                && word(&directory.join("memory.use_hierarchy")).as_deref() == Some("0")
        };
        seen.take_while(move |directory| *directory == self.directory || !is_loose(directory))
    }

    /// Whether this is the root of all: only a process of its own group has figures of its own.
    fn is_root(&self) -> bool {
        match self.version {
            // There, and only there.
            Version::V1 => self.directory.join("release_agent").exists(),
            // A container sees its own cgroup as "/", which is not the root and has one.
            Version::V2 => !self.directory.join("memory.current").exists(),
        }
    }

    /// Kernel memory that it is charged with, in bytes.
    pub(crate) fn kernel_bytes(&self) -> Option<u64> {
        match self.version {
            Version::V1 => {
                let field = |name| number(&self.directory.join(name));
                Some(
                    field("memory.kmem.usage_in_bytes")?
                        + field("memory.kmem.tcp.usage_in_bytes").unwrap_or(0),
                )
            }
            Version::V2 => parse_kernel_bytes(&read(&self.directory.join("memory.stat"))?),
        }
    }

    /// Whether nobody else is in it.
    fn is_ours_alone(&self) -> bool {
        let processes = read(&self.directory.join("cgroup.procs")).unwrap_or_default();
        let mut lines = processes.lines();
        lines.next() == Some(&std::process::id().to_string()) && lines.next().is_none()
    }
}

#[cfg(test)]
impl Group {
    /// One of version 2, at a folder of a test.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { version: Version::V2, directory: directory.to_owned(), mount: directory.to_owned() }
    }
}

/// The cgroups with figures of memory that this process is in, by what is below `root`.
pub(crate) fn groups(root: &Path) -> Vec<Group> {
    groups_with(root, MEMORY)
}

/// The cgroups that this process is in, where version 1 has this controller.
pub(crate) fn groups_with(root: &Path, controller: &str) -> Vec<Group> {
    let text = |name: &str| read(&root.join("proc/self").join(name)).unwrap_or_default();
    let (mounts, paths) = (mounts(&text("mountinfo"), controller), text("cgroup"));
    let found = [Version::V2, Version::V1].map(|version| {
        let path = own_path(&paths, version, controller)?;
        // Of several mounts the one that shows the group itself, or else any: a container is shown nothing but its own.
        let of_version = || mounts.iter().filter(|mount| mount.version == version);
        let best = of_version().filter(|mount| mount.below(path).is_some()).max_by_key(|it| it.root.len());
        let mount = best.or_else(|| of_version().next())?;
        let at = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
        let below = mount.below(path).map_or_else(|| at.clone(), |rest| at.join(rest));
        // What is named need not be visible: then the nearest above it is.
        let seen = below.ancestors().take_while(|it| it.starts_with(&at)).find(|it| it.exists());
        Some(Group { version, directory: seen.unwrap_or(&at).to_owned(), mount: at })
    });
    found.into_iter().flatten().collect()
}

/// The cgroup of this process whose figures of the kernel's memory are its own: one that is not the root; of version 1,
/// where services of a host often share a group, one that nobody else is in.
pub(crate) fn own() -> Option<Group> {
    let is_own = |group: &Group| {
        !group.is_root()
            && group.kernel_bytes().is_some()
            && (group.version == Version::V2 || group.is_ours_alone())
    };
    groups(Path::new("/")).into_iter().find(is_own)
}

/// The path of this process's group within a hierarchy. Version 2's line is `0::/path`, version 1's
/// `4:cpu,memory:/path` (cgroups(7)).
fn own_path<'a>(proc_self_cgroup: &'a str, version: Version, controller: &str) -> Option<&'a str> {
    proc_self_cgroup.lines().find_map(|line| {
        let (hierarchy, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let fits = match version {
            Version::V1 => controllers.split(',').any(|it| it == controller),
            Version::V2 => hierarchy == "0" && controllers.is_empty(),
        };
        fits.then_some(path)
    })
}

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// What of the hierarchy is mounted.
    root: String,
    /// Where.
    point: PathBuf,
}

impl Mount {
    /// What of a path within the hierarchy lies below what is mounted, if it does.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.root.trim_end_matches('/'))?;
        let inside = rest.is_empty() || rest.starts_with('/');
        // A process outside of its cgroup namespace sees paths with "..".
        let rest = rest.trim_start_matches('/');
        (inside && rest.split('/').all(|step| step != "..")).then_some(rest)
    }
}

/// The hierarchies in mountinfo (proc_pid_mountinfo(5)):
/// `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`.
fn mounts(mountinfo: &str, controller: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)) {
            ("cgroup2", _) => Version::V2,
            ("cgroup", Some(options)) if options.split(',').any(|it| it == controller) => Version::V1,
            _ => return None,
        };
        let mut fields = place.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(Mount { version, root: root.into_string().ok()?, point: PathBuf::from(point) })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Blanks and backslashes are written as `\040`, in octal.
fn unescaped(field: &str) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, more @ ..] = rest {
        let octal =
            more.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &more[3..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    OsString::from_vec(bytes)
}

/// `kernel` (Linux 5.18 and newer; slabs are part of it) or `slab`, and `sock`: the buffers of sockets.
fn parse_kernel_bytes(memory_stat: &str) -> Option<u64> {
    Some(
        field(memory_stat, "kernel").or_else(|| field(memory_stat, "slab"))?
            + field(memory_stat, "sock").unwrap_or(0),
    )
}

/// A line `name 4096` of a file such as memory.stat.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok())
}

pub(crate) fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn word(path: &Path) -> Option<String> {
    read(path).map(|text| text.trim().to_owned())
}

/// A file with one number. "max" is none.
pub(crate) fn number(path: &Path) -> Option<u64> {
    word(path)?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests;

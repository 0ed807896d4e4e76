//! The kernel's slab caches (slabinfo(5)): how many objects of each kind are in use on the whole machine.
//!
//! Counted are the caches that connections live in. Left out are dentry and proc_inode_cache, which grow whenever
//! anything reads /proc/PID/fd. Where the kernel has merged a cache with others of its size, /proc/slabinfo names
//! only one of them; /sys/kernel/slab says which belong together. Usually eventpoll_epi is merged with
//! tcp_bind_bucket, of which there are as many as ports in use, by connections in TIME_WAIT too: then registrations
//! are counted by eventpoll_pwq alone, since a TCP socket registered with epoll has one of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const SYSFS: &str = "/sys/kernel/slab";
/// Caches in which one connection has objects of its own.
const OWN: [&str; 7] = ["TCP", "TCPv6", "sock_inode_cache", "filp", "io_kiocb", ITEM, WAIT];
/// A descriptor registered with epoll.
const ITEM: &str = "eventpoll_epi";
/// A wait queue that a registered descriptor is on.
const WAIT: &str = "eventpoll_pwq";
/// A local port in use.
const BIND: &str = "tcp_bind_bucket";
/// General caches, by size.
const GENERAL: &str = "kmalloc-";
/// General caches of no concern here: reclaimable (long file names) and for devices.
const LEFT_OUT: [&str; 2] = ["kmalloc-rcl-", "kmalloc-buckets"];

/// Objects in use and bytes of one object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Cache {
    pub(crate) objects: i64,
    pub(crate) object_bytes: i64,
}

/// Caches by the name that says what is in them; or the difference of two such counts.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Slabs(pub(crate) BTreeMap<String, Cache>);

impl Slabs {
    /// Counts now; `None` where /proc/slabinfo may not be read (root only).
    pub(crate) fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/slabinfo").ok()?;
        Some(Self::parse(&text, &Merged::read()))
    }

    /// Counts once they no longer move, or after `patience`.
    pub(crate) fn settle(patience: Duration) -> Option<Self> {
        const STEADY_BYTES: i64 = 16 * 1024;
        const STEADY_TIMES: u32 = 3;
        let deadline = Instant::now() + patience;
        shrink();
        let mut last = Self::read()?;
        let mut steady = 0;
        while steady < STEADY_TIMES && Instant::now() < deadline && !crate::interrupt::asked() {
            std::thread::sleep(Duration::from_millis(200));
            let now = Self::read()?;
            let moved = now.since(&last).moved_bytes();
            steady = if moved <= STEADY_BYTES { steady + 1 } else { 0 };
            last = now;
        }
        shrink();
        Self::read()
    }

    fn parse(text: &str, merged: &Merged) -> Self {
        let mut slabs = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split_whitespace();
            let (Some(name), Some(Ok(objects)), Some(object_bytes)) =
                (fields.next(), fields.next().map(str::parse), fields.nth(1))
            else {
                continue;
            };
            let Ok(object_bytes) = object_bytes.parse() else { continue };
            if let Some(name) = merged.counted(name) {
                slabs.insert(name, Cache { objects, object_bytes });
            }
        }
        if merged.with(ITEM).any(|name| name == BIND) {
            let registrations = slabs.get(WAIT).map_or(0, |cache| cache.objects);
            slabs.entry(ITEM.to_owned()).and_modify(|cache| cache.objects = registrations);
        }
        Self(slabs)
    }

    /// Growth since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let grown = |(name, cache): (&String, &Cache)| {
            let before = before.0.get(name).map_or(0, |cache| cache.objects);
            (name.clone(), Cache { objects: cache.objects - before, ..*cache })
        };
        Self(self.0.iter().map(grown).collect())
    }

    /// Bytes of all objects counted.
    pub(crate) fn bytes(&self) -> i64 {
        self.0.values().map(|cache| cache.objects * cache.object_bytes).sum()
    }

    /// Bytes of all growth and all shrinking.
    fn moved_bytes(&self) -> i64 {
        self.0.values().map(|cache| (cache.objects * cache.object_bytes).abs()).sum()
    }

    /// Growth of the cache of IPv4 TCP sockets, objects.
    pub(crate) fn tcp_objects(&self) -> i64 {
        self.0.get("TCP").map_or(0, |cache| cache.objects)
    }
}

/// Caches of the same kind, which the kernel keeps as one.
#[derive(Debug, Default)]
struct Merged(Vec<(String, PathBuf)>);

impl Merged {
    fn read() -> Self {
        let link = |entry: fs::DirEntry| {
            Some((entry.file_name().into_string().ok()?, fs::read_link(entry.path()).ok()?))
        };
        let entries = fs::read_dir(SYSFS).into_iter().flatten();
        Self(entries.filter_map(|entry| link(entry.ok()?)).collect())
    }

    /// All caches kept as one with `name`, itself among them; none if it is kept alone.
    fn with(&self, name: &str) -> impl Iterator<Item = &str> {
        let one = self.0.iter().find(|(other, _)| other == name).map(|(_, one)| one);
        self.0.iter().filter(move |(_, other)| Some(other) == one).map(|(name, _)| name.as_str())
    }

    /// The name under which a cache of /proc/slabinfo is counted, `None` if it is not.
    fn counted(&self, name: &str) -> Option<String> {
        let own: Vec<&str> = self.with(name).filter(|name| OWN.contains(name)).collect();
        if !own.is_empty() {
            return Some(own.join("+"));
        }
        let general = name.starts_with(GENERAL) && !LEFT_OUT.iter().any(|prefix| name.starts_with(prefix));
        (general || OWN.contains(&name)).then(|| name.to_owned())
    }
}

/// Gives empty slabs back, so that objects in use are counted rather than slabs kept for later. Root only; elsewhere
/// the counts are a little coarser.
fn shrink() {
    for entry in fs::read_dir(SYSFS).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(GENERAL) || OWN.contains(&name.as_ref()) {
            let _ = fs::write(entry.path().join("shrink"), "1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n\
        TCP                   26     39   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0\n\
        anon_vma_chain       256    256     64   64    1 : tunables    0    0    0 : slabdata      4      4      0\n\
        dentry             21945  21945    192   21    1 : tunables    0    0    0 : slabdata   1045   1045      0\n\
        proc_inode_cache     535    621    696   23    4 : tunables    0    0    0 : slabdata     27     27      0\n\
        kmalloc-rcl-96       798    798     96   42    1 : tunables    0    0    0 : slabdata     19     19      0\n\
        kmalloc-cg-64        128    128     64   64    1 : tunables    0    0    0 : slabdata      2      2      0\n";

    fn slabs(text: &str) -> Slabs {
        let merged = [("anon_vma_chain", "64"), (WAIT, "64"), (ITEM, "128"), (BIND, "128"), ("pid", "96")];
        let merged = merged.map(|(name, one)| (name.to_owned(), PathBuf::from(one)));
        Slabs::parse(text, &Merged(merged.to_vec()))
    }

    #[test]
    fn ports_in_use_are_not_taken_for_registrations() {
        let text = TEXT.replace(
            "anon_vma_chain       256",
            "tcp_bind_bucket     5000  5000    128\n        anon_vma_chain  300",
        );
        let slabs = slabs(&text);
        assert_eq!(slabs.0[ITEM], Cache { objects: 300, object_bytes: 128 });
        assert_eq!(slabs.0[WAIT], Cache { objects: 300, object_bytes: 64 });
    }

    #[test]
    fn connections_are_counted_and_file_names_are_not() {
        let slabs = slabs(TEXT);
        let names: Vec<&str> = slabs.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["TCP", "eventpoll_pwq", "kmalloc-cg-64"]);
        assert_eq!(slabs.0["TCP"], Cache { objects: 26, object_bytes: 2368 });
        assert_eq!(slabs.bytes(), 26 * 2368 + 256 * 64 + 128 * 64);
    }

    #[test]
    fn growth_is_a_difference_of_objects() {
        let before = slabs(TEXT);
        let after = slabs(&TEXT.replace("TCP                   26", "TCP                 1026"));
        let growth = after.since(&before);
        assert_eq!(growth.tcp_objects(), 1000);
        assert_eq!(growth.bytes(), 1000 * 2368);
    }
}

use super::*;

/// A root folder with these files.
pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    root
}

const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
    34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
    35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
    41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn mounts_are_those_of_version_2_and_of_the_memory_controller() {
    let found = mounts(HYBRID, MEMORY);
    let cpu = mounts(HYBRID, "cpu");
    assert_eq!(cpu[0].point.to_str(), Some("/sys/fs/cgroup/cpu,cpuacct"));
    let points: Vec<_> = found.iter().map(|it| (it.version, it.point.to_str().expect("UTF-8"))).collect();
    assert_eq!(points, [(Version::V1, "/sys/fs/cgroup/memory"), (Version::V2, "/sys/fs/cgroup/unified")]);
}

#[test]
fn blanks_in_mount_points_are_undone() {
    assert_eq!(unescaped(r"/a\040b\134c\"), OsString::from(r"/a b\c\"));
    let found = mounts("9 8 0:1 /x\\040y /mnt/my\\040cgroups rw - cgroup2 none rw\n", MEMORY);
    assert_eq!((found[0].root.as_str(), found[0].point.to_str()), ("/x y", Some("/mnt/my cgroups")));
}

#[test]
fn the_path_is_that_of_the_hierarchy_asked_for() {
    let mixed = "12:cpu,memory:/old:with colon\n3:memoryless:/no\n0::/system.slice/holdfast.service\n";
    assert_eq!(own_path(mixed, Version::V1, MEMORY), Some("/old:with colon"));
    assert_eq!(own_path(mixed, Version::V2, MEMORY), Some("/system.slice/holdfast.service"));
    assert_eq!(own_path("1:cpu:/\n", Version::V1, MEMORY), None);
    assert_eq!(own_path(mixed, Version::V1, "cpu"), Some("/old:with colon"));
}

#[test]
fn a_path_lies_below_a_mount_only_by_whole_steps() {
    let mount = |root: &str| Mount { version: Version::V1, root: root.to_owned(), point: "/m".into() };
    for (root, path, below) in [
        ("/", "/", Some("")),
        ("/", "/a/b", Some("a/b")),
        ("/a", "/a", Some("")),
        ("/a", "/a/b", Some("b")),
        ("/a", "/ab", None),
        ("/a", "/", None),
        ("/", "/../b", None),
        ("/../..", "/", None),
    ] {
        assert_eq!(mount(root).below(path), below, "{path} below {root}");
    }
}

#[test]
fn a_group_that_cannot_be_seen_is_the_nearest_above_it_that_can() {
    let root = tree(&[
        ("proc/self/mountinfo", HYBRID),
        ("proc/self/cgroup", "4:memory:/kubepods/pod1/gone\n0::/\n"),
        ("sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes", "1"),
        ("sys/fs/cgroup/unified/cgroup.procs", ""),
    ]);
    let found = groups(root.path());
    let at = |path: &str| root.path().join("sys/fs/cgroup").join(path);
    assert_eq!(found[0].directory, at("unified"));
    assert_eq!(found[1].directory, at("memory/kubepods/pod1"));
    let above: Vec<_> = found[1].with_those_above().map(Path::to_owned).collect();
    assert_eq!(above, [at("memory/kubepods/pod1"), at("memory/kubepods"), at("memory")]);
}

#[test]
fn kernel_memory_is_kernel_or_slab_plus_sock() {
    let new = "anon 1\nkernel 5000\nkernel_stack 9\nsock 300\nslab 4000\n";
    assert_eq!(parse_kernel_bytes(new), Some(5300));
    let old = "anon 1\nkernel_stack 9\nsock 300\nslab 4000\nslab_reclaimable 7\n";
    assert_eq!(parse_kernel_bytes(old), Some(4300));
    assert_eq!(parse_kernel_bytes("anon 1\n"), None);
}

#[test]
fn kernel_memory_of_version_1_is_that_of_all_objects_and_of_tcp() {
    let root =
        tree(&[("g/memory.kmem.usage_in_bytes", "70\n"), ("g/memory.kmem.tcp.usage_in_bytes", "30\n")]);
    let directory = root.path().join("g");
    let group = |version| Group { version, directory: directory.clone(), mount: directory.clone() };
    assert_eq!(group(Version::V1).kernel_bytes(), Some(100));
    assert_eq!(group(Version::V2).kernel_bytes(), None);
}

#[test]
fn a_group_is_ours_alone_where_nobody_else_is_in_it() {
    let me = std::process::id();
    let both = format!("1\n{me}\n");
    let root = tree(&[("alone/cgroup.procs", &format!("{me}\n")), ("shared/cgroup.procs", &both)]);
    let group = |name: &str| {
        let directory = root.path().join(name);
        Group { version: Version::V1, mount: directory.clone(), directory }
    };
    assert!(group("alone").is_ours_alone());
    assert!(!group("shared").is_ours_alone() && !group("none").is_ours_alone());
}

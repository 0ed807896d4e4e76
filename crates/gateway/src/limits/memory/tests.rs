use super::*;
use crate::limits::cgroup::tests::tree;

const MIB: u64 = 1 << 20;
const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       4194304 kB\nMemFree: 1 kB\n");
/// How version 1 says "unlimited".
const NONE: &str = "9223372036854771712\n";

/// The lowest limit in a tree: MiB, label, and the file's path from the root on.
#[track_caller]
fn lowest_of(files: &[(&str, &str)]) -> (u64, &'static str, String) {
    let root = tree(&[&[MEMINFO][..], files].concat());
    let limit = lowest(candidates(root.path()).into_iter()).expect("a limit");
    let file = match &limit.source {
        Source::Cgroup(_, file) => file.strip_prefix(root.path()).expect("inside").display().to_string(),
        _ => String::new(),
    };
    assert_eq!(limit.bytes % MIB, 0);
    (limit.bytes / MIB, limit.source.label(), file)
}

#[test]
fn without_cgroups_the_machine_has_it_all() {
    assert_eq!(lowest_of(&[]), (4096, "machine", String::new()));
}

#[test]
fn docker_with_version_1_shows_the_containers_own_group_as_the_mount() {
    let files = [
        ("proc/self/cgroup", "9:memory:/docker/0a1b\n1:name=systemd:/docker/0a1b\n"),
        (
            "proc/self/mountinfo",
            "600 590 0:32 /docker/0a1b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "100663296\n"),
        ("sys/fs/cgroup/memory/memory.use_hierarchy", "1\n"),
        ("sys/fs/cgroup/memory/memory.stat", "cache 5\nhierarchical_memory_limit 100663296\n"),
    ];
    let file = "sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned();
    assert_eq!(lowest_of(&files), (96, "cgroup_v1", file.clone()));
    // With the host's namespace of cgroups the mount is another's: its root is what there is.
    let elsewhere =
        ("proc/self/mountinfo", "600 590 0:32 /x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_eq!(lowest_of(&[&files[..], &[elsewhere]].concat()), (96, "cgroup_v1", file));
}

#[test]
fn docker_with_version_2_shows_the_containers_own_group_as_the_root() {
    let files = [
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", "600 590 0:32 / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n"),
        ("sys/fs/cgroup/memory.max", "67108864\n"),
        ("sys/fs/cgroup/memory.high", "max\n"),
        ("sys/fs/cgroup/memory.current", "1\n"),
    ];
    assert_eq!(lowest_of(&files), (64, "cgroup_v2", "sys/fs/cgroup/memory.max".to_owned()));
}

#[test]
fn a_systemd_service_is_bound_by_its_slice_and_by_memory_high() {
    let service = "sys/fs/cgroup/system.slice/holdfast.service";
    let (max, high) = (format!("{service}/memory.max"), format!("{service}/memory.high"));
    let files = |slice: &'static str, of_service: &'static str, of_high: &'static str| {
        lowest_of(&[
            ("proc/self/cgroup", "0::/system.slice/holdfast.service\n"),
            ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("sys/fs/cgroup/system.slice/memory.max", slice),
            (&max, of_service),
            (&high, of_high),
        ])
    };
    assert_eq!(files("max\n", "max\n", "max\n").0, 4096);
    let (mib, _, file) = files("134217728\n", "268435456\n", "max\n");
    assert_eq!((mib, file.as_str()), (128, "sys/fs/cgroup/system.slice/memory.max"));
    assert_eq!(files("max\n", "268435456\n", "max\n").2, max);
    assert_eq!((files("max\n", "268435456\n", "201326592\n")), (192, "cgroup_v2", high));
}

#[test]
fn a_hybrid_host_has_its_limits_in_version_1() {
    let files = [
        ("proc/self/cgroup", "4:memory:/system.slice/holdfast.service\n0::/system.slice/holdfast.service\n"),
        (
            "proc/self/mountinfo",
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ),
        ("sys/fs/cgroup/unified/system.slice/holdfast.service/cgroup.procs", "1\n"),
        ("sys/fs/cgroup/memory/system.slice/holdfast.service/memory.limit_in_bytes", NONE),
        ("sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes", "536870912\n"),
        ("sys/fs/cgroup/memory/system.slice/memory.use_hierarchy", "1\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", NONE),
    ];
    let file = "sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes".to_owned();
    assert_eq!(lowest_of(&files), (512, "cgroup_v1", file));
    // One that does not hand its limit down bounds nobody but itself.
    let loose = ("sys/fs/cgroup/memory/system.slice/memory.use_hierarchy", "0\n");
    assert_eq!(lowest_of(&[&files[..], &[loose]].concat()).1, "machine");
}

#[test]
fn a_pod_of_kubernetes_is_bound_by_its_container_or_by_the_pod() {
    let container = "sys/fs/cgroup/memory/kubepods/burstable/podf00/c0ffee";
    let limit = format!("{container}/memory.limit_in_bytes");
    let host = [
        ("proc/self/cgroup", "7:memory:/kubepods/burstable/podf00/c0ffee\n"),
        ("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"),
        (&limit, NONE),
        ("sys/fs/cgroup/memory/kubepods/burstable/podf00/memory.limit_in_bytes", "134217728\n"),
    ];
    let pod = "sys/fs/cgroup/memory/kubepods/burstable/podf00/memory.limit_in_bytes".to_owned();
    assert_eq!(lowest_of(&host), (128, "cgroup_v1", pod));
    let mount =
        "35 31 0:32 /kubepods/burstable/podf00/c0ffee /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    // From within, only its memory.stat knows of the pod's limit.
    let inside = [
        ("proc/self/cgroup", "7:memory:/kubepods/burstable/podf00/c0ffee\n"),
        ("proc/self/mountinfo", mount),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", NONE),
        ("sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 134217728\n"),
    ];
    assert_eq!(lowest_of(&inside), (128, "cgroup_v1", "sys/fs/cgroup/memory/memory.stat".to_owned()));
}

#[test]
fn a_limit_beyond_the_machines_memory_does_not_bind() {
    let files = [
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
        ("sys/fs/cgroup/memory.max", "8589934592\n"),
    ];
    assert_eq!(lowest_of(&files).1, "machine");
}

#[test]
fn buffers_of_sockets_are_bounded_where_they_count_and_memory_is_little() {
    let limit = |mib: u64, source| MemoryLimit { bytes: mib * MIB, source }.socket_buffer_bytes();
    let v2 = || Source::Cgroup(Version::V2, PathBuf::new());
    assert_eq!([8, 64, 1024].map(|mib| limit(mib, v2())), [Some(16 << 10), Some(32 << 10), Some(512 << 10)]);
    assert_eq!([4096, 1 << 20].map(|mib| limit(mib, v2())), [None, None]);
    assert_eq!(limit(64, Source::Cgroup(Version::V1, PathBuf::new())), None);
    assert_eq!(limit(64, Source::Machine), None);
}

#[test]
fn it_says_how_much_and_who_says_so() {
    let limit = |source| MemoryLimit { bytes: 96 * MIB + 5, source }.to_string();
    assert_eq!(limit(Source::Machine), "memory 96 MiB (the machine's)");
    assert_eq!(
        limit(Source::Cgroup(Version::V1, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes".into())),
        "memory 96 MiB (cgroup version 1, /sys/fs/cgroup/memory/a/memory.limit_in_bytes)"
    );
    assert_eq!(limit(Source::AddressSpace), "memory 96 MiB (RLIMIT_AS)");
}

#[test]
fn meminfo_counts_in_1024_bytes() {
    assert_eq!(meminfo_total("MemTotal:       24641232 kB\nMemFree: 1 kB\n"), Some(24_641_232 * 1024));
    assert_eq!(meminfo_total("MemFree: 1 kB\n"), None);
    assert!(memory_limit().is_some_and(|limit| limit.bytes > MIB));
}

//! One row for each thing that can be wrong and be changed: it is found, with these lines, and each of them does it.

use std::collections::BTreeSet;
use std::process::Command;

use super::super::finding::{Place, State};
use super::super::host::Tried;
use super::fake::{CLOCK, Fake, SERVICE};

struct Row {
    /// What is altered.
    what: &'static str,
    alter: fn(&mut Fake),
    /// What is found then, and nothing else.
    name: &'static str,
    state: State,
    lines: &'static [&'static str],
}

const IPV4: &str = "proc/sys/net/ipv4";

const ROWS: &[Row] = &[
    Row {
        what: "io_uring is switched off",
        alter: |fake| {
            fake.write("proc/sys/kernel/io_uring_disabled", "2\n");
            fake.host.uring = refused();
        },
        name: "io_uring",
        state: State::Warning,
        lines: &["kernel.io_uring_disabled = 0"],
    },
    Row {
        what: "a filter hides io_uring",
        alter: |fake| {
            fake.write("proc/self/status", "Seccomp:\t2\nCpus_allowed_list:\t0-1\n");
            fake.host.uring = refused();
        },
        name: "io_uring",
        state: State::Warning,
        lines: &[
            "SystemCallFilter=@aio",
            "--security-opt seccomp=deploy/seccomp.json",
            "securityContext.seccompProfile: {type: Localhost, localhostProfile: holdfast/holdfast.json}",
        ],
    },
    Row {
        what: "few descriptors",
        alter: |fake| fake.host.descriptors = 1024,
        name: "descriptor_limit",
        state: State::Warning,
        lines: &["LimitNOFILE=1048576", "--ulimit nofile=1048576:1048576", "LimitNOFILE=1048576"],
    },
    Row {
        what: "not quite enough descriptors",
        alter: |fake| fake.host.descriptors = 1 << 19,
        name: "descriptor_limit",
        state: State::Note,
        lines: &["LimitNOFILE=1048576", "--ulimit nofile=1048576:1048576", "LimitNOFILE=1048576"],
    },
    Row {
        what: "so few descriptors that nobody fits, and no limit may be higher",
        alter: |fake| {
            fake.host.descriptors = 64;
            fake.write("proc/sys/fs/nr_open", "4096\n");
        },
        name: "descriptor_limit",
        state: State::Problem,
        lines: &[
            "fs.nr_open = 1048576",
            "LimitNOFILE=1048576",
            "--ulimit nofile=1048576:1048576",
            "LimitNOFILE=1048576",
        ],
    },
    Row {
        what: "few files on the host",
        alter: |fake| fake.write("proc/sys/fs/file-nr", "1000\t0\t100000\n"),
        name: "file_max",
        state: State::Warning,
        lines: &["fs.file-max = 2097152"],
    },
    Row {
        what: "a limit of memory, version 2",
        alter: |fake| fake.write(&format!("{SERVICE}/memory.max"), "268435456\n"),
        name: "memory",
        state: State::Note,
        lines: &["MemoryMax=4096M", "--memory 4096m", "resources.limits.memory: 4096Mi"],
    },
    Row {
        what: "a limit of memory above which the kernel slows it down, and not very many descriptors",
        alter: |fake| {
            fake.write(&format!("{SERVICE}/memory.high"), "268435456\n");
            fake.host.descriptors = 100_000;
        },
        name: "memory",
        state: State::Note,
        lines: &["MemoryHigh=1024M"],
    },
    Row {
        what: "a limit of memory, version 1",
        alter: |fake| {
            fake.become_version_1();
            fake.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "268435456\n");
        },
        name: "memory",
        state: State::Note,
        lines: &["MemoryMax=4096M", "--memory 4096m", "resources.limits.memory: 4096Mi"],
    },
    Row {
        what: "a limit of addresses",
        alter: |fake| fake.host.address_space_bytes = Some(1 << 30),
        name: "memory",
        state: State::Note,
        lines: &["LimitAS=infinity"],
    },
    Row {
        what: "a limit of data",
        alter: |fake| fake.host.data_bytes = Some(1 << 30),
        name: "memory",
        state: State::Note,
        lines: &["LimitDATA=infinity"],
    },
    Row {
        what: "little that may be locked",
        alter: |fake| fake.host.locked_bytes = Some(1 << 20),
        name: "locked_memory",
        state: State::Note,
        lines: &["LimitMEMLOCK=8388608", "--ulimit memlock=8388608:8388608", "LimitMEMLOCK=8388608"],
    },
    Row {
        what: "pools that may not be locked",
        alter: |fake| {
            fake.host.locked_bytes = Some(512 << 10);
            fake.settings.pool_bytes = Some(4 << 20);
        },
        name: "locked_memory",
        state: State::Warning,
        lines: &["LimitMEMLOCK=16777216", "--ulimit memlock=16777216:16777216", "LimitMEMLOCK=16777216"],
    },
    Row {
        what: "more connections wanted than fit",
        alter: |fake| fake.settings.connections_max = Some(10_000_000),
        name: "connections_max",
        state: State::Warning,
        lines: &["connections-max = 670000"],
    },
    Row {
        what: "short queues",
        alter: |fake| fake.write("proc/sys/net/core/somaxconn", "128\n"),
        name: "accept_queue",
        state: State::Warning,
        lines: &[
            "net.core.somaxconn = 4096",
            "--sysctl net.core.somaxconn=\"4096\"",
            "securityContext.sysctls: [{name: net.core.somaxconn, value: \"4096\"}]",
        ],
    },
    Row {
        what: "no cookies",
        alter: |fake| fake.write(&format!("{IPV4}/tcp_syncookies"), "0\n"),
        name: "syn_queue",
        state: State::Warning,
        lines: &[
            "net.ipv4.tcp_syncookies = 1",
            "--sysctl net.ipv4.tcp_syncookies=\"1\"",
            "securityContext.sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}]",
        ],
    },
    Row {
        what: "little memory for TCP",
        alter: |fake| {
            fake.settings.connections_max = Some(10_000);
            fake.write(&format!("{IPV4}/tcp_mem"), "1000\t2000\t3000\n");
        },
        name: "tcp_memory",
        state: State::Note,
        lines: &["net.ipv4.tcp_mem = 8192 12288 16384"],
    },
    Row {
        what: "memory for TCP that is used",
        alter: |fake| {
            fake.settings.connections_max = Some(10_000);
            fake.write(&format!("{IPV4}/tcp_mem"), "10000\t20000\t30000\n");
            fake.write("proc/net/sockstat", "TCP: inuse 4 orphan 0 tw 2 alloc 4 mem 21000\n");
        },
        name: "tcp_memory",
        state: State::Warning,
        lines: &["net.ipv4.tcp_mem = 32768 49152 65536"],
    },
    Row {
        what: "long buffers to send from",
        alter: |fake| fake.write(&format!("{IPV4}/tcp_wmem"), "4096\t16384\t67108864\n"),
        name: "send_buffers",
        state: State::Note,
        lines: &[
            "net.ipv4.tcp_wmem = 4096 16384 4194304",
            "--sysctl net.ipv4.tcp_wmem=\"4096 16384 4194304\"",
            "securityContext.sysctls: [{name: net.ipv4.tcp_wmem, value: \"4096 16384 4194304\"}]",
        ],
    },
    Row {
        what: "few orphans",
        alter: |fake| fake.write(&format!("{IPV4}/tcp_max_orphans"), "16384\n"),
        name: "orphans",
        state: State::Note,
        lines: &["net.ipv4.tcp_max_orphans = 1048576"],
    },
    Row {
        what: "a short table of tracked connections, not in use",
        alter: |fake| fake.write("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
        name: "connection_tracking",
        state: State::Note,
        lines: &["net.netfilter.nf_conntrack_max = 2097152"],
    },
    Row {
        what: "a short table of tracked connections",
        alter: |fake| {
            fake.write("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
            fake.write("proc/sys/net/netfilter/nf_conntrack_count", "9\n");
        },
        name: "connection_tracking",
        state: State::Warning,
        lines: &["net.netfilter.nf_conntrack_max = 2097152"],
    },
    Row {
        what: "few ports for a proxy on this host",
        alter: |fake| {
            fake.settings.connections_max = Some(40_000);
            fake.settings.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
        },
        name: "local_ports",
        state: State::Note,
        lines: &[
            "net.ipv4.ip_local_port_range = 1024 65535",
            "--sysctl net.ipv4.ip_local_port_range=\"1024 65535\"",
            "securityContext.sysctls: [{name: net.ipv4.ip_local_port_range, value: \"1024 65535\"}]",
        ],
    },
    Row {
        what: "a quota of CPU, version 2",
        alter: |fake| fake.write(&format!("{SERVICE}/cpu.max"), "150000 100000\n"),
        name: "cpu_quota",
        state: State::Warning,
        lines: &["shards = 1", "CPUQuota=200%", "--cpus 2", "resources.limits.cpu: 2"],
    },
    Row {
        what: "a quota of CPU, version 1",
        alter: |fake| {
            fake.become_version_1();
            fake.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
        },
        name: "cpu_quota",
        state: State::Warning,
        lines: &["CPUQuota=200%", "--cpus 2", "resources.limits.cpu: 2"],
    },
    Row {
        what: "hugepages for everybody",
        alter: |fake| fake.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        name: "huge_pages",
        state: State::Note,
        lines: &["w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise"],
    },
    Row {
        what: "long queues of a cluster in 4 GiB",
        alter: |fake| fake.join_a_cluster(64 << 20),
        name: "cluster_queues",
        state: State::Warning,
        lines: &["cluster-queue-bytes = \"42MiB\""],
    },
    Row {
        what: "a slow clock",
        alter: |fake| fake.write(&format!("{CLOCK}/current_clocksource"), "hpet\n"),
        name: "clock_source",
        state: State::Note,
        lines: &["w /sys/devices/system/clocksource/clocksource0/current_clocksource - - - - tsc"],
    },
];

fn refused() -> Tried {
    Tried::Refused { is_forbidden: true, what: "io_uring is not permitted here".to_owned() }
}

fn altered(row: &Row) -> Fake {
    let mut fake = Fake::healthy();
    (row.alter)(&mut fake);
    fake
}

#[test]
fn each_thing_that_is_wrong_is_found_alone_and_its_lines_are_given() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let fake = altered(row);
        let found = fake.not_ok();
        let change = fake.finding(row.name).change;
        let lines: Vec<_> = change.iter().map(|change| change.line.as_str()).collect();
        if found != [(row.name, row.state)] || lines != row.lines {
            wrong.push(format!("{}: {found:?}, {lines:?}", row.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn whoever_does_what_a_line_says_does_not_find_it_again() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let all = altered(row).finding(row.name).change;
        let (first, rest): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|change| change.note.is_some_and(|note| note.starts_with("on the host, first")));
        assert!(!rest.is_empty(), "{}", row.what);
        for change in rest {
            let mut fake = altered(row);
            for change in first.iter().copied().chain([change]) {
                fake.follow(change);
            }
            let finding = fake.finding(row.name);
            if finding.state != State::Ok {
                wrong.push(format!("{}: {}: {}", row.what, change.line, finding.found));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_limit_above_what_the_kernel_allows_is_worth_nothing_alone() {
    let row = ROWS.iter().find(|row| row.state == State::Problem).expect("a row");
    let mut fake = altered(row);
    let change = fake.finding(row.name).change;
    let unit = change.iter().find(|change| change.place == Place::Systemd).expect("a line");
    fake.follow(unit);
    assert_eq!(fake.not_ok(), [(row.name, row.state)]);
}

#[test]
fn every_finding_that_can_be_changed_has_a_row() {
    let without = ["kernel", "io_uring_features", "memory_plan"];
    let report = Fake::healthy().report();
    for finding in report.findings() {
        let has_row = ROWS.iter().any(|row| row.name == finding.name);
        assert!(has_row != without.contains(&finding.name), "{}", finding.name);
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "it says why it skips")]
fn systemd_knows_each_line_of_a_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = ROWS.iter().flat_map(|row| altered(row).finding(row.name).change);
    let lines: BTreeSet<_> =
        all.filter(|change| change.place == Place::Systemd).map(|change| change.line).collect();
    let (files, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with("w /"));
    assert!(files.len() == 2 && lines.len() > 6, "{lines:?}");
    let verify = |lines: &str| {
        let unit = folder.path().join("doctor.service");
        std::fs::write(&unit, format!("[Service]\nExecStart=/bin/true\n{lines}\n")).expect("written");
        let output = Command::new("systemd-analyze").arg("verify").arg(unit).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(said.lines().filter(|line| line.contains("doctor.service")).collect::<Vec<_>>().join("\n"))
    };
    match verify("LimitNOTHING=5") {
        Some(said) if !said.is_empty() => assert_eq!(verify(&lines.join("\n")).as_deref(), Some("")),
        _ => println!("SKIPPED: there is no systemd-analyze here that tells wrong lines from right ones"),
    }
}

//! A host of files in a folder, where advice can be followed.

use holdfast_ring::Capabilities;

use super::super::examine;
use super::super::finding::{Change, Finding, Place, State};
use super::super::host::{Host, Tried};
use super::super::report::Report;
use crate::limits::cgroup::tests::tree;
use crate::settings::Settings;

pub(super) const SERVICE: &str = "sys/fs/cgroup/system.slice/holdfast.service";
pub(super) const CLOCK: &str = "sys/devices/system/clocksource/clocksource0";

/// One on which everything is as it should be: two CPUs, 4 GiB, a service of systemd's in a cgroup of version 2.
const HEALTHY: &[(&str, &str)] = &[
    ("proc/meminfo", "MemTotal:        4194304 kB\n"),
    ("proc/net/sockstat", "sockets: used 22\nTCP: inuse 4 orphan 0 tw 2 alloc 4 mem 295\n"),
    ("proc/self/cgroup", "0::/system.slice/holdfast.service\n"),
    ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
    ("proc/self/status", "CapEff:\t0000000000000000\nSeccomp:\t0\nCpus_allowed_list:\t0,3\n"),
    ("proc/self/uid_map", "         0          0 4294967295\n"),
    ("proc/sys/fs/file-nr", "1000\t0\t2000000\n"),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("proc/sys/kernel/osrelease", "6.12.9-amd64\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/tcp_max_orphans", "1048576\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n"),
    ("proc/sys/net/ipv4/tcp_mem", "262144\t524288\t1048576\n"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "0\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "1048576\n"),
    ("sys/fs/cgroup/system.slice/holdfast.service/cpu.max", "max 100000\n"),
    ("sys/fs/cgroup/system.slice/holdfast.service/memory.max", "max\n"),
    ("sys/fs/cgroup/system.slice/holdfast.service/memory.high", "max\n"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm \n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
];

/// The same of version 1, each controller with a hierarchy.
pub(super) const VERSION_1: &[(&str, &str)] = &[
    ("proc/self/cgroup", "4:memory:/a\n3:cpu,cpuacct:/a\n"),
    (
        "proc/self/mountinfo",
        "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    ),
    ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n"),
    ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
];

pub(super) struct Fake {
    pub(super) host: Host,
    pub(super) settings: Settings,
    root: tempfile::TempDir,
}

impl Fake {
    pub(super) fn healthy() -> Self {
        let root = tree(HEALTHY);
        let host = Host {
            root: root.path().to_owned(),
            descriptors_at_start: 1024,
            descriptors: 1 << 20,
            locked_bytes: Some(8 << 20),
            address_space_bytes: None,
            data_bytes: None,
            page_bytes: 4096,
            uring: works(),
        };
        Self { host, settings: Settings { shards: 2, ..Settings::default() }, root }
    }

    pub(super) fn write(&mut self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(super) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.path().join(path)).ok()
    }

    pub(super) fn remove(&mut self, path: &str) {
        std::fs::remove_file(self.root.path().join(path)).expect("it was there");
    }

    pub(super) fn become_version_1(&mut self) {
        for (path, text) in VERSION_1 {
            self.write(path, text);
        }
    }

    /// Its gateway is to be a node of a cluster, with queues of so many bytes.
    pub(super) fn join_a_cluster(&mut self, queue_bytes: usize) {
        self.settings.cluster = vec!["nats://127.0.0.1:4222".to_owned()];
        self.settings.cluster_name = Some("prod".to_owned());
        self.settings.cluster_queue_bytes = queue_bytes;
    }

    pub(super) fn report(&self) -> Report {
        examine(&self.host, &self.settings)
    }

    #[track_caller]
    pub(super) fn finding(&self, name: &str) -> Finding {
        let found = self.report().findings().iter().find(|finding| finding.name == name).cloned();
        found.unwrap_or_else(|| panic!("{name} is found"))
    }

    /// The names of those that are not as they should be.
    pub(super) fn not_ok(&self) -> Vec<(&'static str, State)> {
        let report = self.report();
        let bad = report.findings().iter().filter(|finding| finding.state != State::Ok);
        bad.map(|finding| (finding.name, finding.state)).collect()
    }

    /// Does what a line says, as the one does that it is for.
    pub(super) fn follow(&mut self, change: &Change) {
        let line = change.line.as_str();
        match change.place {
            Place::Sysctl => self.set_sysctl(line.split_once(" = ").expect("a name and a value")),
            Place::Systemd => self.follow_systemd(line),
            Place::Docker => self.follow_docker(line),
            Place::Kubernetes => self.follow_kubernetes(line),
            Place::Settings => {
                let (name, value) = line.split_once(" = ").expect("a name and a value");
                match name {
                    "shards" => self.settings.shards = value.parse().expect("a number"),
                    "connections-max" => self.settings.connections_max = value.parse().ok(),
                    "cluster-queue-bytes" => {
                        let mib = value.trim_matches('"').strip_suffix("MiB").and_then(|it| it.parse().ok());
                        self.settings.cluster_queue_bytes = mib.map_or(0, |mib: usize| mib << 20);
                    }
                    _ => panic!("{line}"),
                }
            }
        }
    }

    fn set_sysctl(&mut self, (name, value): (&str, &str)) {
        match name {
            "fs.file-max" => self.write("proc/sys/fs/file-nr", &format!("1000\t0\t{value}\n")),
            "kernel.io_uring_disabled" if value == "0" => self.host.uring = works(),
            _ => {}
        }
        self.write(&format!("proc/sys/{}", name.replace('.', "/")), &format!("{value}\n"));
    }

    fn set_rlimit(&mut self, name: &str, value: &str) {
        let value = value.parse().ok();
        match name {
            "NOFILE" => {
                let most = self.read("proc/sys/fs/nr_open").and_then(|text| text.trim().parse().ok());
                let value: u64 = value.expect("a number");
                // The kernel refuses more (setrlimit(2)).
                if value <= most.expect("a number") {
                    self.host.descriptors = value;
                }
            }
            "MEMLOCK" => self.host.locked_bytes = value,
            "AS" => self.host.address_space_bytes = value,
            "DATA" => self.host.data_bytes = value,
            _ => panic!("{name}"),
        }
    }

    fn set_memory(&mut self, mib: &str) {
        let bytes = format!("{}\n", mib.parse::<u64>().expect("a number") << 20);
        let v1 = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        let path = if self.read(v1).is_some() { v1.to_owned() } else { format!("{SERVICE}/memory.max") };
        self.write(&path, &bytes);
    }

    fn set_cpus(&mut self, cpus: u64) {
        let v1 = "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us";
        if self.read(v1).is_some() {
            self.write(v1, &format!("{}\n", cpus * 100_000));
        } else {
            self.write(&format!("{SERVICE}/cpu.max"), &format!("{} 100000\n", cpus * 100_000));
        }
    }

    /// Writes to a file as the kernel takes it: where it shows all that can be chosen, it puts brackets around that.
    fn choose(&mut self, path: &str, wanted: &str) {
        let before = self.read(path).unwrap_or_default();
        let words = before.split_whitespace().map(|word| word.trim_matches(['[', ']']));
        let shown = words.map(|word| if word == wanted { format!("[{word}]") } else { word.to_owned() });
        let shown: Vec<_> = shown.collect();
        if before.contains('[') { self.write(path, &shown.join(" ")) } else { self.write(path, wanted) }
    }

    fn follow_systemd(&mut self, line: &str) {
        if let Some(words) = line.strip_prefix("w /") {
            let words: Vec<_> = words.split(' ').collect();
            return self.choose(words[0], words[5]);
        }
        let (name, value) = line.split_once('=').expect("a name and a value");
        let mib = value.strip_suffix('M');
        match name {
            "MemoryMax" => self.set_memory(mib.expect("MiB")),
            "MemoryHigh" => {
                let bytes = mib.expect("MiB").parse::<u64>().expect("a number") << 20;
                self.write(&format!("{SERVICE}/memory.high"), &format!("{bytes}\n"));
            }
            "CPUQuota" => {
                let percent: u64 = value.strip_suffix('%').and_then(|it| it.parse().ok()).expect("percents");
                self.set_cpus(percent / 100);
            }
            "SystemCallFilter" if value == "@aio" => self.host.uring = works(),
            _ => self.set_rlimit(name.strip_prefix("Limit").expect("a limit"), value),
        }
    }

    fn follow_docker(&mut self, line: &str) {
        let (option, value) = line.split_once(' ').expect("an option");
        match option {
            "--ulimit" => {
                let (name, value) = value.split_once('=').expect("a limit");
                self.set_rlimit(&name.to_uppercase(), value.split(':').next().expect("a number"));
            }
            "--sysctl" => {
                let (name, value) = value.split_once('=').expect("a name and a value");
                self.set_sysctl((name, value.trim_matches('"')));
            }
            "--memory" => self.set_memory(value.strip_suffix('m').expect("MiB")),
            "--cpus" => self.set_cpus(value.parse().expect("a number")),
            "--security-opt" if value == "seccomp=deploy/seccomp.json" => self.host.uring = works(),
            _ => panic!("{line}"),
        }
    }

    fn follow_kubernetes(&mut self, line: &str) {
        if let Some(mib) = line.strip_prefix("resources.limits.memory: ") {
            self.set_memory(mib.strip_suffix("Mi").expect("MiB"));
        } else if let Some(cpus) = line.strip_prefix("resources.limits.cpu: ") {
            self.set_cpus(cpus.parse().expect("a number"));
        } else if let Some(sysctl) = line.strip_prefix("securityContext.sysctls: [{name: ") {
            let (name, value) = sysctl.split_once(", value: \"").expect("a name and a value");
            self.set_sysctl((name, value.strip_suffix("\"}]").expect("its end")));
        } else if line.starts_with("securityContext.seccompProfile: {type: Localhost,") {
            self.host.uring = works();
        } else {
            // Of the runtime's unit.
            self.follow_systemd(line);
        }
    }
}

/// An io_uring of some years ago, without direct descriptors.
pub(super) fn works() -> Tried {
    let capabilities = Capabilities { fixed_buffers: true, ..Capabilities::BASELINE };
    Tried::Works { capabilities, off: Vec::new() }
}

/// The newest.
pub(super) fn works_with_direct_descriptors() -> Tried {
    let capabilities =
        Capabilities { fixed_buffers: true, direct_descriptors: true, ..Capabilities::BASELINE };
    Tried::Works { capabilities, off: Vec::new() }
}

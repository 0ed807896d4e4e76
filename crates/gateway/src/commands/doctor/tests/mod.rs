mod fake;
mod matrix;
mod page;

use holdfast_ring::Capabilities;

use super::finding::State;
use super::host::{Privilege, Tried};
use super::*;
use crate::limits::{Binding, Room};
use crate::settings::DriverChoice;
use fake::{CLOCK, Fake, SERVICE, works_with_direct_descriptors};

#[test]
fn a_healthy_host_has_nothing_to_change() {
    let mut fake = Fake::healthy();
    assert_eq!(fake.not_ok(), []);
    fake.become_version_1();
    assert_eq!(fake.not_ok(), []);
    assert_eq!(
        fake.report().findings().len(),
        EXAMINATIONS.len() - 2,
        "all but connections-max and a cluster"
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut fake = Fake::healthy();
    for name in ["nf_conntrack_max", "nf_conntrack_count"] {
        fake.remove(&format!("proc/sys/net/netfilter/{name}"));
    }
    for name in ["tcp_mem", "tcp_max_orphans"] {
        // As in a container.
        fake.remove(&format!("proc/sys/net/ipv4/{name}"));
    }
    fake.host.uring = Tried::Not;
    let report = fake.report();
    let names: Vec<_> = report.findings().iter().map(|finding| finding.name).collect();
    for name in ["connection_tracking", "tcp_memory", "orphans", "io_uring_features", "locked_memory"] {
        assert!(!names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(fake.not_ok(), []);
}

#[test]
fn bounds_come_with_the_lowest_first_and_the_gateways_is_among_them() {
    let mut fake = Fake::healthy();
    fake.host.descriptors = 20_000;
    fake.settings.connections_max = Some(30_000);
    fake.settings.shard_connections_max = Some(20_000);
    fake.write("proc/sys/net/netfilter/nf_conntrack_count", "3\n");
    let report = fake.report();
    let bounds = report.bounds();
    let names: Vec<_> = bounds.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "descriptor limit",
            "connections-max",
            "shard-connections-max",
            "memory",
            "nf_conntrack_max",
            "fs.file-max"
        ]
    );
    assert_eq!(bounds[1..3], [("connections-max", 30_000), ("shard-connections-max", 40_000)]);
    assert_eq!(bounds[5].1, 1_999_000);
    let outlook = Outlook::new(&fake.host, &fake.settings);
    assert_eq!((outlook.binding(), outlook.connections()), (Binding::Descriptors, bounds[0].1));
}

/// Whatever binds, it is the first of those that the gateway plans with, and just as many fit.
#[test]
fn the_first_bound_of_the_gateway_is_what_its_room_says() {
    for uring in [Tried::Not, works_with_direct_descriptors()] {
        for (descriptors, mib, all, each) in [
            (1 << 20, "max", None, None),
            (1000, "max", None, None),
            (1 << 20, "67108864", None, None),
            (1 << 20, "max", Some(77), None),
            (1 << 20, "max", None, Some(33)),
            (1000, "67108864", Some(700), Some(350)),
        ] {
            let mut fake = Fake::healthy();
            fake.host.uring = uring.clone();
            fake.host.descriptors = descriptors;
            fake.write(&format!("{SERVICE}/memory.max"), mib);
            fake.settings.connections_max = all;
            fake.settings.shard_connections_max = each;
            let outlook = Outlook::new(&fake.host, &fake.settings);
            let Room { connections, binding, .. } = outlook.room.expect("there is room");
            let bounds = outlook.bounds();
            let first = bounds.iter().find(|bound| bound.name != "fs.file-max").expect("a bound");
            assert_eq!((first.name.as_str(), first.connections), (&*binding.to_string(), connections));
        }
    }
}

#[test]
fn only_a_driver_that_was_asked_for_and_no_room_are_problems() {
    let mut fake = Fake::healthy();
    fake.host.uring = Tried::Refused { is_forbidden: false, what: "it is broken".to_owned() };
    assert_eq!(fake.not_ok(), [("io_uring", State::Warning)]);
    assert!(fake.finding("io_uring").change.is_empty(), "nobody knows");
    assert!(conclude(&fake.report(), false).is_ok());
    fake.settings.driver = DriverChoice::Uring;
    let error = conclude(&fake.report(), true).expect_err("it does not start");
    assert_eq!(error.exit_code(), 1);
    assert_eq!(error.to_string(), "a gateway with these settings does not work here: io_uring");
    let json: serde_json::Value = serde_json::from_str(error.report()).expect("JSON");
    assert_eq!(json["state"], "problem");
    fake.settings.driver = DriverChoice::Auto;
    fake.host.descriptors = 60;
    let error = conclude(&fake.report(), true).expect_err("it does not start");
    let json: serde_json::Value = serde_json::from_str(error.report()).expect("JSON");
    assert_eq!(json["room"], serde_json::Value::Null);
    assert!(error.to_string().ends_with(": descriptor_limit"), "{error}");
}

#[test]
fn where_nothing_can_be_changed_no_line_is_given() {
    let mut fake = Fake::healthy();
    fake.write("proc/sys/kernel/osrelease", "5.4.0-1\n");
    let capabilities = Capabilities::BASELINE;
    fake.host.uring = Tried::Works { capabilities, off: vec![("quiet sends", "too old".to_owned())] };
    fake.write(&format!("{CLOCK}/current_clocksource"), "hpet\n");
    fake.write(&format!("{CLOCK}/available_clocksource"), "hpet acpi_pm \n");
    // More connections than half of the memory could have a page for.
    fake.write("proc/sys/net/ipv4/tcp_mem", "10\t20000\t300000\n");
    let expected = ["kernel", "io_uring_features", "tcp_memory", "clock_source"];
    for name in expected {
        let finding = fake.finding(name);
        assert_eq!((finding.state, finding.change), (State::Note, Vec::new()), "{name}");
    }
    fake.write("proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n");
    fake.settings.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
    assert_eq!(fake.finding("local_ports").state, State::Note);
    assert!(fake.finding("local_ports").change.is_empty());
}

#[test]
fn tables_that_are_as_long_as_can_be_want_more_shards() {
    let mut fake = Fake::healthy();
    fake.host.uring = works_with_direct_descriptors();
    fake.write("proc/meminfo", "MemTotal:       67108864 kB\n");
    let finding = fake.finding("descriptor_limit");
    let lines: Vec<_> = finding.change.iter().map(|change| change.line.as_str()).collect();
    assert_eq!((finding.state, &lines[..]), (State::Warning, &["shards = 4"][..]), "{}", finding.found);
    let before = Outlook::new(&fake.host, &fake.settings).connections();
    fake.follow(&finding.change[0]);
    assert!(Outlook::new(&fake.host, &fake.settings).connections() > before * 19 / 10);
}

#[test]
fn a_privilege_counts_only_where_it_is_of_the_host() {
    let mut fake = Fake::healthy();
    assert!(!fake.host.may(Privilege::LockMemory));
    fake.write("proc/self/status", "CapEff:\t0000000000204000\nCpus_allowed_list:\t0-1\n");
    assert!(fake.host.may(Privilege::LockMemory) && fake.host.may(Privilege::Administrate));
    fake.write("proc/sys/fs/file-nr", "1000\t0\t2000\n");
    assert!(fake.finding("file_max").found.ends_with("but CAP_SYS_ADMIN lifts it"));
    fake.write("proc/sys/fs/file-nr", "1000\t0\t9223372036854775807\n");
    assert!(fake.report().bounds().iter().all(|(name, _)| *name != "fs.file-max"), "no limit at all");
    fake.write("proc/sys/fs/file-nr", "1000\t0\t2000\n");
    fake.write("proc/self/uid_map", "         0     100000      65536\n");
    assert!(!fake.host.may(Privilege::LockMemory) && !fake.host.may(Privilege::Administrate));
    assert_eq!(fake.finding("file_max").state, State::Warning);
}

#[test]
fn cpus_are_counted_in_ranges() {
    let mut fake = Fake::healthy();
    for (list, count) in [("0", Some(1)), ("0-3", Some(4)), ("0,2-3,8", Some(4)), ("", None), ("x", None)] {
        fake.write("proc/self/status", &format!("Cpus_allowed_list:\t{list}\n"));
        assert_eq!(fake.host.cpus(), count, "{list}");
    }
}

#[test]
fn the_text_has_what_is_worst_first_and_each_line_to_change() {
    let mut fake = Fake::healthy();
    fake.host.descriptors = 1024;
    fake.write(&format!("{CLOCK}/current_clocksource"), "hpet\n");
    let text = fake.report().to_string();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("· 2 shards · room for 934 connections (descriptor limit)"), "{text}");
    assert!(lines[1].starts_with("what binds, the lowest first: descriptor limit 934, memory "), "{text}");
    let warning = lines.iter().position(|line| line.starts_with("warning  descriptor_limit: 1024 "));
    let note = lines.iter().position(|line| line.starts_with("note     clock_source: hpet"));
    let ok = lines.iter().position(|line| line.starts_with("ok       kernel: Linux 6.12.9-amd64"));
    assert!(warning.is_some() && warning < note && note < ok, "{text}");
    assert!(text.contains("\n           systemd    LimitNOFILE=1048576\n"), "{text}");
}

#[test]
fn a_plan_that_does_not_fit_is_found_and_each_line_makes_it_fit() {
    let little = || {
        let mut fake = Fake::healthy();
        fake.write(&format!("{SERVICE}/memory.max"), "25165824\n");
        fake
    };
    let finding = little().finding("memory_plan");
    let lines: Vec<_> = finding.change.iter().map(|change| change.line.as_str()).collect();
    assert_eq!(
        lines,
        ["MemoryMax=48M", "--memory 48m", "resources.limits.memory: 48Mi", "shards = 1"],
        "{}",
        finding.found
    );
    assert_eq!(finding.state, State::Warning);
    for change in &finding.change {
        let mut fake = little();
        fake.follow(change);
        assert_eq!(fake.finding("memory_plan").state, State::Ok, "{}", change.line);
    }
}

#[test]
fn services_at_one_address_need_a_port_for_each_request_under_way() {
    let mut fake = Fake::healthy();
    let args = ["holdfast", "--hub", "chat", "--upstream", "http://127.0.0.1:1/", "--anonymous"];
    let Ok(Action::Run(settings, _)) = settings::load(args.map(OsString::from), []) else {
        panic!("settings")
    };
    fake.settings.hubs = settings.hubs;
    assert_eq!(fake.finding("local_ports").state, State::Ok);
    fake.write("proc/sys/net/ipv4/ip_local_port_range", "60000\t60099\n");
    let finding = fake.finding("local_ports");
    assert_eq!(finding.state, State::Warning, "{}", finding.found);
    for change in &finding.change {
        let mut fake = Fake::healthy();
        fake.follow(change);
        assert_eq!(fake.finding("local_ports").state, State::Ok, "{}", change.line);
    }
}

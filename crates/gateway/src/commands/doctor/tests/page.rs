//! What docs/doctor.md shows is what is printed.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::host::Tried;
use super::fake::{Fake, works_with_direct_descriptors};

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    std::fs::read_to_string(page).expect("docs/doctor.md")
}

/// A machine of 24 GB with the limits of many a container.
fn example() -> Fake {
    let mut fake = Fake::healthy();
    fake.host.uring = works_with_direct_descriptors();
    (fake.host.descriptors_at_start, fake.host.descriptors) = (1024, 20_000);
    fake.write("proc/meminfo", "MemTotal:       24683520 kB\n");
    fake.write("proc/sys/net/core/somaxconn", "128\n");
    fake
}

#[test]
fn the_example_is_what_is_printed() {
    let page = page();
    let shown = page.split("$ holdfast doctor\n").nth(1).and_then(|rest| rest.split("```").next());
    let printed = example().report().to_string();
    let printed = printed.replacen("(direct descriptors, fixed buffers)", "(multishot receive, ...)", 1);
    assert!(shown == Some(&printed), "docs/doctor.md is to show\n{printed}");
    for line in printed.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn the_table_has_every_finding_and_no_other() {
    let page = page();
    let table = page.split("## Findings").nth(1).and_then(|rest| rest.split("## ").next()).expect("a table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<_> = rows.collect();
    let mut fake = Fake::healthy();
    fake.settings.connections_max = Some(10);
    fake.join_a_cluster(16 << 20);
    let report = fake.report();
    let found: BTreeSet<_> = report.findings().iter().map(|finding| finding.name).collect();
    assert_eq!(documented, found);
}

#[test]
fn the_profile_is_named_as_in_the_manifests() {
    let pod = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes/base/deployment.yaml");
    let pod = std::fs::read_to_string(pod).expect("the manifest");
    let name = pod.split("localhostProfile: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let mut fake = Fake::healthy();
    fake.host.uring = Tried::Refused { is_forbidden: true, what: String::new() };
    fake.write("proc/self/status", "Seccomp:\t2\n");
    let lines = fake.finding("io_uring").change.into_iter().map(|change| change.line).collect::<String>();
    assert!(lines.contains(&format!("localhostProfile: {}}}", name.expect("a name"))), "{lines}");
}

#[test]
fn each_finding_says_why_in_one_sentence_that_fits_a_line() {
    let mut fake = Fake::healthy();
    fake.settings.connections_max = Some(10);
    for finding in fake.report().findings() {
        let why = finding.why;
        assert!(why.ends_with('.') && why.len() <= 111, "{}: {} bytes: {why}", finding.name, why.len());
    }
}

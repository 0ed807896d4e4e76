//! Time: how much of the CPUs', and who says how late it is.

use super::finding::{Change, Finding, Place, State};
use super::subject::Subject;

pub(super) fn quota(subject: &Subject<'_>) -> Option<Finding> {
    let (host, shards) = (subject.host, u64::from(subject.settings.shards));
    let cpus = host.cpus()?;
    let why =
        "Shards are threads: where the quota of a period is used up, all of them stand still until the next.";
    let finding = |found| Finding::new("cpu_quota", found, why);
    let Some(hundredths) = host.cpu_hundredths() else {
        return Some(finding(format!("no quota; {cpus} CPUs, {shards} shards")));
    };
    let found = format!("{}.{:02} CPUs by quota, {shards} shards", hundredths / 100, hundredths % 100);
    if hundredths >= shards * 100 {
        return Some(finding(found));
    }
    let fewer = hundredths / 100;
    let fewer = (fewer > 0).then(|| Change::new(Place::Settings, format!("shards = {fewer}")));
    let more = (shards <= cpus).then(|| {
        [
            Change::new(Place::Systemd, format!("CPUQuota={}%", shards * 100)),
            Change::new(Place::Docker, format!("--cpus {shards}")),
            Change::new(Place::Kubernetes, format!("resources.limits.cpu: {shards}")),
        ]
    });
    Some(finding(found).marked(State::Warning, fewer.into_iter().chain(more.into_iter().flatten())))
}

/// Those that are read by a system call, and from a device.
const SLOW: [&str; 4] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies"];
/// Those that are read without one (vdso(7)).
const FAST: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

pub(super) fn clock_source(subject: &Subject<'_>) -> Option<Finding> {
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    let current = subject.host.text(&format!("{FOLDER}/current_clocksource"))?;
    let why =
        "A shard asks for the time in each turn, and this source answers only by a system call and a device.";
    let finding = Finding::new("clock_source", current.clone(), why);
    if !SLOW.contains(&current.as_str()) {
        return Some(finding);
    }
    let available = subject.host.text(&format!("{FOLDER}/available_clocksource")).unwrap_or_default();
    let better = FAST.into_iter().find(|name| available.split_whitespace().any(|it| it == *name));
    let change = better.map(|name| {
        Change::new(Place::Systemd, format!("w /{FOLDER}/current_clocksource - - - - {name}"))
            .noting("in a file in /etc/tmpfiles.d of the host")
    });
    let found =
        if better.is_some() { current } else { format!("{current}, and the kernel offers no faster one") };
    Some(Finding { found, ..finding }.marked(State::Note, change))
}

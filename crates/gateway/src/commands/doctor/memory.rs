//! Memory that may be used, and memory that may be locked.

use holdfast_ring::Budget;

use super::finding::{Change, Finding, Place, State, rlimit};
use super::host::{Privilege, Tried};
use super::subject::Subject;
use crate::limits::plan::budget_within;
use crate::limits::{Binding, MemoryLimit, Plan, Room, Source};

const MIB: u64 = 1 << 20;

pub(super) fn limit(subject: &Subject<'_>) -> Option<Finding> {
    let limit = subject.outlook.memory.as_ref()?;
    let why = "Connections have five eighths of it, behind what the gateway itself needs.";
    let finding = Finding::new("memory", limit.to_string(), why);
    if limit.source == Source::Machine || subject.outlook.binding() != Binding::Memory {
        return Some(finding);
    }
    let does_not_bind = |plan: Plan| {
        let bounds = subject.outlook.rung.bounds(subject.settings, subject.host.descriptors, Some(plan));
        Room::new(&bounds).is_ok_and(|room| room.binding != Binding::Memory)
    };
    let change = more(subject, limit, does_not_bind);
    let found = format!("{limit}: {} connections", subject.outlook.connections());
    Some(Finding { found, ..finding }.marked(State::Note, change))
}

pub(super) fn plan(subject: &Subject<'_>) -> Option<Finding> {
    let (limit, plan) = (subject.outlook.memory.as_ref()?, subject.outlook.plan?);
    let why = "Where memory is full, the kernel ends the gateway, and all connections with it.";
    let finding = |found| Finding::new("memory_plan", found, why);
    let Some(shortage) = plan.shortage() else {
        return Some(finding("all parts of the memory plan fit".to_owned()));
    };
    let mut change = more(subject, limit, |plan| plan.shortage().is_none());
    let fewer = |shards: u16| {
        let settings = crate::settings::Settings { shards, ..subject.settings.clone() };
        Plan::new(limit.bytes, &settings).shortage().is_none()
    };
    let fewer = (1..subject.settings.shards).rev().find(|shards| fewer(*shards));
    change.extend(fewer.map(|shards| Change::new(Place::Settings, format!("shards = {shards}"))));
    Some(finding(shortage).marked(State::Warning, change))
}

/// How to give the gateway so much memory that all is well, or all that the machine has.
fn more(subject: &Subject<'_>, limit: &MemoryLimit, is_well: impl Fn(Plan) -> bool) -> Vec<Change> {
    let Some(machine) = subject.host.machine_bytes().map(|bytes| bytes / MIB * MIB) else {
        return Vec::new();
    };
    let now = limit.bytes.next_multiple_of(MIB);
    let more =
        std::iter::successors(now.checked_mul(2), |it| it.checked_mul(2)).take_while(|it| *it < machine);
    let enough = more.into_iter().find(|bytes| is_well(Plan::new(*bytes, subject.settings)));
    let bytes = enough.unwrap_or(machine);
    let mib = bytes / MIB;
    let unit = |line: String| Change::new(Place::Systemd, line);
    match &limit.source {
        Source::Machine => Vec::new(),
        Source::AddressSpace => vec![unit("LimitAS=infinity".to_owned())],
        Source::Data => vec![unit("LimitDATA=infinity".to_owned())],
        Source::Cgroup(_, file) if file.ends_with("memory.high") => vec![unit(format!("MemoryHigh={mib}M"))],
        Source::Cgroup(..) => vec![
            unit(format!("MemoryMax={mib}M")),
            Change::new(Place::Docker, format!("--memory {mib}m")),
            Change::new(Place::Kubernetes, format!("resources.limits.memory: {mib}Mi")),
        ],
    }
}

/// Transparent hugepages, of which the gateway asks for none.
pub(super) fn huge_pages(subject: &Subject<'_>) -> Option<Finding> {
    const FILE: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let modes = subject.host.text(FILE)?;
    let (_, rest) = modes.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    let why = "An area that is little used may then take 2 MiB where it needs some pages of 4 KiB.";
    let finding = Finding::new("huge_pages", format!("transparent hugepages: {mode}"), why);
    if mode != "always" {
        return Some(finding);
    }
    let change = Change::new(Place::Systemd, format!("w /{FILE} - - - - madvise"))
        .noting("in a file in /etc/tmpfiles.d of the host");
    Some(finding.marked(State::Note, [change]))
}

/// What a shard locks: its ring and its pool of buffers.
fn locked_bytes(budget: &Budget) -> u64 {
    let ring = u64::from(budget.submission_entries) * 68 + u64::from(budget.completion_entries) * 16;
    ring + pool_bytes(budget)
}

fn pool_bytes(budget: &Budget) -> u64 {
    u64::from(budget.buffer_count) * budget.buffer_bytes as u64
}

pub(super) fn locked(subject: &Subject<'_>) -> Option<Finding> {
    let Tried::Works { capabilities, .. } = &subject.host.uring else { return None };
    let why = "Pools of buffers that io_uring knows count; the gateway keeps within half of it, with smaller \
               ones if need be.";
    let finding = |found| Finding::new("locked_memory", found, why);
    let Some(limit) = subject.host.locked_bytes else {
        return Some(finding("RLIMIT_MEMLOCK is unlimited".to_owned()));
    };
    let memory = subject.outlook.memory.as_ref().map(|limit| limit.bytes);
    let budget = |locked| budget_within(subject.settings, locked, memory);
    let (full, has) = (budget(None), budget(Some(limit)));
    let all = |budget: &Budget| locked_bytes(budget) * u64::from(subject.settings.shards);
    let is_lifted = subject.host.may(Privilege::LockMemory);
    let lifted =
        if is_lifted { " (CAP_IPC_LOCK: the kernel does not hold it against this process)" } else { "" };
    let found = format!("RLIMIT_MEMLOCK is {} KiB{lifted}", limit >> 10);
    let is_too_much =
        |limit, budget: &Budget| !is_lifted && capabilities.fixed_buffers && all(budget) > limit;
    let state = match pool_bytes(&has) < pool_bytes(&full) {
        _ if is_too_much(limit, &has) => State::Warning,
        true => State::Note,
        false => return Some(finding(found)),
    };
    let found = format!(
        "{found}: pools of {} KiB a shard, {} with more, {} KiB in all",
        pool_bytes(&has) >> 10,
        pool_bytes(&full) >> 10,
        all(&has) >> 10
    );
    let larger = std::iter::successors(limit.max(1).checked_next_power_of_two(), |it| it.checked_mul(2));
    let wanted = larger.skip_while(|it| *it <= limit).find(|limit| {
        let budget = budget(Some(*limit));
        pool_bytes(&budget) >= pool_bytes(&full) && !is_too_much(*limit, &budget)
    });
    let change = wanted.map(|wanted| rlimit("LimitMEMLOCK", "memlock", wanted));
    Some(finding(found).marked(state, change.into_iter().flatten()))
}

//! Descriptors: of the process, and files of the host.

use super::finding::{Change, Finding, Place, State, rlimit, sysctl_of_host};
use super::host::Privilege;
use super::outlook::files_left;
use super::subject::Subject;
use crate::limits::{Binding, DIRECT_TABLE_MAX};

pub(super) fn descriptor_limit(subject: &Subject<'_>) -> Option<Finding> {
    let (host, outlook) = (subject.host, subject.outlook);
    let why = "Each connection takes one, of the process or of its shard's own table, which is as long as the \
               limit.";
    let (was, now) = (host.descriptors_at_start, host.descriptors);
    let held = if was == now { String::new() } else { format!(" (raised from {was})") };
    let finding = |found| Finding::new("descriptor_limit", found, why);
    let wanted = outlook.descriptors_wanted(now);
    match outlook.room {
        Err(none) => Some(finding(none.to_string()).marked(State::Problem, change(subject, wanted))),
        Ok(room) if room.binding == Binding::Descriptors => {
            let fit = room.connections;
            let Some(others) = outlook.without_descriptors().filter(|others| *others > fit) else {
                return Some(finding(format!("{now} descriptors{held}")));
            };
            let found = format!("{now} descriptors{held}: {fit} connections, {others} would fit otherwise");
            let state = if fit < others / 2 { State::Warning } else { State::Note };
            Some(finding(found).marked(state, change(subject, wanted)))
        }
        Ok(_) => Some(finding(format!("{now} descriptors{held}"))),
    }
}

fn change(subject: &Subject<'_>, wanted: Option<u64>) -> Vec<Change> {
    let Some(wanted) = wanted else {
        let is_longest =
            subject.outlook.rung.has_direct_descriptors() && subject.host.descriptors >= DIRECT_TABLE_MAX;
        let shards =
            Change::new(Place::Settings, format!("shards = {}", subject.settings.shards.saturating_mul(2)));
        let note = "each shard has a descriptor table of its own, and no longer one than these have";
        return if is_longest { vec![shards.noting(note)] } else { Vec::new() };
    };
    let most = subject.host.sysctl("fs/nr_open").filter(|most| *most < wanted);
    let ceiling =
        most.map(|_| sysctl_of_host("fs.nr_open", wanted).noting("on the host, first: no limit is higher"));
    ceiling.into_iter().chain(rlimit("LimitNOFILE", "nofile", wanted)).collect()
}

pub(super) fn file_max(subject: &Subject<'_>) -> Option<Finding> {
    let host = subject.host;
    let [in_use, _, most] = host.sysctls::<3>("fs/file-nr")?;
    let why = "All files of the host count, and each connection is one, with a direct descriptor too.";
    let finding = |found| Finding::new("file_max", found, why);
    let connections = subject.outlook.connections();
    let Some(left) = files_left(host) else {
        let lifted = if host.may(Privilege::Administrate) { ", but CAP_SYS_ADMIN lifts it" } else { "" };
        return Some(finding(format!("fs.file-max is {most}{lifted}")));
    };
    let found = format!("fs.file-max is {most}, of which {in_use} are in use");
    if left >= connections {
        return Some(finding(found));
    }
    let wanted = (in_use + connections).saturating_mul(2).next_power_of_two();
    let found = format!("{found}: {connections} connections do not fit");
    Some(finding(found).marked(State::Warning, [sysctl_of_host("fs.file-max", wanted)]))
}

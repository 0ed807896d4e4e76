//! `holdfast doctor`: how many connections fit on this host, what binds first, and the line to change.
//!
//! All that is known of the host is in [`Host`]; the rest is pure, so that tests can alter one.

mod cluster;
mod cpu;
mod descriptors;
mod driver;
mod finding;
mod host;
mod memory;
mod outlook;
mod ports;
mod queues;
mod report;
mod room;
mod sockets;
mod subject;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::error::CommandError;
use crate::echo::Echo;
use crate::settings::{self, Action, Settings, load_as};
use finding::{Finding, State};
use host::Host;
use outlook::Outlook;
use report::Report;
use subject::Subject;

pub(super) const NAME: &str = "doctor";
const JSON: &str = "json";

pub(super) fn command() -> Command {
    settings::command_line()
        .name(NAME)
        .about(
            "Inspect this host or container: how many connections fit, what binds first, and what to change",
        )
        .disable_version_flag(true)
        .arg(Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Print one JSON object"))
}

pub(super) fn run(
    words: &[OsString],
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let command = command().bin_name("holdfast doctor");
    let given = command.clone().try_get_matches_from(words);
    let is_json = given.is_ok_and(|matches| matches.get_flag(JSON));
    match load_as(command, words.iter().cloned(), env, Echo::answers) {
        Ok(Action::Run(settings, _)) => conclude(&examine(&Host::here(settings.driver), &settings), is_json),
        Ok(Action::Print(text)) => Ok(text),
        Err(error) => Err(CommandError::usage(error.to_string())),
    }
}

/// What is looked at, in this order. Nothing is said of what is not there.
const EXAMINATIONS: [fn(&Subject<'_>) -> Option<Finding>; 20] = [
    driver::kernel,
    driver::io_uring,
    driver::features,
    descriptors::descriptor_limit,
    descriptors::file_max,
    memory::limit,
    memory::plan,
    memory::locked,
    memory::huge_pages,
    cluster::queues,
    room::connections_max,
    queues::accept_queue,
    queues::syn_queue,
    sockets::tcp_memory,
    sockets::send_buffers,
    sockets::orphans,
    ports::connection_tracking,
    ports::local_ports,
    cpu::quota,
    cpu::clock_source,
];

fn examine(host: &Host, settings: &Settings) -> Report {
    let outlook = Outlook::new(host, settings);
    let subject = Subject { host, settings, outlook: &outlook };
    let findings = EXAMINATIONS.iter().filter_map(|examine| examine(&subject)).collect();
    Report::new(&outlook, settings.shards, findings)
}

/// The report; an error where something keeps a gateway with these settings from working.
fn conclude(report: &Report, is_json: bool) -> Result<String, CommandError> {
    let text = if is_json { report.json() } else { report.to_string() };
    let names: Vec<_> = report.with(State::Problem).map(|finding| finding.name).collect();
    if names.is_empty() {
        return Ok(text);
    }
    let sentence = format!("a gateway with these settings does not work here: {}", names.join(", "));
    Err(CommandError::failed(sentence).with_report(text))
}

#[cfg(test)]
mod tests;

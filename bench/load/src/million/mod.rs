//! `million`: one gateway, as many connections as are asked for, both ends on this machine; and a verdict.

mod arguments;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Resource, getrlimit};

pub(crate) use arguments::MillionArguments;

use crate::arguments::TargetArguments;
use crate::fan_out::broadcast::{Delivery, Message, Sender, deliver};
use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::{Meant, Order};
use crate::hub::{Group, HUB, KeyFile, Service};
use crate::measure::machine::{Setting, used_bytes};
use crate::measure::metrics::{Metrics, wait_for_connections};
use crate::measure::process;
use crate::measure::slabs::Slabs;
use crate::report::{progress, write_json};
use crate::server::{Contestant, Server};
use report::{GroupDelivery, Memory, MillionReport};

/// How long the server's gauge may lag.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(60);
/// Beyond drain-spread: how long the last connections may take to end.
const DRAIN_MARGIN: Duration = Duration::from_secs(120);
/// Between two messages of a connection that talks.
const TALK_EVERY: Duration = Duration::from_secs(1);

/// Carries out `million`.
///
/// # Errors
///
/// When anything was lost, wrong or missed, the server did not end as it should, or both ends took too much memory; the
/// report comes first.
pub(crate) fn run(arguments: &MillionArguments) -> anyhow::Result<()> {
    let mut report = MillionReport::new(Setting::now(), arguments.count, arguments.gigabytes_max);
    report.hub = arguments.hub;
    println!("{}", report.setting);
    report.memory_before = Memory::of_the_machine();
    let key_file = arguments.hub.then(KeyFile::new).transpose()?;
    let key_file = key_file.as_ref().map(KeyFile::path);
    let mut server = start(arguments, key_file)?;
    let admin = server.admin.clone().context("the gateway does not say where its admin server is")?;
    check_room(&admin, arguments.count)?;
    let target = TargetArguments { stall: arguments.stall, ..TargetArguments::to(&server.url) };
    let plan = Plan {
        target: &target,
        pace: &arguments.pace,
        first: 0,
        count: arguments.count,
        processes_min: 1,
        nice: 0,
        access_key_file: key_file,
    };
    let mut fleet = Fleet::start(&plan)?;
    report.processes = fleet.processes();
    println!(
        "million: {} connections to {} (process {}), {} processes",
        arguments.count,
        server.url,
        server.pid(),
        report.processes
    );
    let service = key_file.map(|path| Service::new(path, &server.url)).transpose()?;
    let mut run = Run { arguments, fleet: &mut fleet, pid: server.pid(), report: &mut report, service };
    run.open(&admin)?;
    run.hold(&admin)?;
    run.send_to_groups()?;
    run.drain(&mut server)?;
    report.totals = fleet.totals();
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    report.verdict()
}

/// Starts the gateway with room for all.
fn start(arguments: &MillionArguments, key_file: Option<&Path>) -> anyhow::Result<Server> {
    let folder = match &arguments.binaries {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().map_or_else(PathBuf::new, PathBuf::from),
    };
    let shards = arguments.shards.unwrap_or_else(|| shards(arguments.count));
    let drain = arguments.drain_spread + DRAIN_MARGIN;
    let seconds = |period: Duration| format!("{}s", period.as_secs().max(1));
    let settings = [
        ("--driver", arguments.driver.clone()),
        ("--shards", shards.to_string()),
        // So many processes share so few CPUs that one may not get to it for as long.
        ("--handshake-timeout", seconds(arguments.stall)),
        ("--ping-interval", format!("{}s", arguments.ping_seconds)),
        ("--drain-spread", seconds(arguments.drain_spread)),
        ("--drain-timeout", seconds(drain)),
    ];
    let hub =
        key_file.map(|path| [("--hub", HUB.to_owned()), ("--access-key-file", path.display().to_string())]);
    let settings = settings.into_iter().chain(hub.into_iter().flatten());
    let settings = settings.flat_map(|(name, value)| [name.to_owned(), value]).collect();
    Contestant::gateway_with(&folder, settings).start_anywhere()
}

/// Shards whose rings have room for so many direct descriptors, each as many as the descriptor limit says; and a
/// twentieth more, since the kernel does not spread newcomers evenly.
fn shards(count: u32) -> u32 {
    let table = getrlimit(Resource::Nofile).current.and_then(|limit| u32::try_from(limit).ok());
    let needed = count.div_ceil(table.unwrap_or(u32::MAX).max(1));
    if needed > 1 { needed + needed.div_ceil(20) } else { 1 }
}

/// How a service sends to all of its hub, or to a group.
fn sender(service: &Service, group: Option<&Group>) -> Sender {
    let (url, token) = service.send(group);
    let headers =
        [format!("Authorization: Bearer {token}"), "Content-Type: application/octet-stream".to_owned()];
    Sender::Post(url, headers.into())
}

fn check_room(admin: &str, count: u32) -> anyhow::Result<()> {
    let room = Metrics::read(admin)?.get("holdfast_connections_room").unwrap_or(0.0);
    ensure!(room >= f64::from(count), "the gateway has room for {room} connections only: try more --shards");
    Ok(())
}

struct Run<'a> {
    arguments: &'a MillionArguments,
    fleet: &'a mut Fleet,
    pid: u32,
    report: &'a mut MillionReport,
    /// Of the hub, if the connections are its clients.
    service: Option<Service>,
}

impl Run<'_> {
    fn open(&mut self, admin: &str) -> anyhow::Result<()> {
        let bar = progress("opening", self.arguments.count.into());
        let begin = Instant::now();
        let totals = self.fleet.complete(Order::Open, |totals| bar.set_position(totals.opened))?;
        bar.finish_and_clear();
        self.report.open_seconds = begin.elapsed().as_secs_f64();
        println!("opened {} in {:.1} s", totals.opened, self.report.open_seconds);
        ensure!(
            totals.opened == u64::from(self.arguments.count),
            "opened only {} of {}: {:?}",
            totals.opened,
            self.arguments.count,
            totals.reasons
        );
        wait_for_connections(admin, self.arguments.count, GAUGE_LAG_MAX)
            .context("the server's own count differs")?;
        self.report.memory_open = self.memory()?;
        Ok(())
    }

    /// Holds and talks, and sends to all at even distances.
    fn hold(&mut self, admin: &str) -> anyhow::Result<()> {
        let parts = u32::from(self.arguments.broadcasts) + 1;
        let bar = progress("holding", self.arguments.duration.as_secs());
        let begin = Instant::now();
        for part in 1..=parts {
            let until = begin + self.arguments.duration * part / parts;
            self.talk_until(until, || bar.set_position(begin.elapsed().as_secs()))?;
            if part < parts {
                let delivery = self.send_to_all(admin, u8::try_from(part)?)?;
                bar.suspend(|| println!("to all, {part} of {}: {delivery}", parts - 1));
            }
        }
        bar.finish_and_clear();
        self.report.hold_seconds = begin.elapsed().as_secs_f64();
        self.report.memory_held = self.memory()?;
        Ok(())
    }

    fn send_to_all(&mut self, admin: &str, number: u8) -> anyhow::Result<Delivery> {
        let sender = match &self.service {
            Some(service) => sender(service, None),
            None => Sender::Admin(admin.to_owned()),
        };
        let talk = self.service.is_none().then_some(self.arguments.talk_every);
        let message = Message { number, len: self.arguments.size, to: Meant::ALL };
        let delivery = deliver(self.fleet, &sender, Some(self.pid), message, talk)?;
        self.report.talked += u64::from(talk.is_some());
        self.report.peak(delivery.machine_bytes);
        self.report.broadcasts.push(delivery.clone());
        Ok(delivery)
    }

    /// To the group of all who are in groups, and to one of neighbours: of the others nobody may hear it. What comes to
    /// others counts as wrong up to the end.
    fn send_to_groups(&mut self) -> anyhow::Result<()> {
        let Some(service) = &self.service else { return Ok(()) };
        for (number, group) in (101..).zip([Group::common(), Group::around(self.arguments.count / 2)]) {
            let message = Message { number, len: self.arguments.size, to: group.members };
            let delivery =
                deliver(self.fleet, &sender(service, Some(&group)), Some(self.pid), message, None)?;
            println!("to the group {}: {delivery}", group.name);
            self.report.peak(delivery.machine_bytes);
            let members = group.members.of(self.arguments.count);
            self.report.groups.push(GroupDelivery { name: group.name, members, delivery });
        }
        Ok(())
    }

    fn talk_until(&mut self, until: Instant, tell: impl Fn()) -> anyhow::Result<()> {
        let mut next = Instant::now();
        while Instant::now() < until {
            if self.service.is_none() {
                self.fleet.complete(Order::Talk { every: self.arguments.talk_every }, |_| {})?;
                self.report.talked += 1;
            }
            next += TALK_EVERY;
            while let Some(left) = next.min(until).checked_duration_since(Instant::now()) {
                self.fleet.hear(left.min(Duration::from_millis(100)))?;
                tell();
            }
            self.report.peak(used_bytes());
        }
        Ok(())
    }

    /// SIGTERM, then a goodbye for everybody.
    fn drain(&mut self, server: &mut Server) -> anyhow::Result<()> {
        self.fleet.complete(Order::Part, |_| {})?;
        let begin = Instant::now();
        server.terminate()?;
        let bar = progress("draining", self.arguments.count.into());
        self.fleet.complete(Order::Goodbye, |totals| bar.set_position(totals.closed))?;
        bar.finish_and_clear();
        let status = server.wait(DRAIN_MARGIN)?;
        self.report.drain_seconds = begin.elapsed().as_secs_f64();
        self.report.exit_code = status.code();
        Ok(())
    }

    fn memory(&mut self) -> anyhow::Result<Memory> {
        let memory = Memory {
            server_rss_bytes: process::rss_bytes(self.pid)?,
            own_rss_bytes: self.fleet.rss_bytes(),
            kernel_bytes: Slabs::read().map(|slabs| slabs.bytes()),
            machine_bytes: used_bytes(),
        };
        self.report.peak(memory.machine_bytes);
        Ok(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_shards_for_all_and_some_to_spare() {
        let table = getrlimit(Resource::Nofile).current.and_then(|limit| u32::try_from(limit).ok());
        let table = table.unwrap_or(u32::MAX);
        assert_eq!((shards(1), shards(table)), (1, 1));
        if let Some(many) = table.checked_mul(50) {
            assert_eq!(shards(many), 53);
        }
    }
}

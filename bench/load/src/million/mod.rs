//! `million`: one gateway, or the nodes of a cluster, as many connections as are asked for, all ends on this machine;
//! and a verdict.

mod arguments;
mod nodes;
mod report;

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

pub(crate) use arguments::MillionArguments;

use crate::arguments::TargetArguments;
use crate::fan_out::broadcast::{Delivery, Message, Sender, deliver};
use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::{Meant, Order};
use crate::hub::{Group, KeyFile, Service};
use crate::measure::machine::{Setting, used_bytes};
use crate::measure::process;
use crate::measure::slabs::Slabs;
use crate::report::{progress, write_json};
use nodes::Nodes;
use report::{GroupDelivery, Memory, MillionReport};

/// How long the server's gauge may lag.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(60);
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
    (report.hub, report.nodes) = (arguments.hub, arguments.nodes);
    println!("{}", report.setting);
    report.memory_before = Memory::of_the_machine();
    let key_file = arguments.hub.then(KeyFile::new).transpose()?;
    let key_file = key_file.as_ref().map(KeyFile::path);
    let mut nodes = Nodes::start(arguments, key_file)?;
    let urls = nodes.urls();
    let [url, others @ ..] = &*urls else { bail!("no gateway") };
    let target = TargetArguments { stall: arguments.stall, ..TargetArguments::to(url) };
    let plan = Plan {
        target: &target,
        others,
        pace: &arguments.pace,
        first: 0,
        count: arguments.count,
        processes_min: 1,
        nice: 0,
        access_key_file: key_file,
    };
    let counts = plan.counts();
    nodes.check_room(&counts)?;
    let mut fleet = Fleet::start(&plan)?;
    report.processes = fleet.processes();
    println!(
        "million: {} connections to {} (processes {:?}), {} processes",
        arguments.count,
        urls.join(" "),
        nodes.pids(),
        report.processes
    );
    // Whatever is sent is sent by one of them, to those of all.
    let service = key_file.map(|path| Service::new(path, url)).transpose()?;
    let pids = nodes.pids();
    let mut run = Run { arguments, fleet: &mut fleet, nodes: &mut nodes, pids, report: &mut report, service };
    run.open(&counts)?;
    run.hold()?;
    run.send_to_groups()?;
    run.drain()?;
    report.totals = fleet.totals();
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    report.verdict()
}

/// How a service sends to all of its hub, or to a group.
fn sender(service: &Service, group: Option<&Group>) -> Sender {
    let (url, token) = service.send(group);
    let headers =
        [format!("Authorization: Bearer {token}"), "Content-Type: application/octet-stream".to_owned()];
    Sender::Post(url, headers.into())
}

struct Run<'a> {
    arguments: &'a MillionArguments,
    fleet: &'a mut Fleet,
    nodes: &'a mut Nodes,
    pids: Vec<u32>,
    report: &'a mut MillionReport,
    /// Of the hub, if the connections are its clients.
    service: Option<Service>,
}

impl Run<'_> {
    fn open(&mut self, counts: &[u32]) -> anyhow::Result<()> {
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
        self.nodes.check_counts(counts, GAUGE_LAG_MAX)?;
        self.report.memory_open = self.memory()?;
        Ok(())
    }

    /// Holds and talks, and sends to all at even distances.
    fn hold(&mut self) -> anyhow::Result<()> {
        let parts = u32::from(self.arguments.broadcasts) + 1;
        let bar = progress("holding", self.arguments.duration.as_secs());
        let begin = Instant::now();
        for part in 1..=parts {
            let until = begin + self.arguments.duration * part / parts;
            self.talk_until(until, || bar.set_position(begin.elapsed().as_secs()))?;
            if part < parts {
                let delivery = self.send_to_all(u8::try_from(part)?)?;
                bar.suspend(|| println!("to all, {part} of {}: {delivery}", parts - 1));
            }
        }
        bar.finish_and_clear();
        self.report.hold_seconds = begin.elapsed().as_secs_f64();
        self.report.memory_held = self.memory()?;
        Ok(())
    }

    fn send_to_all(&mut self, number: u8) -> anyhow::Result<Delivery> {
        let sender = match &self.service {
            Some(service) => sender(service, None),
            None => Sender::Admin(self.nodes.admins()?.concat()),
        };
        let talk = self.service.is_none().then_some(self.arguments.talk_every);
        let message = Message { number, len: self.arguments.size, to: Meant::ALL };
        let delivery = deliver(self.fleet, &sender, &self.pids, message, talk)?;
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
            let delivery = deliver(self.fleet, &sender(service, Some(&group)), &self.pids, message, None)?;
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
    fn drain(&mut self) -> anyhow::Result<()> {
        self.fleet.complete(Order::Part, |_| {})?;
        let begin = Instant::now();
        self.nodes.terminate()?;
        let bar = progress("draining", self.arguments.count.into());
        self.fleet.complete(Order::Goodbye, |totals| bar.set_position(totals.closed))?;
        bar.finish_and_clear();
        self.report.exit_code = self.nodes.wait()?;
        self.report.drain_seconds = begin.elapsed().as_secs_f64();
        Ok(())
    }

    fn memory(&mut self) -> anyhow::Result<Memory> {
        let memory = Memory {
            server_rss_bytes: self
                .pids
                .iter()
                .map(|pid| process::rss_bytes(*pid))
                .sum::<anyhow::Result<_>>()?,
            own_rss_bytes: self.fleet.rss_bytes(),
            kernel_bytes: Slabs::read().map(|slabs| slabs.bytes()),
            machine_bytes: used_bytes(),
        };
        self.report.peak(memory.machine_bytes);
        Ok(memory)
    }
}

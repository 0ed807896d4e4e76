//! The processes that hold connections, as one: orders to all of them, totals of all of them.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use super::protocol::{Order, Report, Totals};
use super::speech::SpeechArguments;
use crate::arguments::{PaceArguments, TargetArguments};
use crate::interrupt;
use crate::socket::connections_max;

/// Which connections a fleet holds, and how.
pub(crate) struct Plan<'a> {
    pub(crate) target: &'a TargetArguments,
    /// URLs of more servers: processes take turns, each has all its connections at one server.
    pub(crate) others: &'a [String],
    pub(crate) pace: &'a PaceArguments,
    /// Index of the first connection: fleets with disjoint indices share no source address until one is full.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// At least this many processes.
    pub(crate) processes_min: u32,
    /// Scheduling priority, 0 to 19.
    pub(crate) nice: i32,
    /// They are clients of a hub, and sign their tokens with the access key in this file.
    pub(crate) access_key_file: Option<&'a Path>,
}

/// Processes that hold connections. They end when this is dropped.
pub(crate) struct Fleet {
    members: Vec<Member>,
    news: Receiver<(usize, Option<Report>)>,
    orders: u32,
    count: u32,
    speech: SpeechArguments,
}

struct Member {
    process: Child,
    orders: Option<ChildStdin>,
    last: Report,
    /// What it has said after it was told to hear.
    delays: Vec<(u64, u64)>,
}

impl Fleet {
    /// Starts the processes; they wait for orders.
    pub(crate) fn start(plan: &Plan<'_>) -> anyhow::Result<Self> {
        Self::start_speaking(plan, &SpeechArguments::default())
    }

    /// The same for connections of clients that speak a protocol.
    pub(crate) fn start_speaking(plan: &Plan<'_>, speech: &SpeechArguments) -> anyhow::Result<Self> {
        let (sender, news) = channel();
        let servers = plan.servers();
        let shares =
            shares(plan.count, plan.pace.per_process.min(connections_max()), plan.processes_min, servers);
        let in_flight = (plan.pace.in_flight / u32::try_from(shares.len())?).max(1);
        let mut fleet =
            Self { members: Vec::new(), news, orders: 0, count: plan.count, speech: speech.clone() };
        let mut first = plan.first;
        for (index, &count) in shares.iter().enumerate() {
            let url = plan.url(index);
            let command = Member::command(plan, url, speech, (first, count), in_flight)?;
            fleet.members.push(Member::start(command, index, sender.clone())?);
            first += count;
        }
        Ok(fleet)
    }

    /// Processes in the fleet.
    pub(crate) fn processes(&self) -> usize {
        self.members.len()
    }

    /// Connections of the fleet.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What its clients speak.
    pub(crate) fn speech(&self) -> &SpeechArguments {
        &self.speech
    }

    /// Gives an order to all processes at once.
    pub(crate) fn order(&mut self, order: Order) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        self.orders += 1;
        for member in &mut self.members {
            let pipe = member.orders.as_mut().context("a process that has been killed")?;
            pipe.write_all(&line).context("a process that holds connections has ended")?;
            if matches!(order, Order::Expect { .. }) {
                member.delays.clear();
            }
        }
        Ok(())
    }

    /// Waits until all processes have carried out the last order; `tell` hears the totals as they come.
    pub(crate) fn wait(&mut self, mut tell: impl FnMut(&Totals)) -> anyhow::Result<Totals> {
        while self.members.iter().any(|member| member.last.orders_done < self.orders) {
            self.hear(Duration::from_millis(100))?;
            tell(&self.totals());
        }
        Ok(self.totals())
    }

    /// Gives an order and waits until it has been carried out.
    pub(crate) fn complete(&mut self, order: Order, tell: impl FnMut(&Totals)) -> anyhow::Result<Totals> {
        self.order(order)?;
        self.wait(tell)
    }

    /// Takes in what the processes have said, waiting for it as long as `patience` says.
    pub(crate) fn hear(&mut self, patience: Duration) -> anyhow::Result<()> {
        let mut patience = patience;
        loop {
            interrupt::check()?;
            match self.news.recv_timeout(patience) {
                Ok((index, Some(report))) => self.members[index].take_in(report),
                Ok((_, None)) => bail!("a process that holds connections has ended"),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("all processes that hold connections have ended")
                }
            }
            patience = Duration::ZERO;
        }
    }

    /// What became of the connections of all processes.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for member in &self.members {
            totals.add(&member.last.totals);
        }
        totals
    }

    /// Resident memory of all processes, bytes.
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.last.rss_bytes).sum()
    }

    /// When the last message to all came, over all connections: microseconds, and on how many.
    pub(crate) fn delays(&self) -> impl Iterator<Item = (u64, u64)> {
        self.members.iter().flat_map(|member| member.delays.iter().copied())
    }

    /// Kills every process: the kernel closes what they hold.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            member.orders = None;
            member.process.kill()?;
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // A process ends by itself when its orders end; one that is stuck is killed.
            member.orders = None;
            if member.process.kill().is_ok() {
                let _ = member.process.wait();
            }
        }
    }
}

impl Member {
    fn command(
        plan: &Plan<'_>,
        url: &str,
        speech: &SpeechArguments,
        (first, count): (u32, u32),
        in_flight: u32,
    ) -> anyhow::Result<Command> {
        let target = plan.target;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child").args(["--url", url]);
        command.args(["--per-address", &target.per_address.to_string()]);
        command.args(["--stall", &humantime::format_duration(target.stall).to_string()]);
        command.args(["--first", &first.to_string(), "--count", &count.to_string()]);
        command.args(["--in-flight", &in_flight.to_string(), "--nice", &plan.nice.to_string()]);
        if target.raw {
            command.arg("--raw");
        }
        if target.deflate {
            command.arg("--deflate");
        }
        if let Some(path) = plan.access_key_file {
            command.arg("--access-key-file").arg(path);
        }
        if let Some(protocol) = &target.protocol {
            command.args(["--protocol", protocol]);
        }
        command.args(speech.to_arguments());
        // A group of its own: Ctrl-C reaches only the parent, which ends its processes itself.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }

    fn start(
        mut command: Command,
        index: usize,
        sender: Sender<(usize, Option<Report>)>,
    ) -> anyhow::Result<Self> {
        let mut process = command.spawn().context("starting a process that holds connections")?;
        let output = process.stdout.take().context("no pipe")?;
        let orders = process.stdin.take();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Some(report) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                if sender.send((index, Some(report))).is_err() {
                    return;
                }
            }
            let _ = sender.send((index, None));
        });
        let last = Report { totals: Totals::default(), orders_done: 0, rss_bytes: 0, delays: Vec::new() };
        Ok(Self { process, orders, last, delays: Vec::new() })
    }

    fn take_in(&mut self, mut report: Report) {
        if !report.delays.is_empty() {
            self.delays = std::mem::take(&mut report.delays);
        }
        self.last = report;
    }
}

impl Plan<'_> {
    fn servers(&self) -> u32 {
        u32::try_from(self.others.len() + 1).unwrap_or(u32::MAX)
    }

    /// The server of a process.
    fn url(&self, process: usize) -> &str {
        let turn = process % (self.others.len() + 1);
        turn.checked_sub(1).map_or(&self.target.url, |other| &self.others[other])
    }

    /// How many connections each server gets.
    pub(crate) fn counts(&self) -> Vec<u32> {
        let share_max = self.pace.per_process.min(connections_max());
        let mut counts = vec![0; self.others.len() + 1];
        let shares = shares(self.count, share_max, self.processes_min, self.servers());
        for (process, share) in shares.into_iter().enumerate() {
            counts[process % (self.others.len() + 1)] += share;
        }
        counts
    }
}

/// Connections of each process: equal shares, no larger than `share_max`; as many processes for each server.
fn shares(count: u32, share_max: u32, processes_min: u32, servers: u32) -> Vec<u32> {
    let processes =
        count.div_ceil(share_max).max(processes_min).next_multiple_of(servers).clamp(1, count.max(1));
    (0..processes).map(|index| count / processes + u32::from(index < count % processes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_equal_and_fit() {
        assert_eq!(shares(10, 4, 1, 1), [4, 3, 3]);
        assert_eq!(shares(18_000, 18_000, 1, 1), [18_000]);
        assert_eq!(shares(10, 100, 2, 1), [5, 5]);
        assert_eq!(shares(1, 100, 2, 1), [1]);
        let million = shares(1_000_000, 18_000, 1, 1);
        assert_eq!(million.len(), 56);
        assert_eq!(million.iter().sum::<u32>(), 1_000_000);
    }

    #[test]
    fn servers_have_as_many_connections_each() {
        assert_eq!(shares(10, 4, 1, 2), [3, 3, 2, 2]);
        let target = TargetArguments::to("ws://127.0.0.1:1/");
        let others = ["ws://127.0.0.1:2/".to_owned(), "ws://127.0.0.1:3/".to_owned()];
        let pace = PaceArguments { in_flight: 1, per_process: 18_000 };
        let plan = Plan {
            target: &target,
            others: &others,
            pace: &pace,
            first: 0,
            count: 1_000_000,
            processes_min: 1,
            nice: 0,
            access_key_file: None,
        };
        let counts = plan.counts();
        assert_eq!(counts.iter().sum::<u32>(), 1_000_000);
        assert!(counts.iter().all(|count| count.abs_diff(333_333) < 20), "{counts:?}");
        let urls: Vec<_> = (0..4).map(|process| plan.url(process)).collect();
        assert_eq!(urls, [&target.url, &others[0], &others[1], &target.url]);
    }
}

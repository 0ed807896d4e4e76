//! The hidden subcommand `child`: a process that holds a share of the connections.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::setpriority_process;

use super::arguments::ChildArguments;
use super::holder::Holder;
use super::protocol::{Order, Report};
use crate::hub::Clients;
use crate::measure::process::rss_bytes;
use crate::target::Target;

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Follows orders from standard input until it ends.
pub(crate) fn run(arguments: &ChildArguments) -> anyhow::Result<()> {
    if arguments.nice > 0 {
        setpriority_process(None, arguments.nice).context("nice")?;
    }
    let mut target = Target::new(&arguments.target)?;
    if let Some(path) = &arguments.access_key_file {
        target.clients = Some(Clients::new(path, &target.authority)?);
    }
    let holder =
        Holder::new(&target, arguments.first, arguments.count, arguments.in_flight, arguments.target.stall)?;
    let holder = holder.speaking(&arguments.speech);
    holder.watch_other(io::stdin())?;
    let child = Child { holder, input: Vec::new(), orders_done: 0, reported: Instant::now() };
    child.run()
}

struct Child {
    holder: Holder,
    /// Bytes of a line that is not whole yet.
    input: Vec<u8>,
    orders_done: u32,
    reported: Instant,
}

impl Child {
    fn run(mut self) -> anyhow::Result<()> {
        let mut told = self.holder.totals().clone();
        loop {
            let changed = *self.holder.totals() != told;
            let timeout = (self.holder.is_busy() || changed).then_some(REPORT_EVERY);
            let was_busy = self.holder.is_busy();
            if self.holder.turn(timeout)? && !self.read_orders()? {
                return Ok(());
            }
            let done = was_busy && !self.holder.is_busy();
            self.orders_done += u32::from(done);
            if done || (changed && self.reported.elapsed() >= REPORT_EVERY) {
                told = self.holder.totals().clone();
                self.report(done)?;
            }
        }
    }

    /// False at the end of the input.
    fn read_orders(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 1024];
        let count = rustix::io::read(io::stdin(), &mut buffer)?;
        self.input.extend_from_slice(&buffer[..count]);
        while let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let order: Order = serde_json::from_slice(&line).context("an order that is none")?;
            self.holder.begin(order);
            if !self.holder.is_busy() {
                self.orders_done += 1;
                self.report(true)?;
            }
        }
        Ok(count > 0)
    }

    /// `done` when an order has been carried out.
    fn report(&mut self, done: bool) -> anyhow::Result<()> {
        self.reported = Instant::now();
        let report = Report {
            totals: self.holder.totals().clone(),
            orders_done: self.orders_done,
            rss_bytes: rss_bytes(std::process::id())?,
            delays: if done { self.holder.delays() } else { Vec::new() },
        };
        let mut line = serde_json::to_vec(&report)?;
        line.push(b'\n');
        let mut output = io::stdout().lock();
        output.write_all(&line)?;
        Ok(output.flush()?)
    }
}

//! `hold`: opens connections, keeps them, closes them, and says what each costs in memory.

mod arguments;
mod awaited;
mod baseline;
pub(crate) mod child;
mod connection;
pub(crate) mod fleet;
pub(crate) mod hearing;
pub(crate) mod holder;
pub(crate) mod protocol;
pub(crate) mod speech;
mod summary;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub(crate) use arguments::{ChildArguments, HoldArguments};
pub(crate) use summary::{Footprint, Growth};

use crate::measure::machine::Setting;
use crate::measure::metrics::wait_for_connections;
use crate::report::{progress, write_json};
use crate::target::Target;
use baseline::Baseline;
use fleet::{Fleet, Plan};
use protocol::{Order, Totals};
use summary::{HoldReport, Phase, Round};

/// How long the kernel may take until its counts are steady.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(15);
/// How long the server's gauge may lag.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(10);

/// Carries out `hold`.
///
/// # Errors
///
/// When any connection failed, was lost, answered wrongly or did not close as it should; the report comes first.
pub(crate) fn run(arguments: &HoldArguments) -> anyhow::Result<()> {
    let baseline = arguments.baseline.as_deref().map(Baseline::read).transpose()?;
    // Refuses a wrong address before any process is started.
    Target::new(&arguments.target)?;
    let plan = Plan {
        target: &arguments.target,
        others: &[],
        pace: &arguments.pace,
        first: 0,
        count: arguments.count,
        processes_min: 1,
        nice: 0,
        access_key_file: None,
    };
    let mut fleet = Fleet::start(&plan)?;
    let mut report = HoldReport {
        setting: Setting::now(),
        url: arguments.target.url.clone(),
        count: arguments.count,
        processes: fleet.processes(),
        rounds: Vec::new(),
        beyond_bytes: None,
        totals: Totals::default(),
    };
    println!("{}", report.setting);
    println!("hold: {} connections to {}, {} processes", report.count, report.url, report.processes);
    for number in 1..=arguments.rounds {
        let mut round = Run { arguments, fleet: &mut fleet }.round()?;
        round
            .since(&report.rounds.first().map_or_else(|| round.before.clone(), |first| first.before.clone()));
        if arguments.rounds > 1 {
            println!("\nround {number} of {}", arguments.rounds);
        }
        print!("{round}");
        report.rounds.push(round);
    }
    report.totals = fleet.totals();
    if let Some((text, bytes)) = baseline.and_then(|baseline| baseline.beyond(&report.rounds)) {
        print!("\n{text}");
        report.beyond_bytes = Some(bytes);
    }
    report.print_end();
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    verdict(&report, arguments)
}

fn verdict(report: &HoldReport, arguments: &HoldArguments) -> anyhow::Result<()> {
    let totals = &report.totals;
    let rounds = report.rounds.len() as u64;
    let expected = u64::from(report.count) * rounds;
    let questions = u64::from(arguments.ping_each) + u64::from(arguments.message_each);
    let all = totals.opened == expected && totals.closed == expected;
    if !totals.is_flawless() || !all || totals.answered != expected * questions {
        bail!("not every connection was opened, held, answered and closed as it should be");
    }
    Ok(())
}

struct Run<'a> {
    arguments: &'a HoldArguments,
    fleet: &'a mut Fleet,
}

impl Run<'_> {
    fn round(&mut self) -> anyhow::Result<Round> {
        let before = self.footprint()?;
        let opened = self.phase("opening", Order::Open)?;
        self.check_gauge(self.arguments.count)?;
        let at_once = self.footprint()?;
        let mut asked = Vec::new();
        if self.arguments.ping_each {
            asked.push(self.phase("ping", Order::Ping)?);
        }
        if self.arguments.message_each {
            asked.push(self.phase("message", Order::Message)?);
        }
        self.hold()?;
        let held = self.footprint()?;
        let client_rss_bytes = self.fleet.rss_bytes();
        let closed = self.phase("closing", Order::Close)?;
        self.check_gauge(0)?;
        let after = self.footprint()?;
        Ok(Round {
            opened,
            asked,
            closed,
            before,
            at_once,
            held,
            after,
            client_rss_bytes,
            server_growth: None,
            kernel_growth: None,
        })
    }

    fn phase(&mut self, name: &'static str, order: Order) -> anyhow::Result<Phase> {
        let count = self.fleet.count();
        let bar = progress(name, count.into());
        let start = Instant::now();
        let done = |totals: &Totals| match order {
            Order::Open => totals.opened + totals.failed,
            Order::Expect { .. } | Order::Hear => totals.heard,
            Order::Part | Order::Goodbye => totals.closed + totals.lost,
            Order::Ping | Order::Message | Order::Talk { .. } => totals.answered + totals.wrong,
            Order::Close | Order::Arm | Order::Reset | Order::Error => totals.closed + totals.unclean,
        };
        let already = done(&self.fleet.totals());
        self.fleet.complete(order, |totals| bar.set_position(done(totals) - already))?;
        bar.finish_and_clear();
        Ok(Phase { name: name.to_owned(), count, seconds: start.elapsed().as_secs_f64() })
    }

    fn hold(&mut self) -> anyhow::Result<()> {
        let bar = progress("holding", self.arguments.duration.as_secs());
        let start = Instant::now();
        while let Some(left) = self.arguments.duration.checked_sub(start.elapsed()) {
            self.fleet.hear(left.min(Duration::from_millis(200)))?;
            bar.set_position(start.elapsed().as_secs());
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn footprint(&self) -> anyhow::Result<Footprint> {
        self.arguments.pid.map_or_else(|| Ok(Footprint::default()), |pid| Footprint::take(pid, SETTLE_MAX))
    }

    /// The gauge counts all connections of the server, so this holds only while nobody else has one there.
    fn check_gauge(&self, expected: u32) -> anyhow::Result<()> {
        let Some(admin) = &self.arguments.admin else { return Ok(()) };
        wait_for_connections(admin, expected, GAUGE_LAG_MAX).context("the server's own count differs")?;
        Ok(())
    }
}

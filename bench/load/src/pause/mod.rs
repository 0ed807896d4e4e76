//! `pause`: how long honest connections wait while thousands of others are killed at once.
//!
//! Honest traffic runs in this process; silent connections are held by others, at the lowest priority, so that the
//! work of killing does not take the CPU from those whose waits are measured. Each round has a control run without
//! a kill and a run with one, both with all connections open.

mod arguments;

use std::fmt::{self, Display};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

pub(crate) use arguments::PauseArguments;

use crate::arguments::TargetArguments;
use crate::echo;
use crate::echo::engine::{Engine, Until, Window};
use crate::echo::message::Messages;
use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::Order;
use crate::measure::machine::Setting;
use crate::measure::metrics::wait_for_connections;
use crate::measure::process;
use crate::payload::Kind;
use crate::report::write_json;
use crate::statistics::{Summary, median};
use crate::target::Target;
use arguments::Kill;

/// How long the server may take until its gauge of connections is right.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(60);
/// Lowest priority.
const NICE: i32 = 19;

/// Carries out `pause`.
///
/// # Errors
///
/// When an honest or a surviving connection is lost, a reply is wrong, or the server's gauge does not fall.
pub(crate) fn run(arguments: &PauseArguments) -> anyhow::Result<()> {
    let setting = Setting::now();
    println!("{setting}");
    let survivors = arguments
        .count
        .checked_sub(arguments.honest + arguments.victims)
        .context("--count is less than --honest and --victims together")?;
    println!(
        "pause: {} connections to {}: {} with {:.0} messages/s in all, {survivors} silent, {} to kill ({})",
        arguments.count,
        arguments.target.url,
        arguments.honest,
        arguments.rate,
        arguments.victims,
        arguments.kill.name(),
    );
    if let Some(priority) = arguments.priority {
        process::prioritise(priority, arguments.pid)?;
    }
    let scene = Scene { arguments, target: Target::new(&arguments.target)?, survivors };
    let rounds = scene.rounds()?;
    let report = PauseReport::new(setting, arguments, rounds);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(())
}

struct Scene<'a> {
    arguments: &'a PauseArguments,
    target: Target,
    /// Silent connections that stay.
    survivors: u32,
}

impl Scene<'_> {
    fn rounds(&self) -> anyhow::Result<Vec<Round>> {
        let mut survivors = self.fleet(&self.arguments.target, self.arguments.honest, self.survivors, 1)?;
        let mut honest = echo::open(&self.target, 0, self.arguments.honest, self.arguments.target.stall)?;
        let mut rounds = Vec::new();
        for number in 1..=self.arguments.rounds {
            let (round, descriptors) = self.round(honest).with_context(|| format!("round {number}"))?;
            println!("round {number:<3} {round}");
            rounds.push(round);
            honest = descriptors;
        }
        survivors.hear(Duration::from_millis(500))?;
        let totals = survivors.totals();
        ensure!(totals.lost == 0, "{} survivors were lost: {:?}", totals.lost, totals.reasons);
        echo::close(&self.target, honest, self.arguments.target.stall)?;
        Ok(rounds)
    }

    fn fleet(
        &self,
        target: &TargetArguments,
        first: u32,
        count: u32,
        processes_min: u32,
    ) -> anyhow::Result<Fleet> {
        let plan = Plan {
            target,
            others: &[],
            pace: &self.arguments.pace,
            first,
            count,
            processes_min,
            nice: NICE,
            access_key_file: None,
        };
        let mut fleet = Fleet::start(&plan)?;
        let totals = fleet.complete(Order::Open, |_| {})?;
        if totals.opened != u64::from(count) {
            bail!("opened {} of {count} silent connections: {:?}", totals.opened, totals.reasons);
        }
        Ok(fleet)
    }

    fn round(&self, honest: Vec<OwnedFd>) -> anyhow::Result<(Round, Vec<OwnedFd>)> {
        let arguments = self.arguments;
        let first = arguments.honest + self.survivors;
        let mut elsewhere = arguments.target.clone();
        elsewhere.url = arguments.victims_url.clone().unwrap_or(elsewhere.url);
        let mut victims = self.fleet(&elsewhere, first, arguments.victims, arguments.killers)?;
        if arguments.kill == Kill::Reset {
            victims.complete(Order::Arm, |_| {})?;
        }
        let here = if arguments.victims_url.is_none() { arguments.victims } else { 0 };
        let survivors = arguments.count - arguments.victims;
        self.check_gauge(survivors + here)?;
        let messages = Messages { size: arguments.size, kind: Kind::Binary, raw: self.target.raw };
        let stall = arguments.target.stall;
        let mut engine = Engine::new(honest, arguments.active, messages, Some(arguments.rate), stall)?;
        let part = arguments.duration / 5;
        engine.run(Until::Elapsed(part)).context("while warming up")?;
        let control = engine.run(Until::Elapsed(arguments.duration)).context("before the kill")?;
        let mut kill = engine.run(Until::Elapsed(part))?;
        strike(&mut victims, arguments)?;
        kill.append(&engine.run(Until::Elapsed(arguments.duration - part)).context("after the kill")?);
        let honest = engine.drain()?;
        let left = if arguments.kill == Kill::None { here } else { 0 };
        let lag = self.check_gauge(survivors + left)?;
        // The victims of a control run go now, and are gone before the next round.
        drop(victims);
        self.check_gauge(survivors)?;
        Ok((Round::new(&control, &kill, lag), honest))
    }

    fn check_gauge(&self, expected: u32) -> anyhow::Result<Option<f64>> {
        let Some(admin) = &self.arguments.admin else { return Ok(None) };
        Ok(Some(wait_for_connections(admin, expected, GAUGE_LAG_MAX)?.as_secs_f64()))
    }
}

fn strike(victims: &mut Fleet, arguments: &PauseArguments) -> anyhow::Result<()> {
    match arguments.kill {
        Kill::None => Ok(()),
        Kill::Reset => victims.order(Order::Reset),
        Kill::Fin => victims.kill(),
        Kill::Error => victims.order(Order::Error),
        Kill::Gateway => signal(arguments.pid),
    }
}

/// Asks the server to close the connections that opened last.
fn signal(pid: Option<u32>) -> anyhow::Result<()> {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.context("--kill gateway needs --pid, of the example close_on_signal")?;
    kill_process(pid, Signal::USR1).context("SIGUSR1 to the server")
}

impl Kill {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Reset => "reset",
            Self::Fin => "fin",
            Self::Error => "error",
            Self::Gateway => "gateway",
        }
    }
}

/// A control run and a kill run, milliseconds.
#[derive(Debug, Serialize)]
struct Round {
    control_wait_ms: f64,
    control_gap_ms: f64,
    control_messages: u64,
    kill_wait_ms: f64,
    kill_gap_ms: f64,
    kill_messages: u64,
    ratio: f64,
    /// After the kill run, until the server's gauge was right; seconds.
    gauge_lag_seconds: Option<f64>,
}

impl Round {
    fn new(control: &Window, kill: &Window, gauge_lag_seconds: Option<f64>) -> Self {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let (control_wait_ms, kill_wait_ms) =
            (milliseconds(control.longest_wait()), milliseconds(kill.longest_wait()));
        Self {
            control_wait_ms,
            control_gap_ms: milliseconds(control.longest_gap),
            control_messages: control.replies,
            kill_wait_ms,
            kill_gap_ms: milliseconds(kill.longest_gap),
            kill_messages: kill.replies,
            ratio: kill_wait_ms / control_wait_ms,
            gauge_lag_seconds,
        }
    }
}

impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { control_wait_ms, kill_wait_ms, ratio, control_messages, kill_messages, .. } = self;
        write!(
            f,
            "longest wait: control {control_wait_ms:.2} ms of {control_messages} messages, \
             kill {kill_wait_ms:.2} ms of {kill_messages}, ratio {ratio:.2}"
        )
    }
}

#[derive(Debug, Serialize)]
struct PauseReport {
    setting: Setting,
    count: u32,
    honest: u32,
    victims: u32,
    kill: &'static str,
    rate: f64,
    control_wait_ms: Summary,
    kill_wait_ms: Summary,
    ratio: Summary,
    /// Median wait of the kill runs over that of the control runs.
    ratio_of_medians: f64,
    rounds: Vec<Round>,
}

impl PauseReport {
    fn new(setting: Setting, arguments: &PauseArguments, rounds: Vec<Round>) -> Self {
        let all = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
        let (control, kill) = (all(|round| round.control_wait_ms), all(|round| round.kill_wait_ms));
        Self {
            setting,
            count: arguments.count,
            honest: arguments.honest,
            victims: arguments.victims,
            kill: arguments.kill.name(),
            rate: arguments.rate,
            control_wait_ms: Summary::new(&control),
            kill_wait_ms: Summary::new(&kill),
            ratio: Summary::new(&all(|round| round.ratio)),
            ratio_of_medians: median(&kill) / median(&control),
            rounds,
        }
    }
}

impl Display for PauseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "longest wait for a reply, medians of {} rounds [min to max]", self.rounds.len())?;
        for (name, summary) in [("control", self.control_wait_ms), ("kill", self.kill_wait_ms)] {
            let Summary { median, min, max, .. } = summary;
            writeln!(f, "  {name:<10} {median:.2} ms [{min:.2} to {max:.2}]")?;
        }
        let Summary { median, min, max, .. } = self.ratio;
        writeln!(
            f,
            "  ratio      {median:.2} [{min:.2} to {max:.2}], of the medians {:.2}",
            self.ratio_of_medians
        )?;
        let lags: Vec<f64> = self.rounds.iter().filter_map(|round| round.gauge_lag_seconds).collect();
        if !lags.is_empty() {
            let lag = lags.iter().copied().fold(0.0, f64::max);
            writeln!(f, "the server's gauge was right {lag:.1} s after a kill run at the latest")?;
        }
        Ok(())
    }
}

//! `fan-out`: one message to all connections: when the last one has it, and what each delivery costs the server.

mod arguments;
pub(crate) mod broadcast;
mod sender;

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

pub(crate) use arguments::FanOutArguments;

use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::{Meant, Order, Totals};
use crate::measure::machine::Setting;
use crate::measure::metrics::wait_for_connections;
use crate::report::{progress, write_json};
use crate::statistics::median;
use crate::target::Target;
use broadcast::{Delivery, Message, Sender};

/// How long the server's gauge may lag.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(30);

/// The whole run.
#[derive(Debug, Serialize)]
struct FanOutReport {
    setting: Setting,
    url: String,
    count: u32,
    processes: usize,
    bytes: u32,
    rounds: Vec<Delivery>,
    totals: Totals,
}

/// Carries out `fan-out`.
///
/// # Errors
///
/// When a message did not come to every connection once and as it was sent, or a connection was lost.
pub(crate) fn run(arguments: &FanOutArguments) -> anyhow::Result<()> {
    Target::new(&arguments.target)?;
    let sender = Sender::of(arguments)?;
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
    let mut fleet = Fleet::start_speaking(&plan, &arguments.speech)?;
    let setting = Setting::now();
    println!("{setting}");
    println!(
        "fan-out: {} bytes to {} connections at {}, {} processes",
        arguments.size,
        arguments.count,
        arguments.target.url,
        fleet.processes()
    );
    let bar = progress("opening", arguments.count.into());
    fleet.complete(Order::Open, |totals| bar.set_position(totals.opened))?;
    bar.finish_and_clear();
    if let Some(admin) = &arguments.admin {
        wait_for_connections(admin, arguments.count, GAUGE_LAG_MAX)
            .context("the server's own count differs")?;
    }
    thread::sleep(arguments.settle);
    let mut rounds = Vec::new();
    for round in 1..=arguments.rounds {
        let number = u8::try_from(1 + (round - 1) % 255)?;
        let message = Message { number, len: arguments.size, to: Meant::ALL };
        let delivery = broadcast::deliver(&mut fleet, &sender, arguments.pid.as_slice(), message, None)?;
        println!("round {round}: {delivery}");
        rounds.push(delivery);
    }
    // The floor never closes, and a gateway answers as ever.
    let totals = fleet.complete(Order::Close, |_| {})?;
    let report = FanOutReport {
        setting,
        url: arguments.target.url.clone(),
        count: arguments.count,
        processes: fleet.processes(),
        bytes: arguments.size,
        rounds,
        totals,
    };
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    report.verdict()
}

impl FanOutReport {
    fn verdict(&self) -> anyhow::Result<()> {
        let wanted = u64::from(self.count) * self.rounds.len() as u64;
        let Totals { opened, heard, closed, reasons, .. } = &self.totals;
        let all = (*opened, *closed, *heard) == (self.count.into(), self.count.into(), wanted);
        if !self.totals.is_flawless() || !all {
            bail!(
                "heard {heard} of {wanted}, opened {opened}, closed {closed} of {}: {reasons:?}",
                self.count
            );
        }
        Ok(())
    }
}

impl fmt::Display for FanOutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |value: fn(&Delivery) -> Option<f64>| {
            median(&self.rounds.iter().filter_map(value).collect::<Vec<_>>())
        };
        let (last, cpu) = (of(|it| Some(it.last_seconds)), of(|it| it.cpu_nanoseconds_each));
        write!(f, "medians of {} rounds: last after {last:.3} s", self.rounds.len())?;
        if cpu.is_finite() {
            write!(f, ", {:.2} us of CPU for each delivery", cpu / 1000.0)?;
        }
        writeln!(f, "; every delivery byte for byte, once")
    }
}

//! `grow`: opens more and more connections against one server, and says what it and the kernel have grown by at each
//! step. The slope over the steps is what a connection costs, without what is fixed.

mod arguments;

use std::fmt::{self, Display};
use std::fs;

use anyhow::{Context, bail, ensure};
use serde::Serialize;

pub(crate) use arguments::GrowArguments;

use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::{Order, Totals};
use crate::hold::{Footprint, Growth, SETTLE_MAX};
use crate::measure::machine::Setting;
use crate::measure::slabs::Slabs;
use crate::report::{growth, per, progress, write_json};

#[derive(Debug, Serialize)]
struct GrowReport {
    setting: Setting,
    url: String,
    raw: bool,
    steps: Vec<Step>,
}

/// Growth from before the first connection to this many.
#[derive(Debug, Serialize)]
struct Step {
    count: u32,
    server_growth: Growth,
    /// Both ends of every connection; root only.
    kernel_growth: Option<Slabs>,
    /// Memory of all TCP sockets' buffers on the machine.
    socket_buffer_bytes: i64,
}

/// Carries out `grow`.
///
/// # Errors
///
/// When a connection failed, was lost, or did not close as it should.
pub(crate) fn run(arguments: &GrowArguments) -> anyhow::Result<()> {
    let steps = &arguments.steps;
    ensure!(steps.is_sorted_by(|one, next| one < next), "--steps must grow");
    ensure!(steps.first().is_some_and(|&first| first > 0), "--steps must begin with some connections");
    let before = Footprint::take(arguments.pid, SETTLE_MAX)?;
    let buffers_before = socket_buffer_bytes()?;
    let (raw, url) = (arguments.target.raw, arguments.target.url.clone());
    let mut report = GrowReport { setting: Setting::now(), url, raw, steps: Vec::new() };
    println!("{}", report.setting);
    let mut fleets = Vec::new();
    let mut held = 0;
    for &count in steps {
        fleets.push(open(arguments, held, count - held)?);
        held = count;
        let now = Footprint::take(arguments.pid, SETTLE_MAX)?;
        let (server_growth, kernel_growth) = now.since(&before);
        report.steps.push(Step {
            count,
            server_growth: server_growth.context("no memory of the server")?,
            kernel_growth,
            socket_buffer_bytes: growth(socket_buffer_bytes()?, buffers_before),
        });
    }
    for fleet in &mut fleets {
        let totals = fleet.complete(Order::Close, |_| {})?;
        check(&totals, totals.closed == u64::from(fleet.count()))?;
    }
    print!("{report}");
    arguments.json.as_deref().map_or(Ok(()), |path| write_json(path, &report))
}

/// Processes that hold `count` more connections, all of them open.
fn open(arguments: &GrowArguments, first: u32, count: u32) -> anyhow::Result<Fleet> {
    let plan = Plan {
        target: &arguments.target,
        others: &[],
        pace: &arguments.pace,
        first,
        count,
        processes_min: 1,
        nice: 0,
        access_key_file: None,
    };
    let mut fleet = Fleet::start(&plan)?;
    let bar = progress("opening", count.into());
    let totals = fleet.complete(Order::Open, |totals| bar.set_position(totals.opened))?;
    bar.finish_and_clear();
    check(&totals, totals.opened == u64::from(count))?;
    Ok(fleet)
}

fn check(totals: &Totals, all: bool) -> anyhow::Result<()> {
    if !all || !totals.is_flawless() {
        let Totals { opened, closed, failed, lost, reasons, .. } = totals;
        bail!("opened {opened}, failed {failed}, lost {lost}, closed {closed}: {reasons:?}");
    }
    Ok(())
}

/// Memory that the buffers of all TCP sockets take now (`mem` of /proc/net/sockstat, pages).
fn socket_buffer_bytes() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").context("reading /proc/net/sockstat")?;
    let pages = sockstat_pages(&text).context("/proc/net/sockstat without TCP memory")?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn sockstat_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_once(" mem ")?.1.split_whitespace().next()?.parse().ok()
}

impl Display for GrowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "bytes per connection {:>10} {:>10} {:>14}", "RSS", "PSS", "kernel, both")?;
        for step in &self.steps {
            let each = |bytes| per(bytes, step.count.into());
            let Growth { rss_bytes, pss_bytes, .. } = step.server_growth;
            let kernel = step
                .kernel_growth
                .as_ref()
                .map_or("-".to_owned(), |slabs| format!("{:.1}", each(slabs.bytes())));
            writeln!(
                f,
                "{:>20} {:>10.1} {:>10.1} {kernel:>14}",
                step.count,
                each(rss_bytes),
                each(pss_bytes)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_tcp_is_found_among_that_of_others() {
        let text = "sockets: used 42\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 241\nUDP: inuse 0 mem 7\n";
        assert_eq!(sockstat_pages(text), Some(241));
        assert_eq!(sockstat_pages("UDP: inuse 0 mem 7\n"), None);
    }
}

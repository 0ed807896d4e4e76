//! What `hold` reports, for people and as JSON.

use std::fmt::{self, Display};

use serde::Serialize;

use super::protocol::Totals;
use crate::measure::machine::Setting;
use crate::measure::process::Memory;
use crate::measure::slabs::Slabs;
use crate::report::{bytes, growth, per};

/// Objects per connection below this are left out of the table: they belong to something else on the machine.
pub(super) const OBJECTS_MIN: f64 = 0.02;

/// The whole run.
#[derive(Debug, Serialize)]
pub(super) struct HoldReport {
    pub(super) setting: Setting,
    pub(super) url: String,
    pub(super) count: u32,
    pub(super) processes: usize,
    pub(super) rounds: Vec<Round>,
    /// Kernel memory per connection beyond the bare socket (with --baseline), bytes, median of the rounds.
    pub(super) beyond_bytes: Option<f64>,
    pub(super) totals: Totals,
}

/// One order carried out by all connections.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) seconds: f64,
}

/// Memory at one moment: of the server (with --pid), of the kernel (as root).
#[derive(Debug, Serialize)]
pub(super) struct Footprint {
    pub(super) memory: Option<Memory>,
    pub(super) slabs: Option<Slabs>,
}

/// Open, hold, close.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) opened: Phase,
    pub(super) asked: Vec<Phase>,
    pub(super) closed: Phase,
    pub(super) before: Footprint,
    /// All open, nothing said yet.
    pub(super) at_once: Footprint,
    /// At the end of the holding.
    pub(super) held: Footprint,
    pub(super) after: Footprint,
    /// Resident memory of the processes of this program that hold the connections, bytes.
    pub(super) client_rss_bytes: u64,
}

impl Round {
    /// What the kernel has more of while the connections are held; `None` where it does not say.
    pub(super) fn slab_growth(&self) -> Option<Slabs> {
        Some(self.held.slabs.as_ref()?.since(self.before.slabs.as_ref()?))
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(before) = self.before.memory else { return Ok(()) };
        writeln!(f, "server memory        {:>12} {:>12} {:>12}", "RSS", "PSS", "VmData")?;
        let rows = [
            ("before", &self.before),
            ("opened", &self.at_once),
            ("held", &self.held),
            ("closed", &self.after),
        ];
        for (name, footprint) in rows {
            let Some(memory) = footprint.memory else { continue };
            let of = |bytes_now: u64| bytes(growth(bytes_now, 0));
            let Memory { rss_bytes, pss_bytes, data_bytes } = memory;
            writeln!(f, "  {name:<18} {:>12} {:>12} {:>12}", of(rss_bytes), of(pss_bytes), of(data_bytes))?;
        }
        let Some(held) = self.held.memory else { return Ok(()) };
        let each = |after, before| per(growth(after, before), self.opened.count.into());
        writeln!(
            f,
            "  bytes/connection   {:>12.1} {:>12.1} {:>12.1}",
            each(held.rss_bytes, before.rss_bytes),
            each(held.pss_bytes, before.pss_bytes),
            each(held.data_bytes, before.data_bytes),
        )
    }

    fn write_slabs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(growth) = self.slab_growth() else {
            return writeln!(f, "kernel memory        unknown (/proc/slabinfo is for root)");
        };
        let count = self.opened.count.into();
        writeln!(f, "kernel memory, both ends   objects/connection  bytes/connection")?;
        for (name, cache) in &growth.0 {
            let objects = per(cache.objects, count);
            if objects.abs() >= OBJECTS_MIN {
                let bytes = per(cache.objects * cache.object_bytes, count);
                writeln!(f, "  {name:<24} {objects:>18.2} {bytes:>18.1}")?;
            }
        }
        writeln!(f, "  {:<24} {:>18} {:>18.1}", "all", "", per(growth.bytes(), count))
    }
}

impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in std::iter::once(&self.opened).chain(&self.asked).chain([&self.closed]) {
            let Phase { name, count, seconds } = phase;
            let rate = f64::from(*count) / seconds.max(1e-9);
            writeln!(f, "{name:<20} {count} in {seconds:.2} s, {rate:.0}/s")?;
        }
        self.write_memory(f)?;
        let client = growth(self.client_rss_bytes, 0);
        writeln!(f, "memory of this end   {}", bytes(client))?;
        self.write_slabs(f)
    }
}

impl HoldReport {
    pub(super) fn print_end(&self) {
        let Totals { opened, failed, lost, answered, wrong, closed, unclean, pongs, reasons } = &self.totals;
        println!("\nopened {opened}, failed {failed}, lost {lost}, closed {closed}, unclean {unclean}");
        println!("answered {answered}, wrong {wrong}; pings of the server answered {pongs}");
        for (reason, count) in reasons {
            println!("  {count} x {reason}");
        }
    }
}

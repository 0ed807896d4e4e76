//! What `million` reports, for people and as JSON, and the verdict.

use std::fmt;

use anyhow::bail;
use serde::Serialize;

use crate::fan_out::broadcast::Delivery;
use crate::hold::protocol::Totals;
use crate::measure::machine::{Setting, used_bytes};
use crate::measure::slabs::Slabs;
use crate::report::{bytes, growth, per};

/// Memory at one moment, bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Memory {
    /// Resident, of the gateway or of all of them.
    pub(super) server_rss_bytes: u64,
    /// Resident, of the processes that hold the other ends.
    pub(super) own_rss_bytes: u64,
    /// Of the kernel's slabs, both ends (as root).
    pub(super) kernel_bytes: Option<i64>,
    /// In use on the machine.
    pub(super) machine_bytes: u64,
}

impl Memory {
    /// Before anything was started.
    pub(super) fn of_the_machine() -> Self {
        Self {
            kernel_bytes: Slabs::read().map(|slabs| slabs.bytes()),
            machine_bytes: used_bytes(),
            ..Self::default()
        }
    }
}

/// A message to a group.
#[derive(Debug, Serialize)]
pub(super) struct GroupDelivery {
    pub(super) name: String,
    pub(super) members: u64,
    pub(super) delivery: Delivery,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(super) struct MillionReport {
    pub(super) setting: Setting,
    pub(super) count: u32,
    /// They are clients of a hub.
    pub(super) hub: bool,
    /// Gateways; more than one are a cluster.
    pub(super) nodes: u32,
    pub(super) processes: usize,
    pub(super) open_seconds: f64,
    pub(super) hold_seconds: f64,
    pub(super) drain_seconds: f64,
    /// How often the talkers have talked.
    pub(super) talked: u64,
    pub(super) broadcasts: Vec<Delivery>,
    pub(super) groups: Vec<GroupDelivery>,
    pub(super) memory_before: Memory,
    /// All open, nothing said yet.
    pub(super) memory_open: Memory,
    /// At the end of the holding.
    pub(super) memory_held: Memory,
    /// Most memory in use on the machine, seen about each second.
    pub(super) machine_bytes_peak: u64,
    pub(super) gigabytes_max: f64,
    /// Of the gateway, after its drain; of several, that of one that has not ended well.
    pub(super) exit_code: Option<i32>,
    pub(super) totals: Totals,
}

impl MillionReport {
    pub(super) fn new(setting: Setting, count: u32, gigabytes_max: f64) -> Self {
        Self {
            setting,
            count,
            hub: false,
            nodes: 1,
            processes: 0,
            open_seconds: 0.0,
            hold_seconds: 0.0,
            drain_seconds: 0.0,
            talked: 0,
            broadcasts: Vec::new(),
            groups: Vec::new(),
            memory_before: Memory::default(),
            memory_open: Memory::default(),
            memory_held: Memory::default(),
            machine_bytes_peak: 0,
            gigabytes_max,
            exit_code: None,
            totals: Totals::default(),
        }
    }

    pub(super) fn peak(&mut self, machine_bytes: u64) {
        self.machine_bytes_peak = self.machine_bytes_peak.max(machine_bytes);
    }

    /// What the machine used more at the peak than before: both ends, the kernel's part included. Other work on the
    /// machine counts too.
    fn used_bytes(&self) -> i64 {
        growth(self.machine_bytes_peak, self.memory_before.machine_bytes)
    }

    /// What is not as it should be.
    fn complaints(&self) -> Vec<String> {
        let Totals { opened, lost, wrong, missed, heard, answered, closed, .. } = &self.totals;
        let count = u64::from(self.count);
        let members: u64 = self.groups.iter().map(|group| group.members).sum();
        let wanted = count * self.broadcasts.len() as u64 + members;
        let mut complaints = Vec::new();
        let mut check = |good: bool, text: String| {
            if !good {
                complaints.push(text);
            }
        };
        check(*opened == count, format!("opened {opened} of {count}"));
        check(*lost == 0, format!("{lost} were lost"));
        check(*wrong == 0, format!("{wrong} messages were wrong, for others, or came twice"));
        check(*missed == 0 && *heard == wanted, format!("{heard} of {wanted} deliveries were heard"));
        check(*answered > 0 || self.talked == 0, "nothing was echoed".to_owned());
        check(*closed == count, format!("{closed} of {count} heard their goodbye and the end of stream"));
        check(self.totals.is_flawless(), format!("{:?}", self.totals.reasons));
        for GroupDelivery { name, members, delivery } in &self.groups {
            let heard = delivery.heard;
            check(heard == *members, format!("{heard} of {members} members of {name} heard it"));
        }
        check(self.exit_code == Some(0), format!("the gateway ended with {:?}", self.exit_code));
        let used = self.used_bytes() as f64 / 1e9;
        check(used <= self.gigabytes_max, format!("{used:.2} GB in use, {} allowed", self.gigabytes_max));
        complaints
    }

    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let complaints = self.complaints();
        if !complaints.is_empty() {
            bail!("not as it should be: {}", complaints.join("; "));
        }
        Ok(())
    }
}

impl fmt::Display for MillionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { opened, heard, answered, closed, pongs, lost, missed, wrong, .. } = &self.totals;
        let Self { open_seconds, hold_seconds, drain_seconds, .. } = self;
        writeln!(
            f,
            "opened {opened} in {open_seconds:.1} s, held {hold_seconds:.0} s, drained in {drain_seconds:.1} s"
        )?;
        writeln!(f, "{heard} deliveries, {answered} echoes, {pongs} pings answered, {closed} goodbyes")?;
        writeln!(f, "lost {lost}, missed {missed}, wrong {wrong}")?;
        let (before, held) = (&self.memory_before, &self.memory_held);
        let each = |total: i64| format!("{} ({:.1} each)", bytes(total), per(total, self.count.into()));
        let who = if self.nodes > 1 { format!("{} gateways", self.nodes) } else { "gateway".to_owned() };
        writeln!(f, "{who:<20} {} resident", each(growth(held.server_rss_bytes, 0)))?;
        writeln!(f, "this end             {} resident", each(growth(held.own_rss_bytes, 0)))?;
        match held.kernel_bytes.zip(before.kernel_bytes) {
            Some((held, before)) => writeln!(f, "kernel, both ends    {} of slabs", each(held - before))?,
            None => writeln!(f, "kernel               unknown: it takes root")?,
        }
        writeln!(f, "machine at the peak  {} more in use than before", each(self.used_bytes()))?;
        let complaints = self.complaints();
        if complaints.is_empty() {
            writeln!(f, "verdict: nothing lost")
        } else {
            writeln!(f, "verdict: NOT as it should be")?;
            complaints.iter().try_for_each(|complaint| writeln!(f, "  {complaint}"))
        }
    }
}

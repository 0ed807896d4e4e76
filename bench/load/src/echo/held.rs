//! Connections without traffic beside those of an echo run: more than one process may have.

use std::time::Duration;

use anyhow::ensure;

use super::arguments::EchoArguments;
use crate::hold::fleet::{Fleet, Plan};
use crate::hold::protocol::{Order, Totals};
use crate::report::progress;

/// The processes that hold them; none where none are asked for.
pub(super) struct Held(Option<Fleet>);

impl Held {
    /// Opens all of them.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    pub(super) fn open(arguments: &EchoArguments) -> anyhow::Result<Self> {
        if arguments.held == 0 {
            return Ok(Self(None));
        }
        let mut held = Self(Some(Fleet::start(&Plan {
            target: &arguments.target,
            others: &[],
            pace: &arguments.pace,
            first: arguments.traffic.connections,
            count: arguments.held,
            processes_min: 1,
            nice: 0,
            access_key_file: None,
        })?));
        held.all("held", Order::Open, |totals| totals.opened)?;
        Ok(held)
    }

    /// Completes the closing handshake of all of them, and says whether they were all there until now.
    ///
    /// # Errors
    ///
    /// When one was lost meanwhile, or does not close as it should.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        self.all("closing", Order::Close, |totals| totals.closed)
    }

    fn all(&mut self, name: &'static str, order: Order, done: impl Fn(&Totals) -> u64) -> anyhow::Result<()> {
        let Some(fleet) = &mut self.0 else { return Ok(()) };
        // What was said during the traffic.
        fleet.hear(Duration::ZERO)?;
        let count = u64::from(fleet.count());
        let bar = progress(name, count);
        let totals = fleet.complete(order, |totals| bar.set_position(done(totals)))?;
        bar.finish_and_clear();
        ensure!(
            done(&totals) == count && totals.is_flawless(),
            "{name}: {} of {count} connections without traffic as they should be: {:?}",
            done(&totals),
            totals.reasons
        );
        Ok(())
    }
}

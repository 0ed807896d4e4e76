//! What only some limits need to know of each connection: kept beside the records, by key, and only where such a limit
//! is set. Zeroed memory that was never touched takes no room, so all of it is there from the start.

use super::policy::Policy;
use crate::quota::{AddressPermit, Block, NOBODY, Quota};

/// The arrays of a shard; each is empty unless its limit is set.
#[derive(Debug, Default)]
pub(crate) struct SideTables {
    /// Whose place for connections each has.
    blocks: Vec<Block>,
    /// Pings sent since something was heard.
    pings: Vec<u8>,
    /// Second of the shard's clock at which each has to leave.
    leave_at: Vec<u32>,
}

impl SideTables {
    pub(crate) fn new(policy: &Policy, quota: &Quota) -> Self {
        let len = |set: bool| if set { policy.connections_max as usize } else { 0 };
        Self {
            blocks: vec![NOBODY; len(quota.counts_addresses())],
            pings: vec![0; len(policy.pings_unanswered_max.is_some())],
            leave_at: vec![0; len(policy.age.is_some())],
        }
    }

    /// A record has a new owner, which has to leave at this second, if ever.
    pub(crate) fn begin(&mut self, key: u32, permit: Option<AddressPermit>, leave_at: Option<u32>) {
        let key = key as usize;
        if let (Some(block), Some(permit)) = (self.blocks.get_mut(key), permit) {
            *block = permit.keep();
        }
        if let Some(pings) = self.pings.get_mut(key) {
            *pings = 0;
        }
        if let (Some(second), Some(leave_at)) = (self.leave_at.get_mut(key), leave_at) {
            *second = leave_at;
        }
    }

    /// Whose place for connections a record has.
    pub(crate) fn block(&self, key: u32) -> Block {
        self.blocks.get(key as usize).copied().unwrap_or(NOBODY)
    }

    /// A record is free. Whose place is free with it.
    pub(crate) fn end(&mut self, key: u32) -> Block {
        self.blocks.get_mut(key as usize).map_or(NOBODY, |block| std::mem::replace(block, NOBODY))
    }

    /// Whether a connection has to leave.
    pub(crate) fn is_too_old(&self, key: u32, now: u32) -> bool {
        self.leave_at.get(key as usize).is_some_and(|second| now >= *second)
    }

    /// Pings of a connection that were not answered. Nothing was heard since the last of them, if `silent`.
    pub(crate) fn unanswered(&mut self, key: u32, silent: bool) -> u8 {
        let Some(pings) = self.pings.get_mut(key as usize) else { return 0 };
        if !silent {
            *pings = 0;
        }
        *pings
    }

    /// A ping was sent.
    pub(crate) fn pinged(&mut self, key: u32) {
        if let Some(pings) = self.pings.get_mut(key as usize) {
            *pings = pings.saturating_add(1);
        }
    }

    /// Bytes beside each record.
    pub(crate) fn bytes_each(&self) -> usize {
        let each = |is_empty: bool, bytes: usize| if is_empty { 0 } else { bytes };
        each(self.blocks.is_empty(), size_of::<Block>())
            + each(self.pings.is_empty(), size_of::<u8>())
            + each(self.leave_at.is_empty(), size_of::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::settings::Settings;

    fn side_tables(settings: &Settings) -> SideTables {
        SideTables::new(&Policy::new(settings, 10, 10), &Quota::new(settings, Instant::now()))
    }

    #[test]
    fn what_is_not_limited_takes_no_room() {
        assert_eq!(side_tables(&Settings::default()).bytes_each(), 0);
        let all = Settings {
            address_connections_max: Some(1),
            pings_unanswered_max: Some(1),
            connection_age_max: Some(Duration::from_secs(1)),
            ..Settings::default()
        };
        assert_eq!(side_tables(&all).bytes_each(), 16 + 1 + 4);
    }

    #[test]
    fn unanswered_pings_count_until_something_is_heard() {
        let settings = Settings { pings_unanswered_max: Some(3), ..Settings::default() };
        let mut tables = side_tables(&settings);
        assert_eq!(tables.unanswered(4, true), 0);
        tables.pinged(4);
        tables.pinged(4);
        assert_eq!((tables.unanswered(4, true), tables.unanswered(5, true)), (2, 0));
        assert_eq!(tables.unanswered(4, false), 0);
        tables.pinged(4);
        tables.begin(4, None, None);
        assert_eq!(tables.unanswered(4, true), 0, "another connection");
    }
}

//! What a ring can do on this kernel.

/// The features a ring uses. Which of them work is found by `trial`, never guessed from a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// One accept operation for any number of peers (5.19).
    pub multishot_accept: bool,
    /// Connections in the ring's own descriptor table, closing without leaks (found right on 6.18).
    pub direct_descriptors: bool,
    /// Reads into the registered buffer pool that do not wait (READ_FIXED with RWF_NOWAIT on sockets, 6.12). Without it
    /// the pool is read into by RECV with MSG_DONTWAIT.
    pub fixed_buffers: bool,
    /// The kernel is told that one thread submits (6.0).
    pub single_issuer: bool,
    /// Completions are made only when the shard enters the ring (6.1).
    pub defer_taskrun: bool,
    /// One refused entry does not hold up those behind it (5.18).
    pub submit_all: bool,
    /// The ring's descriptor is registered with the thread (5.18).
    pub registered_ring: bool,
    /// Sends that went whole at once say nothing (MSG_WAITALL on sends, 5.19, with IOSQE_CQE_SKIP_SUCCESS, 5.17).
    pub quiet_sends: bool,
    /// Connections that are busy have a multishot receive in flight, with a ring of buffers (6.0).
    pub multishot_receive: bool,
}

/// A way to the flag of one feature.
pub(crate) type Feature = fn(&mut Capabilities) -> &mut bool;

impl Capabilities {
    /// What Linux 5.10 has as released: nothing of it all.
    pub const BASELINE: Capabilities = Capabilities {
        multishot_accept: false,
        direct_descriptors: false,
        fixed_buffers: false,
        single_issuer: false,
        defer_taskrun: false,
        submit_all: false,
        registered_ring: false,
        quiet_sends: false,
        multishot_receive: false,
    };

    /// Each feature: its name and a way to it, in the order in which they are tried: a later one may need an earlier.
    pub(crate) const FEATURES: [(&'static str, Feature); 9] = [
        ("submit all", |capabilities| &mut capabilities.submit_all),
        ("single issuer", |capabilities| &mut capabilities.single_issuer),
        ("deferred task run", |capabilities| &mut capabilities.defer_taskrun),
        ("registered ring", |capabilities| &mut capabilities.registered_ring),
        ("multishot accept", |capabilities| &mut capabilities.multishot_accept),
        ("fixed buffers", |capabilities| &mut capabilities.fixed_buffers),
        ("direct descriptors", |capabilities| &mut capabilities.direct_descriptors),
        ("quiet sends", |capabilities| &mut capabilities.quiet_sends),
        ("multishot receive", |capabilities| &mut capabilities.multishot_receive),
    ];
}

impl std::fmt::Display for Capabilities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut copy = *self;
        let on: Vec<&str> = Self::FEATURES
            .iter()
            .rev()
            .filter(|(_, feature)| *feature(&mut copy))
            .map(|(name, _)| *name)
            .collect();
        formatter.write_str(if on.is_empty() { "baseline" } else { "" })?;
        formatter.write_str(&on.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_what_is_on_are_listed() {
        assert_eq!(Capabilities::BASELINE.to_string(), "baseline");
        let some = Capabilities { multishot_accept: true, submit_all: true, ..Capabilities::BASELINE };
        assert_eq!(some.to_string(), "multishot accept, submit all");
    }
}

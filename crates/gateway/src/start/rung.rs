//! Which driver to use.

use std::fmt;

use holdfast_ring::{Capabilities, Refusal, Trial};

use crate::limits::{Bounds, Plan, direct_table, plan, service_descriptors};
use crate::metrics::documented_kernel_bytes;
use crate::settings::{DriverChoice, Settings};

/// A driver and what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// io_uring with these capabilities.
    Uring(Capabilities),
    /// epoll.
    Epoll,
}

impl Rung {
    /// Takes the one that the operator chose, or the best that works here, and says why it is not a better one: a
    /// sentence for each thing that does not work.
    ///
    /// # Errors
    /// When io_uring was asked for and does not work here.
    pub fn choose(choice: DriverChoice) -> Result<(Self, Vec<String>), Refusal> {
        match choice {
            DriverChoice::Epoll => Ok((Self::Epoll, vec!["driver is set to epoll".to_owned()])),
            DriverChoice::Uring => Self::uring(false),
            DriverChoice::UringBaseline => Self::uring(true),
            DriverChoice::Auto => Ok(Self::uring(false).unwrap_or_else(|refusal| {
                let why = format!("{refusal}; using epoll");
                tracing::warn!("{why}");
                (Self::Epoll, vec![why])
            })),
        }
    }

    fn uring(baseline_only: bool) -> Result<(Self, Vec<String>), Refusal> {
        let trial = Trial::run(baseline_only)?;
        let tried = trial.without_loopback.iter().map(|why| {
            format!("nothing arrives over loopback, so io_uring was tried on Unix sockets: {why}")
        });
        let off = trial.off.iter().map(|(feature, why)| format!("io_uring without {feature}: {why}"));
        let reasons: Vec<_> = tried.chain(off).collect();
        for reason in &reasons {
            tracing::info!("{reason}");
        }
        Ok((Self::Uring(trial.capabilities), reasons))
    }

    /// Its name, as `--driver` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uring(Capabilities::BASELINE) => "uring-baseline",
            Self::Uring(_) => "uring",
            Self::Epoll => "epoll",
        }
    }

    /// Whether connections have descriptors in their ring's own table.
    #[must_use]
    pub fn has_direct_descriptors(self) -> bool {
        matches!(self, Self::Uring(capabilities) if capabilities.direct_descriptors)
    }

    /// Kernel memory of one idle connection in bytes, as documented.
    #[must_use]
    pub fn kernel_bytes_per_connection(self) -> u64 {
        documented_kernel_bytes(self != Self::Epoll, self.has_direct_descriptors())
    }

    /// What bounds the number of connections on it, with so many descriptors and this plan.
    #[must_use]
    pub(crate) fn bounds(self, settings: &Settings, descriptors: u64, memory: Option<Plan>) -> Bounds {
        Bounds {
            shards: settings.shards,
            listeners: u32::try_from(settings.listen.len()).unwrap_or(u32::MAX),
            services: service_descriptors(settings),
            descriptors,
            direct_table: self.has_direct_descriptors().then(|| direct_table(descriptors)),
            memory_bytes: memory.map(|plan| plan.connections),
            connection_bytes: self.kernel_bytes_per_connection() + plan::user_bytes_per_connection(settings),
            connections_max: settings.connections_max,
            shard_connections_max: settings.shard_connections_max,
            handshakes_max: memory.map_or(settings.handshakes_max, |plan| plan.handshakes_max(settings)),
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uring(capabilities) => write!(f, "io_uring ({capabilities})"),
            Self::Epoll => f.write_str("epoll"),
        }
    }
}

//! Which driver to use.

use std::fmt;

use holdfast_ring::{Capabilities, Refusal, Trial};

use crate::metrics::documented_kernel_bytes;
use crate::settings::DriverChoice;

/// A driver and what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// io_uring with these capabilities.
    Uring(Capabilities),
    /// epoll.
    Epoll,
}

impl Rung {
    /// Takes the one that the operator chose, or the best that works here.
    ///
    /// # Errors
    /// When io_uring was asked for and does not work here.
    pub fn choose(choice: DriverChoice) -> Result<Self, Refusal> {
        match choice {
            DriverChoice::Epoll => Ok(Self::Epoll),
            DriverChoice::Uring => Self::uring(false),
            DriverChoice::UringBaseline => Self::uring(true),
            DriverChoice::Auto => Ok(Self::uring(false).unwrap_or_else(|refusal| {
                tracing::warn!("{refusal}; using epoll");
                Self::Epoll
            })),
        }
    }

    fn uring(baseline_only: bool) -> Result<Self, Refusal> {
        let trial = Trial::run(baseline_only)?;
        if let Some(why) = &trial.without_loopback {
            tracing::info!("nothing arrives over loopback, so io_uring was tried on Unix sockets: {why}");
        }
        for (feature, why) in &trial.off {
            tracing::info!("io_uring without {feature}: {why}");
        }
        Ok(Self::Uring(trial.capabilities))
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
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uring(capabilities) => write!(f, "io_uring ({capabilities})"),
            Self::Epoll => f.write_str("epoll"),
        }
    }
}

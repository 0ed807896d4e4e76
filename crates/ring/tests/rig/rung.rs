//! The rungs, and whether they are there.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use holdfast_ring::{Capabilities, Config, Driver, Epoll, Refusal, Trial};
use rustix::io::Errno;

/// A way to make a driver.
pub trait Rung: 'static {
    /// Name of the module that the macro makes.
    const NAME: &'static str;
    type Driver: Driver;
    /// System calls of a turn in which nothing happens.
    const IDLE_CALLS: u64 = 1;
    /// What it can do, or why it is not there.
    fn trial() -> Result<Capabilities, String>;
    fn try_make(config: &Config) -> rustix::io::Result<Self::Driver>;
    /// Whether the kernel has locked the driver's buffers.
    fn is_pool_registered(driver: &Self::Driver) -> bool;

    /// Makes a driver. Rings that were closed give back their locked memory a moment later, by a thread of the kernel,
    /// so that a lack of memory is met by trying again. Not at once: each try leaves that thread another ring to take
    /// apart, and one that never gets to it fills the machine's memory with them.
    fn make(config: &Config) -> Self::Driver {
        let deadline = Instant::now() + super::PATIENCE;
        loop {
            match Self::try_make(config) {
                Ok(driver) => return driver,
                Err(Errno::NOMEM) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("a driver is made: {error}"),
            }
        }
    }
}

/// io_uring with all that works here; direct descriptors for all, where there are any.
pub struct Uring;
/// The same with normal descriptors for all, as they are where they suffice.
pub struct UringNormal;
/// io_uring with nothing but what 5.10 has.
pub struct UringBaseline;

fn capabilities(trial: &Result<Trial, Refusal>) -> Result<Capabilities, String> {
    trial.as_ref().map(|trial| trial.capabilities).map_err(ToString::to_string)
}

impl Rung for Uring {
    const NAME: &'static str = "uring";
    type Driver = holdfast_ring::Uring;

    fn trial() -> Result<Capabilities, String> {
        static TRIAL: OnceLock<Result<Trial, Refusal>> = OnceLock::new();
        capabilities(TRIAL.get_or_init(|| Trial::run(false)))
    }

    fn try_make(config: &Config) -> rustix::io::Result<Self::Driver> {
        holdfast_ring::Uring::new(Self::trial().expect("io_uring works here"), config)
    }

    fn is_pool_registered(driver: &Self::Driver) -> bool {
        driver.pool_is_registered()
    }
}

impl Rung for UringNormal {
    const NAME: &'static str = "uring_normal";
    type Driver = holdfast_ring::Uring;

    fn trial() -> Result<Capabilities, String> {
        let same = "there are no direct descriptors here, so that this is as on rung uring";
        Uring::trial().and_then(|it| if it.direct_descriptors { Ok(it) } else { Err(same.to_owned()) })
    }

    fn try_make(config: &Config) -> rustix::io::Result<Self::Driver> {
        Uring::try_make(&Config { normal_descriptors_max: u32::MAX, ..*config })
    }

    fn is_pool_registered(driver: &Self::Driver) -> bool {
        driver.pool_is_registered()
    }
}

impl Rung for UringBaseline {
    const NAME: &'static str = "uring_baseline";
    type Driver = holdfast_ring::Uring;

    fn trial() -> Result<Capabilities, String> {
        static TRIAL: OnceLock<Result<Trial, Refusal>> = OnceLock::new();
        capabilities(TRIAL.get_or_init(|| Trial::run(true)))
    }

    fn try_make(config: &Config) -> rustix::io::Result<Self::Driver> {
        holdfast_ring::Uring::new(Self::trial().expect("io_uring works here"), config)
    }

    fn is_pool_registered(driver: &Self::Driver) -> bool {
        driver.pool_is_registered()
    }
}

impl Rung for Epoll {
    const NAME: &'static str = "epoll";
    type Driver = Epoll;
    // A timer that has fired is set by a call of its own.
    const IDLE_CALLS: u64 = 2;

    fn trial() -> Result<Capabilities, String> {
        Ok(Capabilities::BASELINE)
    }

    fn try_make(config: &Config) -> rustix::io::Result<Self::Driver> {
        Epoll::new(config)
    }

    fn is_pool_registered(_: &Self::Driver) -> bool {
        false
    }
}

/// Whether the rung is there; if not, says why the test is skipped.
pub fn is_available<R: Rung>() -> bool {
    match R::trial() {
        Ok(_) => true,
        Err(why) => {
            println!("SKIPPED: {why}");
            false
        }
    }
}

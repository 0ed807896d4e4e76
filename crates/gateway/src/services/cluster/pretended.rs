//! A simulated bus as that of a gateway, for tests.

use std::time::{Duration, Instant};

use holdfast_cluster::bus::simulated::{Net, SimulatedBus};
use holdfast_cluster::bus::{Bus, BusState, Incoming, Refused};
use tokio::time::sleep;

use super::carrier::{Carrier, Coming, Standing};

/// How often time passes for the bus.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(in crate::services) struct Pretended {
    net: Net,
    bus: SimulatedBus,
}

impl Pretended {
    pub(in crate::services) fn new(net: Net, bus: SimulatedBus) -> Self {
        Self { net, bus }
    }
}

impl Bus for Pretended {
    fn try_publish(&mut self, subject: &str, message: bytes::Bytes) -> Result<(), Refused> {
        self.bus.try_publish(subject, message)
    }

    fn next(&mut self) -> Option<Incoming> {
        self.bus.next()
    }

    fn state(&self) -> BusState {
        self.bus.state()
    }
}

impl Carrier for Pretended {
    fn come(&self) -> Coming {
        let net = self.net.clone();
        Box::pin(async move {
            sleep(PAUSE).await;
            net.advance(Instant::now());
        })
    }

    fn end(&self, _within: Duration) -> Coming {
        let (net, bus) = (self.net.clone(), self.bus.clone());
        Box::pin(async move {
            net.advance(Instant::now());
            bus.leave();
        })
    }

    fn standing(&self) -> Standing {
        Standing::default()
    }
}

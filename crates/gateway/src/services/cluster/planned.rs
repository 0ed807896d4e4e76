//! A cluster before its node has an id: connections' names have that, and shards bring them.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

#[cfg(feature = "simulated")]
use holdfast_cluster::bus::simulated::{Net, SimulatedBus};
use holdfast_cluster::names::Names;
use holdfast_nats::NatsBus;

use super::super::deeds::Deeds;
use super::carrier::Carrier;
use super::nats;
use super::node::Cluster;
#[cfg(feature = "simulated")]
use super::pretended::Pretended;
use super::thread::{Ending, Surroundings, start};
use crate::Handle;
use crate::settings::{Cluster as ClusterSettings, Settings};

/// Makes the bus of the node with the id that is said, which listens to these subjects. On a runtime.
type Maker = Box<dyn FnOnce(String, Vec<String>) -> io::Result<Box<dyn Carrier>> + Send>;

/// What there will be.
pub(in crate::services) struct Planned {
    settings: ClusterSettings,
    hubs: Vec<String>,
    maker: Mutex<Option<Maker>>,
    made: OnceLock<Arc<Cluster>>,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Planned {
    /// What settings say, with NATS as the bus; none where they say nothing.
    ///
    /// # Errors
    /// What is to be mended, in one sentence.
    pub(in crate::services) fn new(settings: &Settings) -> Result<Option<Arc<Self>>, String> {
        let Some(cluster) = settings.cluster() else { return Ok(None) };
        let mut options = nats::options(settings, &cluster)?;
        let maker: Maker = Box::new(move |probe, subjects| {
            (options.probe, options.subjects) = (probe, subjects);
            let bus = NatsBus::start(&options).map_err(io::Error::other)?;
            Ok(Box::new(bus))
        });
        Ok(Some(Arc::new(Self::with(settings, cluster, maker))))
    }

    /// The same on a simulated bus. `joined` is told of its end.
    #[cfg(feature = "simulated")]
    pub(in crate::services) fn on(
        settings: &Settings,
        net: Net,
        joined: impl FnOnce(SimulatedBus) + Send + 'static,
    ) -> Option<Arc<Self>> {
        let maker: Maker = Box::new(move |_, subjects| {
            let bus = net.join(subjects);
            joined(bus.clone());
            Ok(Box::new(Pretended::new(net, bus)))
        });
        Some(Arc::new(Self::with(settings, settings.cluster()?, maker)))
    }

    fn with(settings: &Settings, cluster: ClusterSettings, maker: Maker) -> Self {
        let hubs = settings.hubs.iter().map(|hub| hub.name.clone()).collect();
        Self { settings: cluster, hubs, maker: Mutex::new(Some(maker)), made: OnceLock::new() }
    }

    /// The cluster of a gateway.
    pub(in crate::services) fn of(&self, handle: &Handle) -> Arc<Cluster> {
        let make =
            || Arc::new(Cluster::new(&self.settings, self.hubs.clone(), Arc::new(Names::new()), handle));
        Arc::clone(self.made.get_or_init(make))
    }

    /// Starts its thread.
    ///
    /// # Errors
    /// When there is none, or the bus can't be made.
    pub(in crate::services) fn start(
        &self,
        deeds: Deeds,
        frame_bytes_max: usize,
        surroundings: Box<dyn Surroundings>,
    ) -> io::Result<Ending> {
        let maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let maker = maker.ok_or_else(|| io::Error::other("it was started before"))?;
        start(self.of(&deeds.handle), deeds, frame_bytes_max, surroundings, maker)
    }
}

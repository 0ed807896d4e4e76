//! The gateways: one, or the nodes of a cluster.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Resource, getrlimit};

use super::arguments::MillionArguments;
use crate::hub::HUB;
use crate::interrupt;
use crate::measure::metrics::{Metrics, wait_for_connections};
use crate::server::{Contestant, Server};

/// Beyond drain-spread: how long the last connections may take to end.
pub(super) const DRAIN_MARGIN: Duration = Duration::from_secs(120);

/// How long nodes may take to find each other.
const JOIN_MAX: Duration = Duration::from_secs(60);

/// Gateways that were started for this run.
pub(super) struct Nodes(Vec<Server>);

impl Nodes {
    /// Starts them with room for all, and waits until each knows all others.
    pub(super) fn start(arguments: &MillionArguments, key_file: Option<&Path>) -> anyhow::Result<Self> {
        ensure!(arguments.nodes == 1 || arguments.cluster.is_some(), "several gateways need a --cluster");
        let folder = match &arguments.binaries {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.parent().map_or_else(PathBuf::new, PathBuf::from),
        };
        let settings = settings(arguments, key_file);
        let start = |_| Contestant::gateway_with(&folder, settings.clone()).start_anywhere();
        let nodes = Self((0..arguments.nodes).map(start).collect::<anyhow::Result<_>>()?);
        if arguments.nodes > 1 {
            nodes.wait_for_each_other()?;
        }
        Ok(nodes)
    }

    fn wait_for_each_other(&self) -> anyhow::Result<()> {
        let (begin, count) = (Instant::now(), self.0.len() as f64);
        let knows_all = |admin: &str| -> anyhow::Result<bool> {
            let metrics = Metrics::read(admin)?;
            let is = |name, value: f64| metrics.get(name).is_some_and(|shown| (shown - value).abs() < 0.5);
            Ok(is("holdfast_cluster_nodes", count) && is("holdfast_cluster_ready", 1.0))
        };
        for admin in self.admins()? {
            while !knows_all(admin)? {
                ensure!(begin.elapsed() < JOIN_MAX, "the gateways do not find each other");
                interrupt::check()?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(Server::pid).collect()
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.0.iter().map(|server| server.url.clone()).collect()
    }

    /// Their admin servers.
    pub(super) fn admins(&self) -> anyhow::Result<Vec<&str>> {
        let admin = |server: &'_ Server| server.admin.as_deref().is_some();
        ensure!(self.0.iter().all(admin), "the gateway does not say where its admin server is");
        Ok(self.0.iter().filter_map(|server| server.admin.as_deref()).collect())
    }

    /// Whether each has room for as many as it is to get.
    pub(super) fn check_room(&self, counts: &[u32]) -> anyhow::Result<()> {
        for (admin, count) in self.admins()?.into_iter().zip(counts) {
            let room = Metrics::read(admin)?.get("holdfast_connections_room").unwrap_or(0.0);
            let enough = room >= f64::from(*count);
            ensure!(enough, "the gateway has room for {room} connections only: try more --shards");
        }
        Ok(())
    }

    /// Waits until each has counted as many as it was to get.
    pub(super) fn check_counts(&self, counts: &[u32], patience: Duration) -> anyhow::Result<()> {
        for (admin, count) in self.admins()?.into_iter().zip(counts) {
            wait_for_connections(admin, *count, patience).context("the server's own count differs")?;
        }
        Ok(())
    }

    /// Tells all of them to end in order.
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        self.0.iter().try_for_each(Server::terminate)
    }

    /// Waits for their ends: the exit code of the first that has not ended well, or 0.
    pub(super) fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let mut worst = Some(0);
        for server in &mut self.0 {
            let code = server.wait(DRAIN_MARGIN)?.code();
            worst = if worst == Some(0) { code } else { worst };
        }
        Ok(worst)
    }
}

fn settings(arguments: &MillionArguments, key_file: Option<&Path>) -> Vec<String> {
    let shards = arguments.shards.unwrap_or_else(|| shards(arguments.count.div_ceil(arguments.nodes)));
    let drain = arguments.drain_spread + DRAIN_MARGIN;
    let seconds = |period: Duration| format!("{}s", period.as_secs().max(1));
    let mut settings = vec![
        ("--driver", arguments.driver.clone()),
        ("--shards", shards.to_string()),
        // So many processes share so few CPUs that one may not get to it for as long.
        ("--handshake-timeout", seconds(arguments.stall)),
        ("--ping-interval", format!("{}s", arguments.ping_seconds)),
        ("--drain-spread", seconds(arguments.drain_spread)),
        ("--drain-timeout", seconds(drain)),
    ];
    if let Some(path) = key_file {
        settings.extend([("--hub", HUB.to_owned()), ("--access-key-file", path.display().to_string())]);
    }
    if let Some(bus) = &arguments.cluster {
        // Of its own: whatever else is on that NATS, nothing crosses.
        let name = format!("load-{}", std::process::id());
        settings.extend([("--cluster", bus.clone()), ("--cluster-name", name)]);
    }
    settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// Shards whose rings have room for so many direct descriptors, each as many as the descriptor limit says; and a
/// twentieth more, since the kernel does not spread newcomers evenly.
fn shards(count: u32) -> u32 {
    let table = getrlimit(Resource::Nofile).current.and_then(|limit| u32::try_from(limit).ok());
    let needed = count.div_ceil(table.unwrap_or(u32::MAX).max(1));
    if needed > 1 { needed + needed.div_ceil(20) } else { 1 }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: MillionArguments,
    }

    fn parse(words: &[&str]) -> Result<MillionArguments, String> {
        let words = ["million"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn there_are_shards_for_all_and_some_to_spare() {
        let table = getrlimit(Resource::Nofile).current.and_then(|limit| u32::try_from(limit).ok());
        let table = table.unwrap_or(u32::MAX);
        assert_eq!((shards(1), shards(table)), (1, 1));
        if let Some(many) = table.checked_mul(50) {
            assert_eq!(shards(many), 53);
        }
    }

    #[test]
    fn several_gateways_need_a_bus_and_a_hub() {
        let bus = ["--cluster", "nats://127.0.0.1:4222"];
        assert!(parse(&bus).is_err());
        let two = parse(&["--nodes", "2"]).unwrap();
        assert!(Nodes::start(&two, None).is_err());
        let three = parse(&["--hub", "--nodes", "3", bus[0], bus[1]]).unwrap();
        let settings = settings(&three, Some(Path::new("key")));
        assert!(settings.windows(2).any(|pair| pair == bus), "{settings:?}");
        let alone = super::settings(&parse(&["--hub"]).unwrap(), None);
        assert!(!alone.contains(&bus[0].to_owned()), "{alone:?}");
    }
}

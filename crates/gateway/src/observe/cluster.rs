//! What there is to see of the cluster: plain data, which whoever runs the cluster fills when somebody looks.

use std::fmt;

use serde::Serialize;

/// The cluster as this node sees it: what `GET /cluster` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClusterStatus {
    /// What the cluster is called.
    pub name: String,
    /// This node's id, which is in the names of its connections.
    pub node: String,
    /// Whether this node is ready, as far as the cluster is concerned: `cluster-ready` says when.
    pub ready: bool,
    /// What carries its messages.
    pub bus: BusStatus,
    /// This node, and behind it the others that it hears, in order of their ids.
    pub nodes: Vec<NodeStatus>,
    /// What it counts.
    pub counts: ClusterCounts,
    /// Users and groups with members on this node.
    pub names: u64,
    /// Questions to other nodes that wait for answers.
    pub questions_open: u64,
    /// What others have published and shards have no room for yet.
    pub waiting: Waiting,
}

/// The bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BusStatus {
    /// Whether it is there: all subscriptions are in force, and it is heard.
    pub connected: bool,
    /// The server, as host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How long it has been there, or away.
    pub since_seconds: f64,
    /// Connections made since the start.
    pub connects: u64,
    /// What went wrong last, in one sentence without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Bytes that wait to be sent.
    pub queue_bytes: u64,
    /// Most that may.
    pub queue_bytes_max: u64,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Its id.
    pub node: String,
    /// Whether it is the one that was asked.
    pub own: bool,
    /// The release that it runs.
    pub release: String,
    /// Connections that it has.
    pub connections: u64,
    /// Whether it drains.
    pub draining: bool,
    /// How long it has been there.
    pub since_seconds: f64,
    /// When it was heard last.
    pub heard_seconds_ago: f64,
}

/// What a node has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterCounts {
    /// Messages to other nodes that the bus has taken.
    pub published: u64,
    /// Messages to other nodes that were not sent.
    pub unsent: Unsent,
    /// Messages of other nodes that were taken.
    pub received: u64,
    /// Those of them that were for nobody here.
    pub for_nobody: u64,
    /// Messages that were for a connection of a node that is not there: it has ended, or is not known yet.
    pub for_no_node: u64,
    /// Messages of other nodes that did not come.
    pub missed: u64,
    /// Messages that came twice, or behind later ones.
    pub late: u64,
    /// This node's own messages that came back.
    pub own: u64,
    /// What no release has written, or what came by a way that is not its own.
    pub garbage: u64,
    /// Messages of a later release that this one does not know.
    pub unknown: u64,
    /// Messages of more nodes than a cluster may have.
    pub crowded: u64,
    /// Messages of other nodes that shards had no room for.
    pub dropped: u64,
    /// Questions that a node did not answer in time.
    pub unanswered: u64,
    /// Nodes that have left.
    pub left: Left,
    /// Times another node had the id of one that is there.
    pub twins: u64,
}

/// Messages that were not sent, by what was in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// The bus was away.
    pub away: u64,
    /// Too much waited for it.
    pub full: u64,
    /// They were too long for it.
    pub too_large: u64,
}

/// Nodes that have left, by how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// They have said goodbye.
    pub goodbye: u64,
    /// They were not heard any more.
    pub silent: u64,
}

/// What waits for shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// So many messages.
    pub messages: u64,
    /// So many bytes.
    pub bytes: u64,
}

/// A look at the cluster, whenever somebody wants one. It is asked on the control thread: it must not wait.
pub struct ClusterView(Box<dyn Fn() -> ClusterStatus + Send + Sync>);

impl ClusterView {
    /// One that asks `look`.
    pub fn new(look: impl Fn() -> ClusterStatus + Send + Sync + 'static) -> Self {
        Self(Box::new(look))
    }

    /// The cluster now.
    #[must_use]
    pub fn look(&self) -> ClusterStatus {
        (self.0)()
    }
}

impl fmt::Debug for ClusterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterView").finish_non_exhaustive()
    }
}

//! Gateways that are nodes of a cluster, and their clients.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast::cluster::{ClusterStatus, ClusterView};
use holdfast::settings::{Action, DriverChoice, Listen, Settings, Sources, load_for};
use holdfast::{Echo, Finisher, Gateway, Services};
use holdfast_cluster::bus::simulated::{Chances, Net, SimulatedBus};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::house::{JSON, Json, KEY, Rest, SECOND_KEY, Token, settings};
use crate::rig::peer::Response;
use crate::rig::{Peer, wait_until};

/// Hubs that every node serves.
const HUBS: &str = "[hub.chat]\n[hub.other]\n";

/// What carries messages.
#[derive(Clone)]
pub enum Carrier {
    Simulated(Net),
    Nats(SocketAddr),
}

impl Carrier {
    /// A simulated bus on which nothing breaks.
    pub fn simulated() -> Self {
        Self::Simulated(Net::new(1, Chances::default(), Instant::now()))
    }
}

/// A node. It ends with the test.
pub struct Node {
    pub address: SocketAddr,
    /// Its end of a simulated bus.
    pub bus: Option<SimulatedBus>,
    pub view: ClusterView,
    gateway: Option<Gateway>,
    finisher: Option<Finisher>,
    runtime: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    _folder: TempDir,
}

impl Node {
    /// With settings that are put before those of all nodes.
    pub fn start(carrier: &Carrier, first: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (settings, sources) = load(&folder, carrier, first);
        let (bus_of, bus) = channel();
        let services = match carrier {
            Carrier::Simulated(net) => {
                Services::on_simulated(&settings, net.clone(), move |bus| drop(bus_of.send(bus)))
            }
            Carrier::Nats(_) => Services::new(&settings),
        };
        let services = services.expect("its settings are good");
        let gateway = Gateway::start(&settings, services.applications()).expect("it starts");
        let view = services.cluster(gateway.handle()).expect("it is in a cluster");
        let (runtime, handle) = runtime();
        let (_, finisher) = services.start_here(gateway.handle(), &handle, sources);
        let Some(Listen::Tcp(address)) = gateway.addresses().first() else { panic!("it listens") };
        Self {
            address: *address,
            bus: bus.try_recv().ok(),
            view,
            gateway: Some(gateway),
            finisher: Some(finisher),
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    pub fn status(&self) -> ClusterStatus {
        self.view.look()
    }

    /// Ends as one that is killed.
    pub fn kill(mut self) {
        self.end(false);
    }

    /// Ends and says goodbye.
    pub fn leave(mut self) {
        self.end(true);
    }

    fn end(&mut self, says_goodbye: bool) {
        if !says_goodbye {
            // First, so that nobody hears what its end makes it say.
            if let Some(bus) = &self.bus {
                bus.leave();
            }
            drop(self.finisher.take());
        }
        drop(self.gateway.take());
        if let Some(finisher) = self.finisher.take() {
            finisher.finish(Duration::ZERO);
        }
        if let Some((end, thread)) = self.runtime.take() {
            drop(end);
            thread.join().expect("its thread ends");
        }
    }

    pub fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// Somebody who asks it, on whichever thread.
    pub fn rest(&self) -> Rest {
        Rest { peer: self.peer() }
    }

    /// A client with the JSON subprotocol in the group `room`, who may do anything with groups.
    #[track_caller]
    pub fn client(&self, user: Option<&str>) -> Json {
        let roles = &["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
        Json::over(self.peer(), &Token { user, roles, groups: &["room"], ..Token::default() }.sign())
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        self.rest().ask(method, path, body)
    }

    /// The status of the answer to a request.
    #[track_caller]
    pub fn status_of(&self, method: &str, path: &str) -> u16 {
        self.ask(method, path, "").status
    }

    #[track_caller]
    pub fn send(&self, path: &str, text: &str) {
        let answer = self.ask("POST", &format!("hubs/chat/{path}"), text);
        assert_eq!(answer.status, 202, "{path}: {answer:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// So many nodes that hear each other.
pub fn nodes(carrier: &Carrier, count: usize, first: &str) -> Vec<Node> {
    let nodes: Vec<_> = (0..count).map(|_| Node::start(carrier, first)).collect();
    wait_until_joined(&nodes);
    nodes
}

/// Waits until these are all who are there, and ready.
#[track_caller]
pub fn wait_until_joined(nodes: &[Node]) {
    let is_there = |node: &Node| {
        let status = node.status();
        status.ready && status.nodes.len() == nodes.len()
    };
    wait_until("all nodes hear each other", || {
        thread::sleep(Duration::from_millis(5));
        nodes.iter().all(is_there)
    });
}

fn load(folder: &TempDir, carrier: &Carrier, first: &str) -> (Settings, Sources) {
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("key"), KEY).expect("written");
    std::fs::write(path("second"), SECOND_KEY).expect("written");
    let server = match carrier {
        Carrier::Simulated(_) => "127.0.0.1:4222".to_owned(),
        Carrier::Nats(address) => address.to_string(),
    };
    let more = format!(
        "{first}\nlisten = \"127.0.0.1:0\"\nmessage-bytes-max = \"64KiB\"\ncluster = \"nats://{server}\"\n\
         cluster-name = \"test\"\n"
    );
    let text = settings(DriverChoice::Epoll, &more, HUBS).replace("@/", &format!("{}/", path("")));
    std::fs::write(path("settings"), text).expect("written");
    let args = ["holdfast", "--config", &path("settings")].map(Into::into);
    match load_for(args, [], Echo::answers) {
        Ok(Action::Run(settings, sources)) => (*settings, *sources),
        other => panic!("{other:?}"),
    }
}

/// A runtime on a thread of its own, until the sender is dropped.
fn runtime() -> ((oneshot::Sender<()>, JoinHandle<()>), tokio::runtime::Handle) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || drop(runtime.block_on(ended)));
    ((end, thread), handle)
}

/// What a client has heard when it hears this.
#[track_caller]
pub fn heard_until(client: &mut Json, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let message = client.hear();
        let data = message["data"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        if data == last {
            return heard;
        }
        heard.push(data);
    }
}

/// The text as it stands in a query.
pub fn query(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A client with the JSON subprotocol in a hub.
#[track_caller]
pub fn client_of(node: &Node, hub: &str, user: &str) -> Json {
    let audience = format!("http://test/client/hubs/{hub}");
    let token = Token { user: Some(user), groups: &["room"], audience: &audience, ..Token::default() }.sign();
    let mut peer = node.peer();
    peer.send(&crate::house::upgrade(hub, &token, JSON));
    peer.expect_accepted();
    let mut client = Json { peer, id: String::new() };
    let connected = client.hear();
    client.id = connected["connectionId"].as_str().expect("an id").to_owned();
    client
}

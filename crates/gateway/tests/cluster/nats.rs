//! The same over NATS.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::messages::{order, what_clients_say, who_hears_what};
use crate::nodes::{Carrier, nodes};
use crate::questions::{join_then_send, pages, what_is_answered};
use crate::rig::wait_until;

/// A NATS server, which ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Where a program is named.
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("NATS_SERVER_PROGRAM") else {
            println!("skipped: NATS_SERVER_PROGRAM does not name a server");
            return None;
        };
        let address = free_address();
        let mut command = Command::new(program);
        command.args(["-a", &address.ip().to_string(), "-p", &address.port().to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the server starts");
        let server = Self { child, address };
        wait_until("the server is there", || TcpStream::connect(address).is_ok());
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

#[test]
fn a_cluster_over_nats_does_what_one_on_a_simulated_bus_does() {
    let Some(server) = Server::start() else { return };
    let nodes = nodes(&Carrier::Nats(server.address), 3, "groups-per-connection-max = 20\n");
    who_hears_what(&nodes);
    what_clients_say(&nodes);
    order(&nodes);
    pages(&nodes);
    join_then_send(&nodes, 300);
    what_is_answered(&nodes);
}

#[test]
fn a_node_leaves_with_a_goodbye() {
    let Some(server) = Server::start() else { return };
    let mut nodes = nodes(&Carrier::Nats(server.address), 2, "");
    nodes.pop().unwrap().leave();
    crate::nodes::wait_until_joined(&nodes);
    assert_eq!(nodes[0].status().counts.left.goodbye, 1);
}

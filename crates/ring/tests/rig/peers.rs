//! What the other side sees.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Reads `len` bytes.
pub fn read_len(peer: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    peer.read_exact(&mut bytes).expect("the peer hears all of it");
    bytes
}

/// Reads to the end of stream.
pub fn read_all(peer: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).expect("the peer hears the end of stream");
    bytes
}

/// Whether the connection was reset, as its peer sees it.
pub fn is_reset(peer: &mut impl Read) -> bool {
    loop {
        match peer.read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// Makes the peer leave with a reset.
pub fn reset(peer: TcpStream) {
    linger_zero(&peer);
    drop(peer);
}

/// Closing this socket will reset its connection.
pub fn linger_zero(peer: impl AsFd) {
    rustix::net::sockopt::set_socket_linger(peer, Some(std::time::Duration::ZERO)).unwrap();
}

/// Asks the kernel for receive or send buffers as small as it has.
pub fn small_receive_buffer(socket: impl AsFd) {
    rustix::net::sockopt::set_socket_recv_buffer_size(socket, 1).unwrap();
}

/// As [`small_receive_buffer`], for what waits to be sent.
pub fn small_send_buffer(socket: impl AsFd) {
    rustix::net::sockopt::set_socket_send_buffer_size(socket, 1).unwrap();
}

/// Lets this process have as many descriptors as it may.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // No error matters: a test that then runs out of descriptors says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

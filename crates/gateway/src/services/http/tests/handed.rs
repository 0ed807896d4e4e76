//! Connections that come from a shard and go back to one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl};

use super::super::serve_handed;
use super::*;
use crate::handle::{Command, HandedRequest, Handle, Newcomer, Origin};

fn handed(handle: &Handle, descriptor: OwnedFd, bytes: &[u8]) -> HandedRequest {
    let permit = handle.inbox().claim_request().unwrap();
    HandedRequest { descriptor, bytes: bytes.to_vec(), origin: Origin::default(), permit }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn read(mut client: impl Read, len: usize) -> String {
    let mut bytes = vec![0; len];
    client.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What a shard finds in its mailbox: the connection's socket, and what has been read.
fn back(handle: &Handle) -> (OwnedFd, Vec<u8>) {
    let mut commands = handle.mailbox(0).take_all();
    match commands.pop() {
        Some(Command::Adopt(Newcomer::Back { descriptor, bytes, .. })) => (descriptor, bytes),
        other => panic!("{other:?}"),
    }
}

async fn serve_and_give_back(mut client: impl Read + Write, other: OwnedFd) {
    let handle = Handle::new(1);
    handle.mailbox(0).open(1);
    client.write_all(&[&POST[9..], UPGRADE].concat()).unwrap();
    let request = handed(&handle, other, &POST[..9]);
    serve_handed(request, &Rig::default().server, &handle).await.unwrap();
    let expected = answer("POST /ask?a=b ? hello");
    assert_eq!(read(&mut client, expected.len()), expected);
    let (descriptor, bytes) = back(&handle);
    assert_eq!(bytes, UPGRADE);
    assert!(!fcntl_getfl(&descriptor).unwrap().contains(OFlags::NONBLOCK), "it is as it was");
    assert_eq!(handle.inbox().requests(), 0);
    client.write_all(b"!").unwrap();
    assert_eq!(read(UnixStream::from(descriptor), 1), "!", "it is the same connection");
}

#[tokio::test]
async fn a_connection_goes_back_for_an_upgrade_with_all_that_it_sent() {
    let (client, other) = tcp_pair();
    serve_and_give_back(client, other.into()).await;
    let (client, other) = UnixStream::pair().unwrap();
    serve_and_give_back(client, other.into()).await;
}

#[tokio::test]
async fn an_upgrade_for_which_no_shard_has_room_hears_so() {
    let (mut client, other) = UnixStream::pair().unwrap();
    let handle = Handle::new(1);
    client.write_all(UPGRADE).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let request = handed(&handle, other.into(), b"");
    serve_handed(request, &Rig::default().server, &handle).await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answers}");
    assert_eq!(handle.inbox().requests(), 0);
}

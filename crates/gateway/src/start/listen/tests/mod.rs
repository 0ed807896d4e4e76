mod unix;

use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

use rustix::net::accept;

use super::*;

/// Without waiting for what is taken.
fn open(at: &Listen, shards: usize, settings: &Settings) -> Result<Listeners, ListenError> {
    super::open(at, shards, settings, &mut Patience::none())
}

fn any_port() -> Listen {
    Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn address(listeners: &Listeners) -> SocketAddr {
    match listeners.at {
        Listen::Tcp(address) => address,
        Listen::Unix(_) => panic!("not TCP"),
    }
}

#[test]
fn a_second_instance_on_the_same_port_is_refused() {
    let settings = Settings::default();
    let first = open(&any_port(), 3, &settings).unwrap();
    assert_eq!(first.sockets.len(), 3);
    let error = open(&first.at, 3, &settings).unwrap_err();
    assert!(error.to_string().contains("is taken"), "{error}");
}

#[test]
fn accepted_sockets_inherit_the_options() {
    let settings = Settings {
        tcp_user_timeout: Some(std::time::Duration::from_secs(7)),
        keepalive: Some(std::time::Duration::from_secs(33)),
        ..Settings::default()
    };
    let listeners = open(&any_port(), 1, &settings).unwrap();
    let _peer = TcpStream::connect(address(&listeners)).unwrap();
    let accepted = accept(&listeners.sockets[0]).unwrap();
    assert!(sockopt::tcp_nodelay(&accepted).unwrap(), "or small messages wait for acknowledgements");
    assert!(sockopt::socket_keepalive(&accepted).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap().as_secs(), 33);
    assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), 7000);
}

#[test]
fn an_address_that_is_not_ours_is_refused_with_what_to_change() {
    let elsewhere = Listen::Tcp("192.0.2.1:8085".parse().unwrap());
    let error = open(&elsewhere, 1, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("--listen"), "{error}");
}

#[test]
fn the_unspecified_ipv6_address_takes_ipv4_too_unless_told_otherwise() {
    let at = Listen::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
    let Ok(dual) = open(&at, 1, &Settings::default()) else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    let port = address(&dual).port();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let only = open(&at, 1, &Settings { ipv6_only: true, ..Settings::default() }).unwrap();
    let port = address(&only).port();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
}

#[test]
fn an_address_that_is_free_a_moment_later_is_taken() {
    let old = open(&any_port(), 2, &Settings::default()).unwrap();
    let at = old.at.clone();
    let (waits, waiting) = std::sync::mpsc::channel();
    let next = std::thread::spawn(move || {
        waits.send(()).unwrap();
        super::open(&at, 2, &Settings::default(), &mut Patience::default())
    });
    waiting.recv().unwrap();
    assert!(open(&old.at, 2, &Settings::default()).is_err(), "it is taken");
    drop(old);
    assert_eq!(next.join().unwrap().unwrap().sockets.len(), 2);
}

#[test]
fn every_error_says_what_to_change_and_what_is_so() {
    let tcp = |address: &str| Listen::Tcp(address.parse().unwrap());
    let unix = Listen::Unix("/run/holdfast.sock".into());
    for (at, errno, part) in [
        (tcp("127.0.0.1:80"), Errno::ACCESS, "ports below 1024"),
        (tcp("127.0.0.1:8085"), Errno::ACCESS, "SELinux"),
        (tcp("[2001:db8::1]:80"), Errno::ADDRNOTAVAIL, "[::]:PORT"),
        (tcp("[::1]:80"), Errno::AFNOSUPPORT, "no such addresses"),
        (tcp("127.0.0.1:80"), Errno::MFILE, "ulimit -n"),
        (unix.clone(), Errno::NOBUFS, "memory"),
        (unix, Errno::IO, "--listen"),
    ] {
        let sentence = ListenError::of(&at, errno).to_string();
        assert!(sentence.contains(&at.to_string()) && sentence.contains(part), "{sentence}");
    }
}

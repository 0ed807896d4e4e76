//! The seeds of the fuzz target: replayed here, and made by the test that is ignored.

use std::fs;
use std::path::PathBuf;

use holdfast_nats::fuzz::protocol;

const SEEDS: [(&str, &[u8]); 7] = [
    (
        "info",
        b"\x07INFO {\"server_id\":\"A\",\"max_payload\":1048576,\"connect_urls\":[\"a:1\"],\"ldm\":true}\r\n",
    ),
    ("short", b"\x02PING\r\nPONG\r\n+OK\r\n-ERR 'x'\r\n-ERR\r\n"),
    ("message", b"\x04MSG a.b 1 5\r\nhello\r\nMSG a 1 r 0\r\n\r\n"),
    (
        "headers",
        b"\x05HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG a 1 18 20\r\nNATS/1.0\r\nk: v\r\n\r\nhi\r\n",
    ),
    ("bare", b"\x01HMSG a 1 r 3 5\r\nxyzhi\r\n"),
    ("wraps", b"\x09MSG a 1 18446744073709551615\r\n"),
    ("long", b"\x03MSG a 1 5000\r\nxxx"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/protocol")
}

#[test]
fn the_seeds_keep_the_promises() {
    let files: Vec<_> =
        fs::read_dir(folder()).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    assert!(files.len() >= 7, "seeds are missing; the ignored test makes them");
    for file in files {
        protocol(&fs::read(&file).expect("a seed"));
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn make_the_seeds() {
    fs::create_dir_all(folder()).expect("a folder");
    for (name, bytes) in SEEDS {
        fs::write(folder().join(name), bytes).expect("a seed");
    }
}

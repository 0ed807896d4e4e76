//! The seeds of the fuzz targets: replayed here, and made by the test that is ignored.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use common::{AUTHORITY, ECDSA, RSA, Wishes, client, client_config, in_rustls, options};
use holdfast_tls::fuzz::{handshake, leaf, records, state};
use holdfast_tls::{Clients, Config, Direction, Options, Role, State, Suite};
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

type Run = fn(&[u8]);

const TARGETS: [(&str, Run); 4] =
    [("handshake", one_handshake), ("leaf", leaf), ("records", records), ("state", state)];

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let clients = Clients::Optional(AUTHORITY.pem.clone().into_bytes());
    Config::new(Options { clients, ..options() }).expect("a configuration")
});

fn one_handshake(data: &[u8]) {
    handshake(&CONFIG, data);
}

/// Conversations, as numbers that `records` reads.
const RECORDS: [(&str, &[u8]); 5] = [
    ("plain", &[0, 0, 5, 3, 9, 0, 200, 3, 255, 6, 20]),
    ("updates", &[1, 2, 1, 0, 8, 2, 0, 0, 9, 3, 70, 6, 3, 7, 0, 0, 4]),
    ("long", &[2, 1, 250, 3, 255, 3, 255, 6, 200]),
    ("changed", &[3, 0, 9, 0x64, 6, 0, 3, 3, 255]),
    ("garbage", &[4, 0, 9, 0x2D, 23, 3, 255, 5, 3]),
];

/// Its name and its bytes.
type Seed = (String, Vec<u8>);

fn seeds(target: &str) -> Vec<Seed> {
    match target {
        "records" => RECORDS.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).to_vec(),
        "leaf" => [("ecdsa", &ECDSA.0), ("rsa", &RSA.0), ("authority", &AUTHORITY.pem)]
            .map(|(name, pem)| {
                let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
                (name.to_owned(), der.to_vec())
            })
            .to_vec(),
        "state" => Suite::ALL
            .map(|suite| {
                let lens = [28, 32, 44, 48];
                let state = lens.into_iter().find_map(|len| {
                    let secret = vec![len; len.into()];
                    let direction = Direction { secret: &secret, number: 3 };
                    State::new(suite, Role::Server, &direction, &direction)
                });
                let carried = state.expect("a state").carried();
                (suite.name().to_owned(), [&carried[..], &[23, 3, 3, 0, 20], &[1; 20]].concat())
            })
            .to_vec(),
        _ => Suite::ALL
            .map(|suite| {
                let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
                let mut hello = vec![40];
                client(&client_config(wishes), "one.example").write_tls(&mut hello).expect("memory");
                (suite.name().to_owned(), hello)
            })
            .to_vec(),
    }
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn the_seeds_keep_the_promises() {
    for (name, target) in TARGETS {
        let files: Vec<_> =
            fs::read_dir(folder(name)).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
        assert!(files.len() >= 3, "{name}: seeds are missing; the ignored test makes them");
        for file in files {
            target(&fs::read(&file).expect("a seed"));
        }
    }
}

#[test]
fn what_is_made_now_keeps_the_promises() {
    for (name, target) in TARGETS {
        seeds(name).iter().for_each(|(_, bytes)| target(bytes));
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn make_the_seeds() {
    for (target, _) in TARGETS {
        fs::create_dir_all(folder(target)).expect("a folder");
        for (seed, bytes) in seeds(target) {
            fs::write(folder(target).join(seed), bytes).expect("a seed");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_keep_the_promises(data in prop::collection::vec(any::<u8>(), 0..120)) {
        TARGETS.iter().for_each(|(_, target)| target(&data));
    }

    #[test]
    fn changed_seeds_keep_the_promises(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..6),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (name, target) in TARGETS {
            let all = &SEEDS[TARGETS.iter().position(|(other, _)| *other == name).expect("a target")];
            let mut bytes = which.get(all).1.clone();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let end = end.map_or(bytes.len(), |end| end.index(bytes.len()));
            target(&bytes[..end]);
        }
    }
}

static SEEDS: LazyLock<Vec<Vec<Seed>>> =
    LazyLock::new(|| TARGETS.iter().map(|(name, _)| seeds(name)).collect());

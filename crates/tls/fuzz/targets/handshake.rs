//! Any bytes: see [`holdfast_tls::fuzz::handshake`].
#![no_main]

use std::sync::{Arc, LazyLock};

use holdfast_tls::{Certificate, Clients, Clock, Config, Options, Suite, Tickets};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["one.example".to_owned()]).expect("a certificate");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let options = Options {
        suites: Suite::ALL.to_vec(),
        certificates: vec![Certificate::read(pem.as_bytes(), key.as_bytes()).expect("a certificate")],
        serves_unknown_names: true,
        clients: Clients::Optional(pem.into_bytes()),
        tickets: Some(Arc::new(Tickets::made(3600, 0).expect("keys"))),
        clock: Arc::new(Clock::new(1_795_824_000)),
    };
    Config::new(options).expect("a configuration")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_tls::fuzz::handshake(&CONFIG, data));

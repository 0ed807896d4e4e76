//! rustls as the oracle: what it says is understood, and what it hears is what was said, however it is cut.

mod common;

use common::{Pair, Server, Wishes, client, client_config, in_rustls, options};
use holdfast_tls::{Alert, Config, End, Suite};

/// How many seeds are run; more with `HOLDFAST_SEEDS`, and one alone with `HOLDFAST_SEED`.
fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("HOLDFAST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HOLDFAST_SEEDS").unwrap_or(60)).collect(),
    }
}

#[test]
fn every_seed_is_a_conversation_in_which_nothing_is_lost() {
    let config = Config::new(options()).expect("a configuration");
    for seed in seeds() {
        let suite = Suite::ALL[usize::try_from(seed % 6).expect("few")];
        conversation(&config, suite, seed);
    }
}

fn conversation(config: &Config, suite: Suite, seed: u64) {
    let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
    let mut server = Server::new(config);
    let is_v13 = suite.name().starts_with("tls13");
    server.refreshes_each = usize::try_from(seed % 5).expect("few");
    let mut pair = Pair::new(client(&client_config(wishes), "one.example"), server, seed);
    // Half of the clients speak as soon as they may, behind their Finished.
    if seed.is_multiple_of(2) {
        pair.run();
    }
    let (mut said, mut updates) = (Vec::new(), 0);
    for _ in 0..12 {
        let len = match pair.random.below(4) {
            0 => 1 + pair.random.below(125),
            1 => 16_380 + pair.random.below(10),
            2 => pair.random.below(40_000),
            _ => 64,
        };
        let data: Vec<_> =
            (0..len).map(|at| u8::try_from((at + said.len()) % 253).expect("a byte")).collect();
        pair.say(&data);
        said.extend(data);
        if is_v13 && !pair.client.is_handshaking() && pair.random.below(3) == 0 {
            pair.client.refresh_traffic_keys().expect("an update");
            updates += 1;
        }
        if pair.random.below(2) == 0 {
            pair.run();
        }
    }
    pair.run();
    assert_eq!(pair.client_error, None, "seed {seed}");
    assert!(pair.heard == said, "seed {seed}: {} of {} bytes", pair.heard.len(), said.len());
    assert_eq!((pair.established().suite, pair.server.end), (suite, None), "seed {seed}");
    assert!(pair.server.key_updates >= updates, "seed {seed}");
    pair.client.send_close_notify();
    pair.run();
    assert_eq!(pair.server.end, Some(End::Closed), "seed {seed}");
    // The server's own close_notify came, too.
    assert!(pair.client.process_new_packets().expect("no error").peer_has_closed(), "seed {seed}");
}

#[test]
fn a_client_that_breaks_off_is_heard() {
    let config = Config::new(options()).expect("a configuration");
    for suite in Suite::ALL {
        let wishes = Wishes { suites: in_rustls(suite), ..Wishes::default() };
        let mut pair = Pair::new(client(&client_config(wishes), "one.example"), Server::new(&config), 1);
        pair.run();
        // What no server has sealed makes rustls send a fatal alert.
        let mut garbage = vec![23, 3, 3, 0, 40];
        garbage.extend([7; 40]);
        pair.server.out.extend(garbage);
        pair.run();
        assert!(pair.client_error.is_some());
        assert_eq!(pair.server.end, Some(End::Alerted(Alert::BadRecordMac.number())), "{suite:?}");
    }
}

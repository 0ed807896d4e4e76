//! SIGHUP: keys and handlers are read again while all are connected.

use holdfast::settings::DriverChoice;
use rustix::process::Signal;

use super::house::{House, KEY, SECOND_KEY, Token, chat, errors_to, of_user, settings, upgrade};
use super::service::{Answer, Service};
use crate::on_every_rung;
use crate::rig::wait_until;

on_every_rung!(
    a_new_key_is_good_at_once_and_an_old_one_no_more,
    a_file_that_is_not_good_changes_nothing,
    events_go_to_the_new_service,
);

const NEW_KEY: &str = "a-key-that-was-not-there-before-0123";

fn may_connect(house: &House, key: &str) -> bool {
    let mut peer = house.peer();
    peer.send(&upgrade("chat", &Token { key, ..Token::default() }.sign(), ""));
    match peer.read_status() {
        101 => true,
        401 => false,
        status => panic!("{status}"),
    }
}

fn a_new_key_is_good_at_once_and_an_old_one_no_more(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.event() {
        "user.message" => Answer::text("still here"),
        _ => Answer::ok(),
    });
    let house = House::of(rung, &service);
    let mut client = house.client(&Token { key: SECOND_KEY, ..Token::default() }.sign());
    let mut asks = house.rest();
    assert_eq!(asks.ask("HEAD", "hubs/chat/groups/g", "").status, 404);
    assert!(!may_connect(&house, NEW_KEY));
    house.write("second", NEW_KEY);
    house.process.signal(Signal::HUP);
    wait_until("the new key is good", || may_connect(&house, NEW_KEY));
    assert!(may_connect(&house, KEY) && !may_connect(&house, SECOND_KEY));
    // Who is connected stays, whatever opened the door.
    client.send_text("hello");
    client.expect_text("still here");
    assert_eq!(asks.ask("HEAD", "hubs/chat/groups/g", "").status, 404);
}

fn a_file_that_is_not_good_changes_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let hubs = chat(&service, "");
    let house = House::start(rung, "", &hubs, |folder, command| errors_to(folder, command, "errors"));
    let _client = house.client(&of_user("ann"));
    let said = || std::fs::read_to_string(house.path("errors")).unwrap();
    let good = settings(rung, "", &hubs);
    let broken = [
        ("a short key", "second", "short".to_owned()),
        ("nothing", "settings", String::new()),
        ("no settings", "settings", "hub = \n".to_owned()),
        ("an unknown name", "settings", format!("{good}\nsystem-event = []\n")),
        ("a handler nowhere", "settings", good.replace("http://", "ftp://")),
        (
            "an authority that is none",
            "settings",
            good.replace("[hub.chat]", "[hub.chat]\nupstream-ca = \"/dev/null\""),
        ),
    ];
    for (count, (what, file, text)) in broken.iter().enumerate() {
        // A key that would be good with the rest.
        house.write("key", NEW_KEY);
        house.write(file, text);
        house.process.signal(Signal::HUP);
        wait_until(what, || said().matches("hubs stay as they were").count() > count);
        assert!(may_connect(&house, KEY) && !may_connect(&house, NEW_KEY), "{what}");
        house.write("settings", &good);
        house.write("key", KEY);
        house.write("second", SECOND_KEY);
    }
    house.write("key", NEW_KEY);
    house.process.signal(Signal::HUP);
    wait_until("what is good is taken", || may_connect(&house, NEW_KEY));
}

fn events_go_to_the_new_service(rung: DriverChoice) {
    let old = Service::start(|_| Answer::ok());
    let new = Service::start(|_| Answer::ok());
    let house = House::of(rung, &old);
    let mut client = house.client(&of_user("ann"));
    client.send_text("to the old one");
    old.wait_for("user.message", 1);
    house.write("settings", &settings(rung, "", &chat(&new, "")));
    house.process.signal(Signal::HUP);
    wait_until("the new one hears", || {
        client.send_text("to whoever listens");
        !new.heard_of("user.message").is_empty()
    });
    client.close();
    let gone = new.wait_for("sys.disconnected", 1);
    assert_eq!(gone[0].header("ce-userId"), "ann");
    assert!(old.heard_of("sys.disconnected").is_empty());
}

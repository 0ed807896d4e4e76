//! A server that is about to end.

use std::time::{Duration, Instant};

use holdfast_nats::NatsBus;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::node::{SOON, all, here, number, options, say};
use crate::server::{Server, pair};

/// What one node has heard of another: numbers, of which those that come late are dropped as a node drops them.
#[derive(Default)]
struct Heard {
    last: u64,
    missed: u64,
}

impl Heard {
    fn take(&mut self, bus: &mut NatsBus) {
        for message in all(bus) {
            let number = number(&message);
            if number > self.last {
                self.missed += number - self.last - 1;
                self.last = number;
            }
        }
    }
}

async fn hear_each_other(nodes: (&mut NatsBus, &mut NatsBus)) {
    let deadline = Instant::now() + SOON;
    let (mut first, mut second) = (false, false);
    while !(first && second) {
        assert!(Instant::now() < deadline, "they do not hear each other");
        say(nodes.0, 0, 8).unwrap();
        say(nodes.1, 0, 8).unwrap();
        sleep(Duration::from_millis(20)).await;
        (first, second) = (first || !all(nodes.0).is_empty(), second || !all(nodes.1).is_empty());
    }
    sleep(Duration::from_millis(300)).await;
    all(nodes.0);
    all(nodes.1);
}

#[tokio::test]
async fn a_server_about_to_end_is_left_before_it_does_and_nothing_is_lost_or_out_of_order() {
    let Some((first, second)) = pair("") else { return };
    let mut a = here(&options(&first, 1)).await;
    let mut b = here(&options(&second, 2)).await;
    hear_each_other((&mut a, &mut b)).await;
    let (mut heard_a, mut heard_b, mut number) = (Heard::default(), Heard::default(), 0);
    let start = Instant::now();
    let (mut told, mut moved) = (start, None);
    // 2,000 messages in a second, each way, until three seconds after it has moved.
    while moved.is_none_or(|moved: Instant| moved.elapsed() < Duration::from_secs(3)) {
        assert!(start.elapsed() < SOON, "{:?}", a.status());
        for _ in 0..10 {
            number += 1;
            say(&mut a, number, 128).unwrap();
            say(&mut b, number, 128).unwrap();
        }
        if number == 1_000 {
            first.signal(Signal::USR2);
            told = Instant::now();
        }
        if moved.is_none() && a.status().counts.sessions == 2 {
            moved = Some(Instant::now());
            // The server cuts its clients off 10 s after the notice.
            assert!(told.elapsed() < Duration::from_secs(9), "{:?}", told.elapsed());
        }
        sleep(Duration::from_millis(5)).await;
        heard_a.take(&mut a);
        heard_b.take(&mut b);
    }
    let deadline = Instant::now() + SOON;
    while (heard_a.last, heard_b.last) != (number, number) {
        assert!(Instant::now() < deadline, "{} and {} of {number}", heard_a.last, heard_b.last);
        sleep(Duration::from_millis(5)).await;
        heard_a.take(&mut a);
        heard_b.take(&mut b);
    }
    assert_eq!((heard_a.missed, heard_b.missed), (0, 0));
    let status = a.status();
    assert!(status.server.unwrap().contains(&second.url()));
    assert_eq!((status.counts.lost, status.counts.dropped, status.last_error), (0, 0, None));
}

#[tokio::test]
async fn without_another_server_it_stays_until_the_end_and_is_away_then() {
    let Some(server) = Server::start("lame_duck_grace_period: 3s\nlame_duck_duration: 33s") else { return };
    let bus = here(&options(&server, 1)).await;
    server.signal(Signal::USR2);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bus.status().session, Some(1));
    let port = server.kill();
    crate::node::until(&bus, "it is away", |bus| bus.status().session.is_none()).await;
    let _server = Server::start_on(port, "").unwrap();
    crate::node::until(&bus, "it is back", |bus| bus.status().session == Some(2)).await;
}

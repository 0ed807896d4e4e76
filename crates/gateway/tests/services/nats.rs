//! Events over NATS, with a real server and services that speak its protocol by hand. Without a nats-server these tests
//! are skipped, and say so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use holdfast::settings::DriverChoice;
use rustix::process::Signal;

use super::house::{House, KEY, Token, member, of_user, upgrade};
use super::nats_server::Server;
use super::service::Service;
use crate::on_every_rung;
use crate::rig::wait_until;

on_every_rung!(
    a_listener_hears_what_services_hear_and_nobody_waits_for_it,
    a_hub_with_listeners_only_takes_events,
    a_listener_whose_server_is_away_costs_its_events_only,
    each_listener_keeps_its_connection_when_settings_are_read_again,
    a_service_that_is_asked_by_nats_answers_as_one_over_http,
    where_nobody_listens_a_client_is_refused_at_once,
);

/// A message as it came.
#[derive(Clone, Debug)]
struct Said {
    subject: String,
    reply: Option<String>,
    headers: String,
    body: String,
}

impl Said {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let mut lines = self.headers.lines().filter_map(|line| line.strip_prefix(&start));
        let value = lines.next().unwrap_or_default();
        assert!(lines.next().is_none(), "{name} once: {self:?}");
        value
    }
}

/// One that listens below a subject, in a queue group, and answers with what its script says.
struct Ear {
    heard: Arc<Mutex<Vec<Said>>>,
}

impl Ear {
    /// `script` makes the headers, each with its line end, and the body of an answer.
    fn new(server: &Server, script: impl Fn(&Said) -> (String, String) + Send + 'static) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let (mut writer, mut reader) = (stream.try_clone().unwrap(), BufReader::new(stream));
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        writer
            .write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB events.> q 1\r\nPING\r\n")
            .unwrap();
        while line != "PONG\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            while let Some(said) = read(&mut reader, &mut writer) {
                kept.lock().unwrap().push(said.clone());
                let Some(reply) = &said.reply else { continue };
                let (headers, body) = script(&said);
                let headers = format!("NATS/1.0\r\n{headers}\r\n");
                let lens = format!("{} {}", headers.len(), headers.len() + body.len());
                write!(writer, "HPUB {reply} {lens}\r\n{headers}{body}\r\n").unwrap();
            }
        });
        Self { heard }
    }

    fn heard(&self, event: &str) -> Vec<Said> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|said| said.subject == format!("events.chat.{event}")).cloned().collect()
    }

    #[track_caller]
    fn wait_for(&self, event: &str, count: usize) {
        wait_until(event, || self.heard(event).len() >= count);
        assert_eq!(self.heard(event).len(), count);
    }
}

/// The next message; none at the end.
fn read(reader: &mut BufReader<TcpStream>, writer: &mut TcpStream) -> Option<Said> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let (subject, reply, headers, all) = match words[..] {
            ["PING"] => {
                writer.write_all(b"PONG\r\n").ok()?;
                continue;
            }
            ["MSG", subject, _, len] => (subject, None, "0", len),
            ["MSG", subject, _, reply, len] => (subject, Some(reply), "0", len),
            ["HMSG", subject, _, headers, all] => (subject, None, headers, all),
            ["HMSG", subject, _, reply, headers, all] => (subject, Some(reply), headers, all),
            _ => continue,
        };
        let mut bytes = vec![0; all.parse::<usize>().unwrap() + 2];
        reader.read_exact(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).unwrap();
        let (headers, body) = text.split_at(headers.parse().unwrap());
        let body = body.strip_suffix("\r\n").unwrap().to_owned();
        let (subject, reply) = (subject.to_owned(), reply.map(str::to_owned));
        return Some(Said { subject, reply, headers: headers.to_owned(), body });
    }
}

fn no_answer(_: &Said) -> (String, String) {
    unreachable!("nobody asks")
}

fn listener(server: &Server, more: &str) -> String {
    format!("[[hub.chat.listener]]\nurl = \"{}/events\"\n{more}\n", server.url())
}

fn wait_until_here(house: &House) {
    let metric = "holdfast_hub_listeners{hub=\"chat\",state=\"here\"}";
    wait_until("the listener's server is there", || house.process.metric(metric) == 1);
}

fn a_listener_hears_what_services_hear_and_nobody_waits_for_it(rung: DriverChoice) {
    let Some(server) = Server::start("") else { return };
    let (service, ear) = (Service::quiet(), Ear::new(&server, no_answer));
    let hubs = super::house::chat(&service, "") + &listener(&server, "user-events = [\"message\", \"join\"]");
    let house = House::new(rung, "", &hubs);
    wait_until_here(&house);
    let mut client = house.client(&of_user("Ann"));
    client.send_text("hello");
    let mut other = house.json(&member());
    for event in ["Join", "other"] {
        other.say(&format!(r#"{{"type":"event","event":"{event}","dataType":"text","data":"x","ackId":1}}"#));
        assert_eq!(other.hear()["type"], "ack");
    }
    client.close();
    service.wait_for("sys.disconnected", 1);
    ear.wait_for("connected", 2);
    ear.wait_for("message", 1);
    ear.wait_for("event.join", 1);
    ear.wait_for("disconnected", 1);
    assert!(ear.heard("event.other").is_empty() && ear.heard("connect").is_empty());
    let (said, posted) = (&ear.heard("message")[0], &service.heard_of("user.message")[0]);
    assert_eq!((said.body.as_str(), said.reply.as_ref()), ("hello", None));
    assert_eq!(said.header("ce-userid"), "Ann");
    for (name, value) in
        posted.headers.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("ce-"))
    {
        // The same event, told twice; only the second may have passed.
        if !name.eq_ignore_ascii_case("ce-time") {
            assert_eq!(said.header(&name.to_ascii_lowercase()), value, "{name}");
        }
    }
    assert_eq!(ear.heard("event.join")[0].header("ce-eventname"), "Join");
    assert_eq!(ear.heard("disconnected")[0].header("ce-connectionid"), said.header("ce-connectionid"));
}

fn a_hub_with_listeners_only_takes_events(rung: DriverChoice) {
    let Some(server) = Server::start("") else { return };
    let ear = Ear::new(&server, no_answer);
    let house =
        House::new(rung, "", &format!("[hub.chat]\n{}", listener(&server, "user-events = \"message\"")));
    wait_until_here(&house);
    let mut client = house.client(&member());
    client.send_text("hello");
    ear.wait_for("message", 1);
    let mut other = house.json(&member());
    let event =
        |name: &str| format!(r#"{{"type":"event","event":"{name}","dataType":"text","data":"x","ackId":1}}"#);
    assert_eq!(other.request(&event("message")), None);
    let second = event("other").replace("\"ackId\":1", "\"ackId\":2");
    assert_eq!(other.request(&second).as_deref(), Some("InternalServerError"), "nobody hears that");
    ear.wait_for("message", 2);
    drop((client, other));
    ear.wait_for("disconnected", 2);
}

fn a_listener_whose_server_is_away_costs_its_events_only(rung: DriverChoice) {
    let Some(server) = Server::start("") else { return };
    let hubs = format!("[hub.chat]\n{}", listener(&server, ""));
    let house = House::new(rung, "", &hubs);
    wait_until_here(&house);
    let port = server.kill();
    let away = "holdfast_hub_listeners{hub=\"chat\",state=\"away\"}";
    wait_until("it is away", || house.process.metric(away) == 1);
    let mut client = house.json(&member());
    for ack in 1..=100 {
        let event = format!(r#"{{"type":"event","event":"a","dataType":"text","data":"x","ackId":{ack}}}"#);
        assert_eq!(client.request(&event), None);
    }
    let counted = "holdfast_hub_listener_events_total{hub=\"chat\",outcome=\"away\"}";
    wait_until("they are counted", || house.process.metric(counted) == 101);
    let server = Server::start_on(port, "").unwrap();
    let ear = Ear::new(&server, no_answer);
    wait_until_here(&house);
    let event = r#"{"type":"event","event":"b","dataType":"text","data":"x","ackId":101}"#;
    assert_eq!(client.request(event), None);
    ear.wait_for("event.b", 1);
    assert!(ear.heard("event.a").is_empty(), "none of the old");
}

fn each_listener_keeps_its_connection_when_settings_are_read_again(rung: DriverChoice) {
    const NEW_KEY: &str = "a-key-that-was-not-there-before-0123";
    let Some(server) = Server::start("") else { return };
    let one = listener(&server, "");
    let other = one.replace("/events\"", "/others\"");
    let house = House::new(rung, "", &format!("[hub.chat]\n{one}\n{other}"));
    let here = || house.process.metric("holdfast_hub_listeners{hub=\"chat\",state=\"here\"}");
    let told = || house.process.metric("holdfast_hub_listener_events_total{hub=\"chat\",outcome=\"ok\"}");
    wait_until("both are here", || here() == 2);
    let _client = house.json(&member());
    wait_until("both have heard of it", || told() == 2);
    house.write("second", NEW_KEY);
    house.process.signal(Signal::HUP);
    let new = Token { key: NEW_KEY, ..Token::default() }.sign();
    wait_until("settings were read again", || {
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &new, ""));
        peer.read_status() == 101
    });
    // That one came and went.
    wait_until("each has heard each thing once", || told() == 6);
    assert_eq!(here(), 2);
}

fn handler(server: &Server, more: &str) -> String {
    format!("[hub.chat]\n[[hub.chat.handler]]\nurl = \"{}/events\"\n{more}\n", server.url())
}

fn a_service_that_is_asked_by_nats_answers_as_one_over_http(rung: DriverChoice) {
    let Some(server) = Server::start("") else { return };
    let ear = Ear::new(&server, |said| {
        let answer = |headers: &str, body: &str| (headers.to_owned(), body.to_owned());
        match said.subject.rsplit('.').next().unwrap() {
            "connect" if said.body.contains("\"bob\"") => answer("status: 401\r\n", "not you"),
            // What a stream says that keeps the subject.
            "connect" if said.body.contains("\"carol\"") => answer("", r#"{"stream":"X","seq":1}"#),
            "connect" => answer(
                "content-type: application/json\r\nce-connectionstate: YQ==\r\n",
                r#"{"userId":"Ann","groups":["g"]}"#,
            ),
            "message" => {
                let state = said.header("ce-connectionstate");
                answer(
                    "content-type: text/plain\r\n",
                    &format!("{} {state} {}", said.header("ce-userid"), said.body),
                )
            }
            _ => answer("", ""),
        }
    });
    let house = House::new(rung, "", &handler(&server, "headers = { x-key = \"marker\" }"));
    let here = "holdfast_hub_upstreams{hub=\"chat\",state=\"closed\"}";
    wait_until("the handler's server is there", || house.process.metric(here) == 1);
    let mut client = house.client(&of_user("someone"));
    client.send_text("hello");
    client.expect_text("Ann YQ== hello");
    let refused = |user: &str| {
        let request = String::from_utf8(upgrade("chat", &of_user(user), "")).unwrap();
        let target = request.split(' ').nth(1).unwrap().to_owned();
        house.refusal(&target, "")
    };
    let bob = refused("bob");
    assert_eq!((bob.status, bob.body.as_str()), (401, "not you\n"));
    assert_eq!(refused("carol").status, 500);
    client.close();
    for (event, count) in [("connect", 3), ("connected", 1), ("message", 1), ("disconnected", 1)] {
        ear.wait_for(event, count);
        assert_eq!(ear.heard(event)[0].header("x-key"), "marker");
    }
}

fn where_nobody_listens_a_client_is_refused_at_once(rung: DriverChoice) {
    let Some(server) = Server::start("") else { return };
    let house = House::new(rung, "", &handler(&server, ""));
    let here = "holdfast_hub_upstreams{hub=\"chat\",state=\"closed\"}";
    wait_until("the handler's server is there", || house.process.metric(here) == 1);
    let token = Token { key: KEY, ..Token::default() }.sign();
    let refused = house.refusal(&format!("/client/hubs/chat?access_token={token}"), "");
    assert_eq!(refused.status, 500);
    let failed = "holdfast_hub_events_total{hub=\"chat\",event=\"connect\",outcome=\"failed\"}";
    assert_eq!(house.process.metric(failed), 1);
    // Not after upstream-timeout: the sum of all is less than its 30 s.
    let text = crate::rig::process::get(house.process.admin, "/metrics");
    let sum = text
        .lines()
        .find_map(|line| line.strip_prefix("holdfast_hub_event_duration_seconds_sum{hub=\"chat\"} "));
    assert!(sum.unwrap().parse::<f64>().unwrap() < 10.0, "{sum:?}");
}

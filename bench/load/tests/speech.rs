//! `holdfast-load fan-out` with clients that speak a protocol, against a small server that sends what is posted to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(clippy::result_large_err, reason = "tungstenite's callback has it so")]

mod servers;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use servers::{assert_success, complaint, load, tcp};
use tungstenite::handshake::server::{Request, Response};

/// Connections of a run.
const COUNT: usize = 30;
/// How often each is sent to.
const ROUNDS: usize = 3;

/// Where clients connect and messages are posted, and how many answers have come.
struct Server {
    clients: String,
    post: String,
    answers: Arc<AtomicUsize>,
}

/// Greets its clients, who ask for the subprotocol `talk`, and sends each what is posted, as `envelope` makes it of the
/// message's number and text.
fn server(envelope: fn(usize, &str) -> String) -> Server {
    let streams = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(AtomicUsize::new(0));
    let (held, counted) = (Arc::clone(&streams), Arc::clone(&answers));
    let clients = tcp(move |stream| talk(stream, &held, &counted));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let post = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let text = body(&stream);
            for client in streams.lock().unwrap().iter_mut() {
                say(client, &envelope(index + 1, &text));
            }
            write!(stream, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }
    });
    Server { clients, post, answers }
}

/// One client, to its end.
fn talk(stream: TcpStream, streams: &Mutex<Vec<TcpStream>>, answers: &AtomicUsize) {
    let mut writer = stream.try_clone().unwrap();
    let agree = |request: &Request, mut response: Response| {
        if request.headers().get("Sec-WebSocket-Protocol").is_some_and(|it| it == "talk") {
            response.headers_mut().insert("Sec-WebSocket-Protocol", "talk".parse().unwrap());
        }
        Ok(response)
    };
    let Ok(mut connection) = tungstenite::accept_hdr(stream, agree) else { return };
    say(&mut writer, "welcome");
    streams.lock().unwrap().push(writer);
    while let Ok(message) = connection.read() {
        let text = message.to_text().unwrap_or_default();
        answers.fetch_add(usize::from(text.starts_with("heard_")), SeqCst);
    }
    // Its other half is held still.
    let _ = connection.get_ref().shutdown(Shutdown::Both);
}

/// Sends a short text message.
fn say(client: &mut TcpStream, text: &str) {
    let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
    frame.extend_from_slice(text.as_bytes());
    // One that has left is missed by the run.
    let _ = client.write_all(&frame);
}

/// The body of a request.
fn body(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut len, mut is_plain, mut line) = (0, false, String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        let lower = line.to_ascii_lowercase();
        is_plain |= lower.starts_with("content-type: text/plain");
        len = lower.strip_prefix("content-length:").map_or(len, |value| value.trim().parse().unwrap());
        line.clear();
    }
    assert!(is_plain, "the header is sent");
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn fan_out(server: &Server, protocol: &str) -> std::process::Output {
    let (clients, post) = (&server.clients, &server.post);
    load(&format!(
        "fan-out -n {COUNT} --rounds {ROUNDS} --stall 5s --settle 200ms --url ws://{clients}/ --post http://{post}/ \
         --header Content-Type:text/plain --protocol {protocol} --hears <{{number}}>{{text}} --says heard_{{number}} \
         --says-every 2"
    ))
}

#[test]
fn clients_hear_messages_in_their_envelope_and_answer_some() {
    let server = server(|number, text| format!("<{number}>{text}"));
    assert_success(&fan_out(&server, "talk"));
    assert_eq!(server.answers.load(SeqCst), COUNT, "the second of three messages is answered");
}

#[test]
fn a_wrong_number_in_an_envelope_fails_the_run() {
    let server = server(|number, text| format!("<{}>{text}", number.max(2)));
    let output = fan_out(&server, "talk");
    assert!(!output.status.success());
    assert!(complaint(&output).contains("a wrong message, one for others"), "{}", complaint(&output));
}

#[test]
fn a_server_without_the_subprotocol_fails_the_run() {
    let server = server(|number, text| format!("<{number}>{text}"));
    let output = fan_out(&server, "chatter");
    assert!(!output.status.success());
    assert!(complaint(&output).contains("without the subprotocol chatter"), "{}", complaint(&output));
}

//! The program with hubs, and those who talk to it: clients, and services by REST.

use std::fs::File;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast::settings::DriverChoice;
use holdfast_webpubsub::token::{AccessKey, ClientToken, sign_client, sign_rest};
use serde_json::Value;
use tempfile::TempDir;

use super::service::Service;
use crate::rig::peer::{Response, request_with};
use crate::rig::process::{Process, command, name};
use crate::rig::{Peer, wait_until};

pub const KEY: &str = "the-primary-key-0123456789abcdefghij";
pub const SECOND_KEY: &str = "the-secondary-key-zyxwvutsrqponmlkji";
pub const JSON: &str = "Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n";
const API: &str = "api-version=2024-12-01";

/// The program. Its settings file is in a folder of its own, which the text of a settings file calls `@`.
pub struct House {
    pub process: Process,
    pub folder: TempDir,
}

impl House {
    /// With one hub, `chat`, whose events this service hears.
    pub fn of(rung: DriverChoice, service: &Service) -> Self {
        Self::new(rung, "", &chat(service, ""))
    }

    /// With settings that are put before those that keep every test quick and quiet, and tables of hubs.
    pub fn new(rung: DriverChoice, first: &str, hubs: &str) -> Self {
        Self::start(rung, first, hubs, |_, command| command)
    }

    /// The same, where the command is changed before it is run.
    pub fn start(
        rung: DriverChoice,
        first: &str,
        hubs: &str,
        change: impl FnOnce(&TempDir, std::process::Command) -> std::process::Command,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder, "key", KEY);
        write(&folder, "second", SECOND_KEY);
        write(&folder, "settings", &settings(rung, first, hubs));
        let path = folder.path().join("settings");
        let command = change(&folder, command(&["--config", path.to_str().unwrap()]));
        let process = Process::of(&mut { command });
        Self { process, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        write(&self.folder, name, text);
    }

    pub fn peer(&self) -> Peer {
        Peer::connect(self.process.websocket)
    }

    /// A client without a subprotocol.
    #[track_caller]
    pub fn client(&self, token: &str) -> Peer {
        let mut peer = self.peer();
        peer.send(&upgrade("chat", token, ""));
        peer.expect_accepted();
        peer
    }

    /// A client with the JSON subprotocol.
    #[track_caller]
    pub fn json(&self, token: &str) -> Json {
        Json::over(self.peer(), token)
    }

    /// What an opening handshake is refused with.
    #[track_caller]
    pub fn refusal(&self, target: &str, lines: &str) -> Response {
        let mut peer = self.peer();
        peer.send(&request_with(target, lines));
        let response = peer.read_response();
        assert_ne!(response.status, 101, "{target} {lines}");
        read_body(&mut peer, response)
    }

    pub fn rest(&self) -> Rest {
        Rest { peer: self.peer() }
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        self.rest().ask(method, path, body)
    }

    #[track_caller]
    pub fn wait_until_held(&self, count: u64) {
        wait_until("they are held", || self.process.metric("holdfast_connections") == count);
    }
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let text = text.replace("@/", &format!("{}/", folder.path().to_str().unwrap()));
    std::fs::write(folder.path().join(name), text).expect("written");
}

/// A settings file.
pub fn settings(rung: DriverChoice, first: &str, hubs: &str) -> String {
    let given = |name: &str| first.lines().any(|line| line.starts_with(&format!("{name} =")));
    let mut text = format!("{first}\ndriver = \"{}\"\n", name(rung));
    for (name, value) in [
        ("access-key-file", "[\"@/key\", \"@/second\"]"),
        ("shards", "2"),
        ("connections-max", "400"),
        ("pool-bytes", "\"256KiB\""),
        ("handshake-timeout", "\"1h\""),
        ("close-timeout", "\"1h\""),
        ("send-timeout", "\"1h\""),
        ("drain-timeout", "\"1h\""),
        ("ping-interval", "\"off\""),
    ] {
        if !given(name) {
            text += &format!("{name} = {value}\n");
        }
    }
    text + hubs
}

/// The table of the hub `chat`: `more` is what else it says.
pub fn chat(service: &Service, more: &str) -> String {
    hub("chat", service, more)
}

pub fn hub(name: &str, service: &Service, more: &str) -> String {
    format!("[hub.{name}]\n{more}\n[[hub.{name}.handler]]\nurl = \"{}\"\n", service.url())
}

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The token of a client of a hub.
pub struct Token<'a> {
    pub key: &'a str,
    pub audience: &'a str,
    pub user: Option<&'a str>,
    pub roles: &'a [&'a str],
    pub groups: &'a [&'a str],
    pub expires_s: u64,
}

impl Default for Token<'_> {
    fn default() -> Self {
        let audience = "http://test/client/hubs/chat";
        Self { key: KEY, audience, user: None, roles: &[], groups: &[], expires_s: now_s() + 3600 }
    }
}

impl Token<'_> {
    pub fn sign(&self) -> String {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let token = ClientToken {
            audience: self.audience,
            user: self.user,
            roles: &owned(self.roles),
            groups: &owned(self.groups),
            issued_s: now_s(),
            expires_s: self.expires_s,
        };
        sign_client(&AccessKey::new(self.key).unwrap(), &token)
    }
}

/// The token of a client that may do anything with groups.
pub fn member() -> String {
    Token { roles: &["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"], ..Token::default() }.sign()
}

pub fn of_user(user: &str) -> String {
    Token { user: Some(user), ..Token::default() }.sign()
}

/// The request of a client.
pub fn upgrade(hub: &str, token: &str, lines: &str) -> Vec<u8> {
    request_with(&format!("/client/hubs/{hub}?access_token={token}"), lines)
}

/// A client with the JSON subprotocol.
pub struct Json {
    pub peer: Peer,
    pub id: String,
}

impl Json {
    #[track_caller]
    pub fn over(mut peer: Peer, token: &str) -> Self {
        peer.send(&upgrade("chat", token, JSON));
        let response = peer.expect_accepted();
        assert_eq!(response.header("Sec-WebSocket-Protocol"), Some("json.webpubsub.azure.v1"));
        let mut client = Self { peer, id: String::new() };
        let connected = client.hear();
        assert_eq!(connected["event"], "connected", "{connected}");
        client.id = connected["connectionId"].as_str().expect("an id").to_owned();
        client
    }

    #[track_caller]
    pub fn say(&mut self, message: &str) {
        self.peer.send_text(message);
    }

    #[track_caller]
    pub fn hear(&mut self) -> Value {
        let frame = self.peer.read_frame();
        assert!(frame.fin && frame.opcode == 1, "text: {frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Sends a request and hears whether it was carried out: nothing, or the name of the error.
    #[track_caller]
    pub fn request(&mut self, message: &str) -> Option<String> {
        self.say(message);
        let ack = self.hear();
        assert_eq!(ack["type"], "ack", "{ack}");
        (ack["success"] == false).then(|| ack["error"]["name"].as_str().expect("a name").to_owned())
    }

    #[track_caller]
    pub fn join(&mut self, group: &str) {
        let message = format!(r#"{{"type":"joinGroup","group":"{group}","ackId":1}}"#);
        assert_eq!(self.request(&message), None);
    }
}

/// A service that asks.
pub struct Rest {
    pub peer: Peer,
}

impl Rest {
    #[track_caller]
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Response {
        self.send(&rest(method, path, "", body));
        self.read(method)
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.peer.send(bytes);
    }

    #[track_caller]
    pub fn read(&mut self, method: &str) -> Response {
        let response = self.peer.read_response();
        if method == "HEAD" { response } else { read_body(&mut self.peer, response) }
    }
}

#[track_caller]
pub fn read_body(peer: &mut Peer, mut response: Response) -> Response {
    let len = response.header("Content-Length").map_or(0, |len| len.parse().expect("a length"));
    let mut body = vec![0; len];
    std::io::Read::read_exact(&mut peer.stream, &mut body).expect("the body");
    response.body = String::from_utf8(body).unwrap();
    response
}

/// A request to the data plane, with a token for it. `path` is what follows `/api/`.
pub fn rest(method: &str, path: &str, lines: &str, body: &str) -> Vec<u8> {
    rest_as(KEY, method, path, lines, body)
}

pub fn rest_as(key: &str, method: &str, path: &str, lines: &str, body: &str) -> Vec<u8> {
    let target = format!("/api/{path}{}{API}", if path.contains('?') { '&' } else { '?' });
    let token = rest_token(key, &target);
    let len = body.len();
    let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
         Content-Length: {len}\r\n{lines}\r\n{body}"
    )
    .into_bytes()
}

pub fn rest_token(key: &str, target: &str) -> String {
    sign_rest(&AccessKey::new(key).unwrap(), &format!("http://test{target}"), now_s(), now_s() + 60)
}

/// Standard error goes to this file of the folder.
pub fn errors_to(folder: &TempDir, mut command: std::process::Command, name: &str) -> std::process::Command {
    command.stderr(File::create(folder.path().join(name)).unwrap());
    command
}

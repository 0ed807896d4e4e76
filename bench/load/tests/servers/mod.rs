//! Small servers to run against, a thread per connection, and the program under test.
#![allow(dead_code, unreachable_pub, reason = "no test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// What is done with one connection whose opening handshake is complete.
pub type Behaviour = fn(&mut WebSocket<TcpStream>) -> tungstenite::Result<()>;

/// Starts a WebSocket server; its address.
pub fn websocket(behaviour: Behaviour) -> String {
    let address = tcp(move |stream| {
        let config = WebSocketConfig::default().read_buffer_size(4096);
        if let Ok(mut connection) = tungstenite::accept_with_config(stream, Some(config)) {
            // An error is how a connection ends.
            let _ = behaviour(&mut connection);
        }
    });
    format!("ws://{address}/")
}

/// Starts a TCP server; its host and port.
pub fn tcp(behaviour: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let behaviour = behaviour.clone();
            let stream = stream.unwrap();
            thread::Builder::new().stack_size(256 * 1024).spawn(move || behaviour(stream)).unwrap();
        }
    });
    address.to_string()
}

/// Sends back every message.
pub fn echo(connection: &mut WebSocket<TcpStream>) -> tungstenite::Result<()> {
    loop {
        let message = connection.read()?;
        if message.is_text() || message.is_binary() {
            connection.send(message)?;
        }
    }
}

/// Sends back every message with one bit of the fifth turned over.
pub fn corrupt(connection: &mut WebSocket<TcpStream>) -> tungstenite::Result<()> {
    let mut count = 0;
    loop {
        let message = connection.read()?;
        count += 1;
        let mut bytes = message.into_data().to_vec();
        if count == 5 {
            bytes[40] ^= 1;
        }
        connection.send(Message::binary(bytes))?;
    }
}

/// Sends back every fifth message twice.
pub fn stutter(connection: &mut WebSocket<TcpStream>) -> tungstenite::Result<()> {
    let mut count = 0;
    loop {
        let message = connection.read()?;
        count += 1;
        connection.send(message.clone())?;
        if count == 5 {
            connection.send(message)?;
        }
    }
}

/// Ends the connection without a close frame at its fifth message.
pub fn hang_up(connection: &mut WebSocket<TcpStream>) -> tungstenite::Result<()> {
    for _ in 0..4 {
        let message = connection.read()?;
        connection.send(message)?;
    }
    connection.read()?;
    Ok(())
}

/// Sends a ping before anything else, then echoes.
pub fn ping_first(connection: &mut WebSocket<TcpStream>) -> tungstenite::Result<()> {
    connection.send(Message::Ping("are you there".into()))?;
    echo(connection)
}

/// Sends back whatever bytes come.
pub fn raw_echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Answers every opening handshake with 503.
pub fn refuse(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer);
    let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
}

/// Runs `holdfast-load` with these arguments, split at spaces.
pub fn load(arguments: &str) -> Output {
    program().args(arguments.split_whitespace()).output().unwrap()
}

/// `holdfast-load`, not yet started.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_holdfast-load"))
}

/// What went to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Panics with all that was said unless the run succeeded.
pub fn assert_success(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", complaint(output));
}

/// A JSON report.
pub fn report(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

//! A peer: a blocking socket, and what a test says and hears on it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::PATIENCE;
use super::frame::{self, BINARY, CLOSE, Frame, PING, PONG, TEXT};

/// Of RFC 6455 1.3, with the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An opening handshake that is as it should be.
pub fn request(target: &str) -> Vec<u8> {
    request_with(target, "")
}

/// The same with further header lines, each with its CRLF.
pub fn request_with(target: &str, lines: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
    .into_bytes()
}

/// The gateway's answer to an opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A peer on a stream: TCP unless said otherwise.
#[derive(Debug)]
pub struct Peer<S: Read + Write = TcpStream> {
    pub stream: BufReader<S>,
}

impl Peer {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a peer connects"))
    }

    /// A peer that has this address.
    #[track_caller]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        bind(&socket, &SocketAddr::new(source, 0)).expect("an address of this machine");
        connect(&socket, &address).expect("a peer connects");
        Self::over(TcpStream::from(socket))
    }

    /// A peer, unless nobody listens any more.
    pub fn connect_or_refused(address: SocketAddr) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::over)
    }

    /// A peer that takes in hardly anything while it does not read.
    #[track_caller]
    pub fn connect_with_a_small_window(address: SocketAddr) -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        set_socket_recv_buffer_size(&socket, 4096).unwrap();
        connect(&socket, &address).expect("a peer connects");
        Self::over(TcpStream::from(socket))
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn tcp(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Says end of stream and goes on reading.
    pub fn end(&self) {
        self.tcp().shutdown(Shutdown::Write).expect("end of stream");
    }

    /// Closes with a reset.
    pub fn reset(self) {
        set_socket_linger(self.tcp(), Some(Duration::ZERO)).expect("a reset is possible");
    }

    /// Sends from another thread, so that this one can read meanwhile.
    pub fn send_beside(&self, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
        let mut stream = self.tcp().try_clone().expect("a second descriptor");
        std::thread::spawn(move || stream.write_all(&bytes).expect("all of it is taken"))
    }

    /// Whether something can be read without waiting.
    pub fn has_something(&self) -> bool {
        self.tcp().set_nonblocking(true).unwrap();
        let waits = self.stream.buffer().is_empty() && self.tcp().peek(&mut [0]).is_err();
        self.tcp().set_nonblocking(false).unwrap();
        !waits
    }

    /// Sends until nothing more goes without waiting. Returns how many bytes went.
    pub fn flood(&self, bytes: &[u8]) -> usize {
        self.tcp().set_nonblocking(true).unwrap();
        let sent = match self.tcp().write(bytes) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("a flood goes on: {error}"),
        };
        self.tcp().set_nonblocking(false).unwrap();
        sent
    }
}

impl<S: Read + Write> Peer<S> {
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the gateway takes it");
    }

    /// Sends what the gateway need not take any more.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.send(&frame::masked(TEXT, text.as_bytes()));
    }

    #[track_caller]
    pub fn send_binary(&mut self, payload: &[u8]) {
        self.send(&frame::masked(BINARY, payload));
    }

    #[track_caller]
    pub fn send_close(&mut self, code: u16, reason: &str) {
        self.send(&frame::close(code, reason));
    }

    /// The whole opening handshake.
    #[track_caller]
    pub fn open(&mut self, target: &str) -> Response {
        self.send(&request(target));
        self.expect_accepted()
    }

    #[track_caller]
    pub fn expect_accepted(&mut self) -> Response {
        let response = self.read_head();
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
        assert_eq!(response.header("Upgrade"), Some("websocket"));
        response
    }

    /// Waits for a refusal, all of it, and the end of stream behind it.
    #[track_caller]
    pub fn expect_refused(&mut self, status: u16) -> Response {
        let mut response = self.read_head();
        assert_eq!(response.status, status, "{response:?}");
        let len: usize = response.header("Content-Length").expect("a length").parse().unwrap();
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).expect("the whole body");
        response.body = String::from_utf8(body).unwrap();
        self.expect_end();
        response
    }

    /// The head of the gateway's answer, whatever it is.
    #[track_caller]
    pub fn read_response(&mut self) -> Response {
        self.read_head()
    }

    /// The status of the gateway's answer, whatever it is.
    #[track_caller]
    pub fn read_status(&mut self) -> u16 {
        self.read_head().status
    }

    #[track_caller]
    fn read_head(&mut self) -> Response {
        let status_line = self.read_line();
        let status = status_line.strip_prefix("HTTP/1.1 ").expect("a status line").split(' ').next();
        let status = status.unwrap().parse().expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                return Response { status, headers, body: String::new() };
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    #[track_caller]
    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line of the head");
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("a whole line, not {line:?}")).to_owned()
    }

    #[track_caller]
    pub fn read_frame(&mut self) -> Frame {
        frame::read(&mut self.stream)
    }

    #[track_caller]
    pub fn expect(&mut self, opcode: u8, payload: &[u8]) {
        let frame = self.read_frame();
        assert!(frame.fin && frame.opcode == opcode, "opcode {opcode}, not {}", Shown(&frame));
        assert!(frame.payload == payload, "{} bytes, not {}", payload.len(), Shown(&frame));
    }

    #[track_caller]
    pub fn expect_text(&mut self, text: &str) {
        self.expect(TEXT, text.as_bytes());
    }

    #[track_caller]
    pub fn expect_binary(&mut self, payload: &[u8]) {
        self.expect(BINARY, payload);
    }

    #[track_caller]
    pub fn expect_pong(&mut self, payload: &[u8]) {
        self.expect(PONG, payload);
    }

    #[track_caller]
    pub fn expect_ping(&mut self) {
        self.expect(PING, b"");
    }

    /// Waits for a close frame. Returns its code and reason; `None` if it was empty.
    #[track_caller]
    pub fn read_close(&mut self) -> Option<(u16, String)> {
        let frame = self.read_frame();
        assert!(frame.fin && frame.opcode == CLOSE, "a close frame, not {}", Shown(&frame));
        let (code, reason) = frame.payload.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap()))
    }

    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        let close = self.read_close();
        assert_eq!(close.as_ref().map(|(code, _)| *code), Some(code), "{close:?}");
    }

    /// Waits for the end of stream: no reset, and nothing before it.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end of stream, not a reset");
        assert!(rest.is_empty(), "nothing before the end of stream, not {} bytes", rest.len());
    }

    /// Waits until the connection is over, by end of stream or by reset, whatever comes before.
    #[track_caller]
    pub fn expect_over(&mut self) {
        let mut sink = [0; 4096];
        loop {
            match self.stream.read(&mut sink) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    assert!(
                        matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                        "over, not {error}"
                    );
                    return;
                }
            }
        }
    }

    /// Waits until the connection is reset, whatever comes before.
    #[track_caller]
    pub fn expect_reset(&mut self) {
        let end = self.stream.read_to_end(&mut Vec::new()).expect_err("a reset, not an end of stream");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }

    /// The conversation that shows that a connection works.
    #[track_caller]
    pub fn check_echo(&mut self) {
        self.send_text("are you there?");
        self.expect_text("are you there?");
    }

    /// Closes as the standard has it.
    #[track_caller]
    pub fn close(&mut self) {
        self.send_close(1000, "");
        self.expect_close(1000);
        self.expect_end();
    }
}

/// A frame in few words: payloads may be large.
struct Shown<'a>(&'a Frame);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Frame { fin, opcode, payload } = self.0;
        let start = String::from_utf8_lossy(&payload[..payload.len().min(60)]);
        write!(f, "opcode {opcode}, fin {fin}, {} bytes: {start:?}", payload.len())
    }
}

//! A service behind the gateway: an HTTP/1.1 server written here, which keeps what it hears and answers as a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::rig::wait_until;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    /// All values of a header, which is there once if at all.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} once: {self:?}");
        value
    }

    /// Such as `sys.connect` or `user.message`.
    #[track_caller]
    pub fn event(&self) -> &str {
        let kind = self.header("ce-type");
        kind.strip_prefix("azure.webpubsub.").unwrap_or_else(|| panic!("{self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What the service does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, header lines each with its CRLF, a body.
    Say(u16, String, Vec<u8>),
    /// It closes the connection.
    Cut,
}

impl Answer {
    pub fn ok() -> Self {
        Self::Say(204, String::new(), Vec::new())
    }

    pub fn status(status: u16, text: &str) -> Self {
        Self::Say(status, "Content-Type: text/plain\r\n".to_owned(), text.into())
    }

    pub fn text(text: &str) -> Self {
        Self::status(200, text)
    }

    pub fn json(body: &str) -> Self {
        Self::Say(200, "Content-Type: application/json\r\n".to_owned(), body.into())
    }
}

/// Whoever waits at it goes on once it is open.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn wait(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

type Script = dyn Fn(&Heard) -> Answer + Send + Sync;

struct Shared {
    script: Box<Script>,
    heard: Mutex<Vec<Heard>>,
    streams: Mutex<Vec<TcpStream>>,
    is_over: Mutex<bool>,
}

/// The service. It ends with the test.
pub struct Service {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Service {
    /// One that answers each event with what the script says, on a thread of the request's own.
    pub fn start(script: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script)
    }

    /// One that waits with the answer to an event until the gate is open.
    pub fn holding(event: &'static str, gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::start(move |heard| {
            if heard.event() == event {
                gate.wait();
            }
            Answer::ok()
        })
    }

    /// One that has nothing to say.
    pub fn quiet() -> Self {
        Self::start(|_| Answer::ok())
    }

    pub fn at(address: SocketAddr, script: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            heard: Mutex::default(),
            streams: Mutex::default(),
            is_over: Mutex::default(),
        });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, listener: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// What it has heard, but for the question whether it wants events at all.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// What it has heard of one kind.
    pub fn heard_of(&self, event: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.event() == event).collect()
    }

    /// The kinds of events in the order in which they came.
    pub fn events(&self) -> Vec<String> {
        self.heard().iter().map(|heard| heard.event().to_owned()).collect()
    }

    #[track_caller]
    pub fn wait_for(&self, event: &str, count: usize) -> Vec<Heard> {
        wait_until(&format!("{count} of {event} have come"), || self.heard_of(event).len() >= count);
        self.heard_of(event)
    }

    /// It is gone, with all of its connections.
    pub fn stop(mut self) -> SocketAddr {
        self.end();
        self.address
    }

    fn end(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        *self.shared.is_over.lock().unwrap() = true;
        drop(TcpStream::connect(self.address));
        listener.join().unwrap();
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            // The gateway may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        if *shared.is_over.lock().unwrap() {
            return;
        }
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, &shared));
    }
}

/// Until the gateway closes the connection, or is to hear nothing any more.
fn serve(stream: TcpStream, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some((method, heard)) = read(&mut stream) {
        let answer = if method == "OPTIONS" {
            Answer::Say(200, "WebHook-Allowed-Origin: *\r\n".to_owned(), Vec::new())
        } else {
            shared.heard.lock().unwrap().push(heard.clone());
            (shared.script)(&heard)
        };
        let Answer::Say(status, lines, body) = answer else {
            let _ = stream.get_ref().shutdown(Shutdown::Both);
            return;
        };
        let len = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status} x\r\n{lines}{len}\r\n");
        // The gateway may have given it up.
        if stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<(String, Heard)> {
    let request = line(stream)?;
    let mut words = request.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").expect("a header");
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut heard = Heard { target, headers, body: Vec::new() };
    let len = heard.header("content-length").parse().unwrap_or(0);
    heard.body = vec![0; len];
    stream.read_exact(&mut heard.body).ok()?;
    Some((method, heard))
}

fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    line.strip_suffix("\r\n").map(str::to_owned)
}

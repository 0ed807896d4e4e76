//! What a send by the [`Handle`] costs, for `bench/services/costs` to measure: a gateway that takes one client, and a
//! thread that sends to it. Each line on standard input asks for messages: how many, how many at once, and microseconds
//! from one such burst to the next. "sent" is said when the last one has been handed over. Ends with its input.
//!
//! Settings are those of `holdfast`.
#![allow(clippy::print_stdout, reason = "an example that is talked to by lines")]

use std::error::Error;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast::settings::{Action, load};
use holdfast::{
    Application, ConnectionId, Context, Gateway, Handle, HandshakeId, Message, MessageKind, Reply,
};

/// Bytes of each message.
const LEN: usize = 64;

/// The one who is sent to.
#[derive(Default)]
struct Client {
    id: Mutex<Option<ConnectionId>>,
    is_there: Condvar,
}

/// The application of one shard.
struct Listening(Arc<Client>);

impl Application for Listening {
    fn opened(&mut self, _: &mut Context<'_>, id: ConnectionId, _: HandshakeId) {
        *self.0.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        self.0.is_there.notify_all();
    }

    fn message(&mut self, _: &mut Context<'_>, _: ConnectionId, _: Message<'_>) -> Reply {
        Reply::None
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Action::Run(settings, _) = load(std::env::args_os(), std::env::vars_os())? else {
        return Err("takes the settings of holdfast to run with".into());
    };
    let client = Arc::new(Client::default());
    let shared = Arc::clone(&client);
    let gateway = Gateway::start(&settings, move |_| Listening(Arc::clone(&shared)))?;
    for address in gateway.addresses() {
        println!("websocket ws://{address}/");
    }
    for line in std::io::stdin().lines() {
        let line = line?;
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let [count, burst, pause] = numbers?[..] else { return Err("COUNT BURST MICROSECONDS".into()) };
        let id = client.id.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *client.is_there.wait_while(id, |id| id.is_none()).unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = id {
            send(gateway.handle(), id, (count, burst.max(1)), Duration::from_micros(pause));
        }
        println!("sent");
    }
    Ok(())
}

/// As a service would: each message has bytes of its own.
fn send(handle: &Handle, to: ConnectionId, (count, burst): (u64, u64), pause: Duration) {
    let mut due = Instant::now();
    for number in 0..count {
        if number % burst == 0 {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += pause;
        }
        let payload = Bytes::from(vec![b'x'; LEN]);
        while handle.send(to, MessageKind::Text, payload.clone()).is_err() {
            thread::yield_now();
        }
    }
}

//! The control side of a simulation: it answers requests that ask for no WebSocket, and gives their connections back.

use rustix::net::{SendFlags, send};

use super::World;
use super::script::ASK;
use super::witness::ANSWER;
use crate::handle::{HandedRequest, NotServed, Report};

impl World {
    /// Serves a request now and then. Whether there is any.
    pub(super) fn serve_requests(&mut self) -> bool {
        if self.handle.inbox().is_empty() {
            return false;
        }
        if self.random.per_mille(300) {
            self.serve_request();
        }
        true
    }

    /// Serves a request, if there is one. Whether there was.
    pub(super) fn serve_request(&mut self) -> bool {
        let Some(Report::Request(request)) = self.handle.inbox().try_take() else { return false };
        let HandedRequest { descriptor, bytes, origin, permit } = request;
        let rest = bytes.strip_prefix(ASK).expect("it is whole, and comes first").to_vec();
        let say =
            |descriptor: &_, answer| send(descriptor, answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        say(&descriptor, ANSWER).expect("a socket takes it");
        self.requests_served += 1;
        self.network.trace(|| format!("a request is answered; {} bytes follow", rest.len()));
        drop(permit);
        if let Err(NotServed { descriptor, bytes: back, .. }) =
            self.handle.serve(descriptor, rest.clone(), origin)
        {
            assert_eq!(back, rest, "all of it comes back");
            let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            say(&descriptor, busy).expect("a socket takes it");
        }
        true
    }
}

//! What happens to a connection that a service may want to hear of.

/// A kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody wants to connect. The opening handshake waits for the answer.
    Connect,
    /// A connection is open. Nobody waits.
    Connected,
    /// A client said something. The connection's next message waits for the answer.
    Message {
        /// The event's name, as [`names::event`](crate::names::event) takes it.
        name: Box<str>,
    },
    /// A connection has ended. Nobody waits.
    Disconnected,
}

//! What rustls tells while it makes a handshake, and gives out at no other time: the traffic secrets of TLS 1.3, from
//! which all later keys follow, and the name that the client asked for.
//!
//! rustls tells it to an object that all connections of a configuration share. Which connection it is about is known
//! by where it is told: inside of a call that this thread makes for that connection.

use std::cell::RefCell;
use std::mem;

use rustls::KeyLog;
use zeroize::Zeroizing;

/// What was told of one connection.
#[derive(Default)]
pub(crate) struct Told {
    /// The secret of what the client sends.
    pub(crate) client: Secret,
    /// The secret of what the server sends.
    pub(crate) server: Secret,
    /// The name that the client asked for.
    pub(crate) name: Option<Box<str>>,
    /// And that there is no certificate for it.
    pub(crate) is_name_unknown: bool,
}

/// A traffic secret, or nothing yet. It is on the heap, so that no move of it leaves a copy behind.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

thread_local! {
    /// Of whom this thread is told something; None between calls.
    static TOLD: RefCell<Option<Told>> = const { RefCell::new(None) };
}

/// Makes a call for a connection, and keeps what is told during it.
pub(crate) fn listening<R>(told: &mut Told, call: impl FnOnce() -> R) -> R {
    /// Takes back what was told, even if the call does not return.
    struct Back<'t>(&'t mut Told);

    impl Drop for Back<'_> {
        fn drop(&mut self) {
            if let Some(told) = TOLD.take() {
                *self.0 = told;
            }
        }
    }

    TOLD.set(Some(mem::take(told)));
    let _back = Back(told);
    call()
}

/// Keeps the name that the client has asked for, and whether there is a certificate for it.
pub(crate) fn told_name(name: Option<&str>, is_known: bool) {
    told(|told| (told.name, told.is_name_unknown) = (name.map(Box::from), !is_known));
}

fn told(keep: impl FnOnce(&mut Told)) {
    TOLD.with_borrow_mut(|it| it.as_mut().map(keep));
}

/// Where rustls tells secrets. Nothing of them goes anywhere but to the connection's own handshake.
#[derive(Debug)]
pub(crate) struct Listener;

const CLIENT: &str = "CLIENT_TRAFFIC_SECRET_0";
const SERVER: &str = "SERVER_TRAFFIC_SECRET_0";

impl KeyLog for Listener {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        match label {
            CLIENT => told(|told| told.client = Zeroizing::new(secret.to_vec())),
            SERVER => told(|told| told.server = Zeroizing::new(secret.to_vec())),
            _ => {}
        }
    }

    fn will_log(&self, label: &str) -> bool {
        matches!(label, CLIENT | SERVER)
    }
}

#[cfg(test)]
mod tests {
    use rustls::KeyLog;

    use super::{CLIENT, Listener, Told, listening, told_name};

    #[test]
    fn what_is_told_goes_to_the_connection_that_the_call_is_for_and_nowhere_else() {
        let (mut one, mut other) = (Told::default(), Told::default());
        Listener.log(CLIENT, &[], &[9; 32]);
        listening(&mut one, || Listener.log(CLIENT, &[], &[1; 32]));
        Listener.log(CLIENT, &[], &[9; 32]);
        listening(&mut other, || {
            Listener.log(CLIENT, &[], &[2; 48]);
            Listener.log("CLIENT_RANDOM", &[], &[7; 48]);
            told_name(Some("b"), true);
        });
        listening(&mut one, || told_name(Some("a"), true));
        assert_eq!((&one.client[..], one.name.as_deref()), (&[1; 32][..], Some("a")));
        assert_eq!((&other.client[..], other.name.as_deref()), (&[2; 48][..], Some("b")));
        assert_eq!((one.server.len(), other.server.len()), (0, 0));
        assert!(!Listener.will_log("CLIENT_RANDOM") && Listener.will_log(CLIENT));
    }
}

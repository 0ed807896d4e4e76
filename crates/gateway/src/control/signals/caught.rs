//! The signals that are caught, whichever thread they come to.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{self, SignalKind, signal};

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Signal {
    Terminate,
    Interrupt,
    Quit,
    Hangup,
    /// One that would end the process and is not to, by its name.
    Other(&'static str),
}

use Signal::{Hangup, Interrupt, Other, Quit, Terminate};

/// Numbers of Linux for which tokio has no name: the same on x86-64, AArch64 and RISC-V (signal(7)). SIGPIPE is ignored
/// by Rust's runtime already, so that there is no handler to run for each peer that has gone.
const CAUGHT: [(Signal, i32); 11] = [
    (Terminate, 15),
    (Interrupt, 2),
    (Quit, 3),
    (Hangup, 1),
    (Other("SIGUSR1"), 10),
    (Other("SIGUSR2"), 12),
    (Other("SIGALRM"), 14),
    // A file that has grown to its limit: the write says so too.
    (Other("SIGXFSZ"), 25),
    (Other("SIGVTALRM"), 26),
    (Other("SIGPROF"), 27),
    (Other("SIGIO"), 29),
];

/// Hears of each signal after it was made, those included that come before [`Caught::next`] is waited for.
pub(in crate::control) struct Caught(Vec<(Signal, unix::Signal)>);

impl Caught {
    /// Installs the handlers. On a runtime.
    pub(in crate::control) fn new() -> io::Result<Self> {
        let listen = |&(name, number): &(Signal, i32)| Ok((name, signal(SignalKind::from_raw(number))?));
        CAUGHT.iter().map(listen).collect::<io::Result<_>>().map(Self)
    }

    /// The next signal. Of the same one several may pass for one.
    pub(in crate::control) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (name, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*name);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Terminate => "SIGTERM",
            Interrupt => "SIGINT",
            Quit => "SIGQUIT",
            Hangup => "SIGHUP",
            Other(name) => name,
        })
    }
}

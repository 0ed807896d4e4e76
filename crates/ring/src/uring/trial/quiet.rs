//! Whether a send that was cut says so, and exactly how far it went, while one that went whole says nothing.

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};
use rustix::net::{RecvFlags, accept, recv};

use super::{Failure, Transport};
use crate::uring::Capabilities;
use crate::uring::op::Op;
use crate::uring::queue::Queue;

/// More than a socket takes without a reader: 4 MiB to send and 6 MiB to receive by default (tcp(7)).
const LONG_BYTES: usize = 16 << 20;

/// Sends little, which goes whole, and then more than there is room for.
pub(super) fn exercise(capabilities: &Capabilities, transport: Transport) -> Result<(), Failure> {
    let (listener, connect) = transport.listen()?;
    let mut peer = connect()?;
    let socket = accept(&listener)?;
    let mut queue = Queue::new(capabilities, 8, 16)?;
    let bytes = vec![0; LONG_BYTES];
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;
    let mut send = |len: u32| {
        let entry =
            opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), len).flags(flags).build();
        // SAFETY: the bytes outlive the ring, which is dropped first, and nobody writes to them.
        unsafe { queue.push(entry.flags(squeue::Flags::SKIP_SUCCESS), Op::SendLent(0)) }?;
        queue.wait(None)?;
        Ok::<_, Failure>(queue.next_completion().map(|completion| completion.outcome()))
    };
    if send(8)?.is_some() {
        return Err(Failure::Wrong("a send that went whole completes all the same".into()));
    }
    let long = u32::try_from(LONG_BYTES).unwrap_or(u32::MAX);
    let Some(Ok(sent)) = send(long)? else {
        return Err(Failure::Wrong("a send that was cut does not say how far it went".into()));
    };
    let mut left = 8 + sent;
    let mut read = vec![0; 1 << 20];
    while left > 0 {
        let most = left.min(read.len());
        match peer.read(&mut read[..most]) {
            Ok(0) => {
                return Err(Failure::Wrong(
                    "a send that was cut says that it went further than it did".into(),
                ));
            }
            Ok(len) => left -= len,
            // Work that the kernel does for a ring in this thread interrupts its waits.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let more = recv(&peer, &mut read[..1], RecvFlags::DONTWAIT);
    if more.is_ok() {
        Err(Failure::Wrong("a send that was cut went further than it says".into()))
    } else {
        Ok(())
    }
}

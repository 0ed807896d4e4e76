//! Entries for the submission queue. Those made here name descriptors and numbers and no memory of the caller, so that
//! anybody may queue them; operations on memory (read, send) are made where the memory is kept.

use io_uring::{opcode, squeue, types};

use super::op::Op;
use super::stock::GROUP;

/// How an operation names a slot's descriptor.
#[derive(Clone, Copy)]
pub(super) enum Descriptor {
    Normal(i32),
    /// An index into the ring's own table.
    Direct(u32),
}

/// Makes an entry for either kind of descriptor.
macro_rules! on_descriptor {
    ($descriptor:expr, |$fd:ident| $entry:expr) => {
        match $descriptor {
            $crate::uring::entry::Descriptor::Normal(number) => {
                let $fd = io_uring::types::Fd(number);
                $entry.build()
            }
            $crate::uring::entry::Descriptor::Direct(index) => {
                let $fd = io_uring::types::Fixed(index);
                $entry.build()
            }
        }
    };
}
pub(super) use on_descriptor;

/// An entry that names no memory.
#[derive(Clone)]
pub(super) struct Entry(squeue::Entry);

impl Entry {
    /// Tells when `events` of poll(2) are there, once.
    pub(super) fn poll(descriptor: Descriptor, events: u32) -> Self {
        Self(on_descriptor!(descriptor, |fd| opcode::PollAdd::new(fd, events)))
    }

    /// Receives into buffers of the stock, which keeps them until the kernel gives them back, again and again.
    pub(super) fn receive_into_stock(descriptor: Descriptor) -> Self {
        Self(on_descriptor!(descriptor, |fd| opcode::RecvMulti::new(fd, GROUP)))
    }

    /// Accepts one peer, or with `multishot` one after the other.
    pub(super) fn accept(listener: i32, multishot: bool) -> Self {
        let listener = types::Fd(listener);
        if multishot {
            return Self(opcode::AcceptMulti::new(listener).flags(libc::SOCK_CLOEXEC).build());
        }
        let (address, len) = (std::ptr::null_mut(), std::ptr::null_mut());
        Self(opcode::Accept::new(listener, address, len).flags(libc::SOCK_CLOEXEC).build())
    }

    /// Cancels the operation of that name.
    pub(super) fn cancel(op: Op) -> Self {
        Self(opcode::AsyncCancel::new(op.to_user_data()).build())
    }

    pub(super) fn close(descriptor: Descriptor) -> Self {
        Self(on_descriptor!(descriptor, |fd| opcode::Close::new(fd)))
    }

    /// Makes a normal descriptor, close-on-exec, of a direct one.
    pub(super) fn install(index: u32) -> Self {
        Self(opcode::FixedFdInstall::new(types::Fixed(index), 0).build())
    }

    /// Says the end of stream on a direct descriptor.
    pub(super) fn shutdown(index: u32) -> Self {
        Self(opcode::Shutdown::new(types::Fixed(index), libc::SHUT_WR).build())
    }

    /// Dissolves the connection of a direct descriptor: connect(2) to AF_UNSPEC.
    pub(super) fn disconnect(index: u32) -> Self {
        // The one memory that is named: a constant, which the kernel only reads.
        let address = (&raw const NOWHERE).cast::<libc::sockaddr>();
        Self(opcode::Connect::new(types::Fixed(index), address, NOWHERE_LEN).build())
    }

    pub(super) fn into_inner(self) -> squeue::Entry {
        self.0
    }
}

/// The address that dissolves a connection.
static NOWHERE: libc::sa_family_t = AF_UNSPEC;
#[allow(clippy::cast_possible_truncation, reason = "it is zero")]
const AF_UNSPEC: libc::sa_family_t = libc::AF_UNSPEC as libc::sa_family_t;
#[allow(clippy::cast_possible_truncation, reason = "it is two")]
const NOWHERE_LEN: u32 = size_of::<libc::sa_family_t>() as u32;

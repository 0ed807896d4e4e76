//! Frames: opcodes, headers in both directions, masking (RFC 6455 section 5).

mod header;
mod mask;
mod opcode;
mod whole;

pub(crate) use header::{CLIENT_HEADER_LEN_MAX, Header, Rules, decode, write_compressed_header};
pub use header::{CONTROL_PAYLOAD_LEN_MAX, HEADER_LEN_MAX, header_len, write_header};
pub use mask::unmask;
pub use opcode::Opcode;
pub use whole::frame;

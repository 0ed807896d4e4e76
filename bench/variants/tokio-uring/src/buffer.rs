//! The buffer of a connection, registered with the ring or not, and what is read into it and written from it.

use std::io;
use std::ops::{Deref, DerefMut, Range};

use tokio_uring::buf::BoundedBuf as _;
use tokio_uring::buf::fixed::{FixedBuf, FixedBufPool};
use tokio_uring::net::TcpStream;

/// Makes the buffers of connections.
pub struct Buffers {
    bytes: usize,
    pool: Option<FixedBufPool<Vec<u8>>>,
}

pub enum Buffer {
    Registered(FixedBuf),
    Own(Vec<u8>),
}

impl Buffers {
    /// Buffers of `bytes` each, the first `registered` of them registered, or as many as the limit for locked memory allows.
    pub fn new(bytes: usize, registered: usize) -> io::Result<Self> {
        let mut count = registered;
        while count > 0 {
            let pool = FixedBufPool::new((0..count).map(|_| vec![0; bytes]));
            match pool.register() {
                Ok(()) => return Ok(Self { bytes, pool: Some(pool) }),
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => count /= 2,
                Err(error) => return Err(error),
            }
            eprintln!("the limit for locked memory is too low: at most {count} registered buffers");
        }
        Ok(Self { bytes, pool: None })
    }

    /// A registered buffer while there are any, then one of the connection's own.
    pub fn next(&self) -> Buffer {
        let registered = self.pool.as_ref().and_then(|pool| pool.try_next(self.bytes));
        registered.map_or_else(|| Buffer::Own(vec![0; self.bytes]), Buffer::Registered)
    }
}

impl Buffer {
    /// Reads behind the first `from` bytes. The count is never 0.
    ///
    /// # Errors
    ///
    /// What the kernel says, and `UnexpectedEof` at the end of the stream.
    pub async fn read(self, stream: &TcpStream, from: usize) -> io::Result<(usize, Self)> {
        let (result, buffer) = match self {
            Self::Registered(buffer) => {
                let (result, slice) = stream.read_fixed(buffer.slice(from..)).await;
                (result, Self::Registered(slice.into_inner()))
            }
            Self::Own(buffer) => {
                let (result, slice) = stream.read(buffer.slice(from..)).await;
                (result, Self::Own(slice.into_inner()))
            }
        };
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok((count, buffer)),
        }
    }

    /// Writes all of `range`.
    pub async fn write(self, stream: &TcpStream, mut range: Range<usize>) -> io::Result<Self> {
        let mut buffer = self;
        while !range.is_empty() {
            let result;
            (result, buffer) = match buffer {
                Self::Registered(buffer) => {
                    let (result, slice) = stream.write_fixed(buffer.slice(range.clone())).await;
                    (result, Self::Registered(slice.into_inner()))
                }
                Self::Own(buffer) => {
                    let (result, slice) = stream.write(buffer.slice(range.clone())).submit().await;
                    (result, Self::Own(slice.into_inner()))
                }
            };
            range.start += result?;
        }
        Ok(buffer)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Registered(buffer) => buffer,
            Self::Own(buffer) => buffer,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Registered(buffer) => buffer,
            Self::Own(buffer) => buffer,
        }
    }
}

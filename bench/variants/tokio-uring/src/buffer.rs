//! The buffer of a connection, registered with the ring or not, and how it is read into and written from.

use std::io;
use std::ops::{DerefMut, Range};

use tokio_uring::BufResult;
use tokio_uring::buf::fixed::{FixedBuf, FixedBufPool};
use tokio_uring::buf::{BoundedBuf as _, IoBufMut, Slice};
use tokio_uring::net::TcpStream;

/// Makes the registered buffers of connections.
pub struct Buffers {
    bytes: usize,
    pool: Option<FixedBufPool<Vec<u8>>>,
}

impl Buffers {
    /// `count` registered buffers of `bytes` each, or as many as the limit for locked memory allows.
    pub fn new(bytes: usize, mut count: usize) -> io::Result<Self> {
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

    /// A registered buffer, while there are any.
    pub fn registered(&self) -> Option<FixedBuf> {
        self.pool.as_ref()?.try_next(self.bytes)
    }

    /// A buffer of the connection's own.
    pub fn own(&self) -> Vec<u8> {
        vec![0; self.bytes]
    }
}

/// A buffer that a stream reads into and writes from. Plain functions, so that no future lies within another.
pub trait Buffer: Sized + IoBufMut + DerefMut<Target = [u8]> {
    /// Reads behind the first `from` bytes.
    fn read(self, stream: &TcpStream, from: usize) -> impl Future<Output = BufResult<usize, Slice<Self>>>;

    /// Writes of `range` what goes at once.
    fn write(
        self,
        stream: &TcpStream,
        range: Range<usize>,
    ) -> impl Future<Output = BufResult<usize, Slice<Self>>>;
}

impl Buffer for Vec<u8> {
    fn read(self, stream: &TcpStream, from: usize) -> impl Future<Output = BufResult<usize, Slice<Self>>> {
        stream.read(self.slice(from..))
    }

    fn write(
        self,
        stream: &TcpStream,
        range: Range<usize>,
    ) -> impl Future<Output = BufResult<usize, Slice<Self>>> {
        stream.write(self.slice(range)).submit()
    }
}

impl Buffer for FixedBuf {
    fn read(self, stream: &TcpStream, from: usize) -> impl Future<Output = BufResult<usize, Slice<Self>>> {
        stream.read_fixed(self.slice(from..))
    }

    fn write(
        self,
        stream: &TcpStream,
        range: Range<usize>,
    ) -> impl Future<Output = BufResult<usize, Slice<Self>>> {
        stream.write_fixed(self.slice(range))
    }
}

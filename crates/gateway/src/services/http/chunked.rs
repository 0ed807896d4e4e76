//! Bodies in chunks (RFC 9112 7.1), taken apart as they come.
//!
//! Lines end with CR and LF and nothing else, a size has no space around it: what others could read differently is
//! refused. Extensions and trailers are thrown away, and bounded.

use bytes::{Buf, BytesMut};
use holdfast_proto::handshake::is_token;

/// Longest line: of a size with its extensions, or of a trailer. In bytes, with its end.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of all extensions and trailers.
const EXTRA_BYTES_MAX: usize = 8 << 10;
/// Most digits of a size.
const DIGITS_MAX: usize = 16;

/// The bytes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotChunks;

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// That depends on bytes that are not there yet.
    NeedMore,
    /// A chunk of so many bytes begins.
    Begins(u64),
    /// Some of its bytes.
    Data(BytesMut),
    /// The body is over, its trailers included.
    End,
}

/// How far a body is.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    extra: usize,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Size,
    /// So many bytes are still to come.
    Data(u64),
    DataEnd,
    Trailers,
}

impl Chunked {
    /// Takes the next step off `input`. Not to be asked again behind the end.
    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Step, NotChunks> {
        loop {
            match self.at {
                At::Size => {
                    let Some(line) = take_line(input)? else { return Ok(Step::NeedMore) };
                    let size = self.size(&line)?;
                    self.at = if size == 0 { At::Trailers } else { At::Data(size) };
                    if size > 0 {
                        return Ok(Step::Begins(size));
                    }
                }
                At::Data(0) => self.at = At::DataEnd,
                At::Data(_) if input.is_empty() => return Ok(Step::NeedMore),
                At::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    self.at = At::Data(left - len as u64);
                    return Ok(Step::Data(input.split_to(len)));
                }
                At::DataEnd => match input[..] {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.at = At::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::NeedMore),
                    _ => return Err(NotChunks),
                },
                At::Trailers => {
                    let Some(line) = take_line(input)? else { return Ok(Step::NeedMore) };
                    if line.is_empty() {
                        return Ok(Step::End);
                    }
                    self.count(line.len())?;
                    check_trailer(&line)?;
                }
            }
        }
    }

    /// `chunk-size [ chunk-ext ]`.
    fn size(&mut self, line: &[u8]) -> Result<u64, NotChunks> {
        let len = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let (digits, extension) = line.split_at(len);
        if !matches!(extension, [] | [b';', ..]) || digits.is_empty() || digits.len() > DIGITS_MAX {
            return Err(NotChunks);
        }
        self.count(extension.len())?;
        let digits = std::str::from_utf8(digits).map_err(|_| NotChunks)?;
        u64::from_str_radix(digits, 16).map_err(|_| NotChunks)
    }

    fn count(&mut self, extra: usize) -> Result<(), NotChunks> {
        self.extra += extra;
        if self.extra > EXTRA_BYTES_MAX { Err(NotChunks) } else { Ok(()) }
    }
}

/// The next line without its end; `None` where that has not come.
fn take_line(input: &mut BytesMut) -> Result<Option<BytesMut>, NotChunks> {
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    let end = window.iter().position(|byte| *byte == b'\n');
    let Some(end) = end else {
        return if window.len() == LINE_BYTES_MAX { Err(NotChunks) } else { Ok(None) };
    };
    let mut line = input.split_to(end + 1);
    let Some(len) = line.len().checked_sub(2).filter(|len| line[*len] == b'\r') else {
        return Err(NotChunks);
    };
    line.truncate(len);
    // Control characters: a CR alone among them, which some take for the end of a line.
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        Err(NotChunks)
    } else {
        Ok(Some(line))
    }
}

fn check_trailer(line: &[u8]) -> Result<(), NotChunks> {
    let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len());
    let is_field = name.and_then(|name| std::str::from_utf8(name).ok()).is_some_and(is_token);
    if is_field { Ok(()) } else { Err(NotChunks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, and what is left behind it.
    type Read = (Vec<u8>, Vec<u8>);

    /// `None` where more is to come. The input comes in these pieces.
    fn read(pieces: &[&[u8]]) -> Result<Option<Read>, NotChunks> {
        let (mut chunked, mut input, mut body) = (Chunked::default(), BytesMut::new(), Vec::new());
        for (index, piece) in pieces.iter().enumerate() {
            input.extend_from_slice(piece);
            loop {
                match chunked.step(&mut input)? {
                    Step::NeedMore => break,
                    Step::Begins(size) => assert!(size > 0),
                    Step::Data(data) => body.extend_from_slice(&data),
                    Step::End => {
                        pieces[index + 1..].iter().for_each(|piece| input.extend_from_slice(piece));
                        return Ok(Some((body, input.to_vec())));
                    }
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let bodies: [(&[u8], &[u8]); 4] = [
            (b"0\r\n\r\nrest", b""),
            (b"5\r\nhello\r\n0\r\n\r\nrest", b"hello"),
            (
                b"00A;a=\"b\"; c\r\n01234\r\n789\r\n1;\r\nx\r\n000\r\nA: b\r\nc:\td\r\n\r\nrest",
                b"01234\r\n789x",
            ),
            (b"b\r\n0\r\n\r\n0\r\n\r\n!\r\n0\r\n\r\nrest", b"0\r\n\r\n0\r\n\r\n!"),
        ];
        for (bytes, body) in bodies {
            let expected = Ok(Some((body.to_vec(), b"rest".to_vec())));
            for cut in 0..=bytes.len() {
                assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), expected, "{cut}");
            }
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(&bytewise), expected);
            let end = bytes.len() - 4;
            (0..end).for_each(|len| assert_eq!(read(&[&bytes[..len]]), Ok(None), "{len}"));
        }
    }

    #[test]
    fn what_others_could_read_differently_is_refused_at_once_or_bytewise() {
        let long = [b"1;", &[b'a'; LINE_BYTES_MAX][..]].concat();
        let many = b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(300);
        let trailers = [b"0\r\n", &b"a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n".repeat(300)[..]].concat();
        let cases: [&[u8]; 24] = [
            b"\r\n",
            b"5\nhello",
            b"5;a\nhello",
            b"5 \r\n",
            b" 5\r\n",
            b"5\t;a\r\n",
            b"+5\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"5_0\r\n",
            b"g\r\n",
            b";a\r\n",
            b"5;a\rb\r\n",
            b"5\r\r\n",
            b"00000000000000005\r\n",
            b"fffffffffffffffff\r\n",
            b"1\r\nxy\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"1\r\nx\ry",
            b"0\r\nnothing\r\n",
            b"0\r\n: a\r\n",
            b"0\r\nA : b\r\n",
            b"0\r\nA: b\r\n c\r\n",
            b"0\r\n\n",
        ];
        for bytes in cases.into_iter().chain([&long[..], &many, &trailers]) {
            assert_eq!(read(&[bytes]), Err(NotChunks), "{:?}", String::from_utf8_lossy(bytes));
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(&bytewise), Err(NotChunks), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}

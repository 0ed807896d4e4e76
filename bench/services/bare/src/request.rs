//! A request in a file: path, headers, an empty line, the body.

use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        Self::parse(&std::fs::read(file).with_context(|| file.display().to_string())?)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let end =
            bytes.windows(2).position(|two| two == b"\n\n").context("a request without an empty line")?;
        let mut lines = std::str::from_utf8(&bytes[..end])?.lines();
        let path = lines.next().context("a request without a path")?.to_owned();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").with_context(|| format!("{line} is no header"))?;
            headers.append(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
        }
        // The body says how long it is.
        headers.remove(CONTENT_LENGTH);
        Ok(Self { path, headers, body: Bytes::copy_from_slice(&bytes[end + 2..]) })
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut bytes = format!("{}\n", self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        // Whole as soon as it is there.
        let unfinished = file.with_extension("part");
        std::fs::write(&unfinished, bytes)?;
        Ok(std::fs::rename(unfinished, file)?)
    }

    pub(crate) fn to_request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(&self.path).body(Full::new(self.body.clone()))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = b"/events?a=b\nhost: 127.0.0.1:1\nce-type: a: b\nce-type: c\n\nfirst\n\nlast";
        let request = Recorded::parse(text).unwrap();
        assert_eq!((request.path.as_str(), request.headers.len()), ("/events?a=b", 3));
        assert_eq!(request.headers["ce-type"], "a: b");
        assert_eq!(request.body, &b"first\n\nlast"[..]);
        let file = std::env::temp_dir().join(format!("bare-{}", std::process::id()));
        request.write(&file).unwrap();
        assert_eq!(Recorded::read(&file).unwrap(), request);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn the_length_is_that_of_the_body() {
        let request = Recorded::parse(b"/\ncontent-length: 7\n\nbody").unwrap();
        assert!(request.headers.is_empty());
        assert!(Recorded::parse(b"/\nno header\n\n").is_err());
        assert!(Recorded::parse(b"/\nno: end\n").is_err());
    }
}

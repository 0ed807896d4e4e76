//! What is read as a whole, again and again, from a file or over HTTP: such as the keys of an identity provider.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::address::{Address, AddressError, Origin};
use crate::answer::{Answer, Failure};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::resolve::{Lookup, Resolve};

/// Most bytes of a document.
pub const DOCUMENT_LEN_MAX: usize = 256 * 1024;
/// How long it may take to fetch one.
pub const FETCH_MAX: Duration = Duration::from_secs(10);

/// Where a document is.
#[derive(Debug)]
pub struct Document(Source);

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(Address, Box<Endpoint>),
}

/// Why a text is no source of a document: a sentence for the operator, without the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// It is a URL, but none that can be asked.
    Address(AddressError),
    /// It is a URL of another kind than https, or than http on this machine.
    Scheme,
    /// It is http, and its host is not this machine.
    Plain,
    /// It is empty.
    Empty,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Scheme => f.write_str("expected https://, http:// on this machine, or the path of a file"),
            Self::Plain => {
                f.write_str("over http only this machine is asked (127.0.0.1, [::1]): write https://")
            }
            Self::Empty => f.write_str("expected a URL or the path of a file"),
        }
    }
}

impl Error for SourceError {}

/// Why there is no document: a sentence for the operator. Of a URL neither query nor password are shown.
#[derive(Debug)]
pub enum DocumentError {
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// What is at the path is a folder, a pipe or a device.
    NoFile(PathBuf),
    /// The file is longer than [`DOCUMENT_LEN_MAX`].
    TooLong(PathBuf),
    /// There was no answer of what is at this URL, or one that is too long.
    Failed(String, Failure),
    /// The answer of what is at this URL has this status, which is not 200.
    Status(String, u16),
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoFile(path) => write!(f, "cannot read {}: it is no file", path.display()),
            Self::TooLong(path) => {
                write!(f, "{} has more than {DOCUMENT_LEN_MAX} bytes", path.display())
            }
            Self::Failed(address, failure) => write!(f, "cannot fetch {address}: {failure}"),
            Self::Status(address, status @ 300..400) => {
                write!(f, "cannot fetch {address}: it answers {status}, and redirects are not followed")
            }
            Self::Status(address, status) => {
                write!(f, "cannot fetch {address}: it answers {status}, not 200")
            }
        }
    }
}

impl Error for DocumentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Failed(_, failure) => Some(failure),
            Self::NoFile(_) | Self::TooLong(_) | Self::Status(..) => None,
        }
    }
}

impl Document {
    /// At `text`: `https://...`, `http://...` on this machine, or the path of a file. Nothing is read yet.
    ///
    /// Over http the host is an address of the loopback or `localhost`, of whose addresses only those of the loopback
    /// are connected to.
    ///
    /// # Errors
    ///
    /// Where it is none of these.
    pub fn new(client: &Client, text: &str) -> Result<Self, SourceError> {
        Self::with_limits(client, text, &Limits::default())
    }

    /// The same, with other [`Limits`]. Those of [`FETCH_MAX`] and [`DOCUMENT_LEN_MAX`] hold in any case.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn with_limits(client: &Client, text: &str, limits: &Limits) -> Result<Self, SourceError> {
        let Some(address) = address_in(text)? else { return Ok(Self(Source::File(text.into()))) };
        let client = if address.is_tls() {
            client.clone()
        } else {
            Client { resolver: Arc::new(Loopback(Arc::clone(&client.resolver))), ..client.clone() }
        };
        let limits = Limits {
            attempt_max: limits.attempt_max.min(FETCH_MAX),
            answer_bytes_max: limits.answer_bytes_max.min(DOCUMENT_LEN_MAX),
            connections_max: 1,
            ..limits.clone()
        };
        let endpoint = Endpoint::new(&client, vec![address.clone()], limits);
        Ok(Self(Source::Url(address, Box::new(endpoint))))
    }

    /// Whether it is a file, which is read without a wait.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.0, Source::File(_))
    }

    /// Reads it at once, where it is a file: for those who have no runtime.
    #[must_use]
    pub fn read_file(&self) -> Option<Result<Bytes, DocumentError>> {
        match &self.0 {
            Source::File(path) => Some(read_file(path)),
            Source::Url(..) => None,
        }
    }

    /// Reads it, once, within [`FETCH_MAX`]. Only an answer with the status 200 will do, whatever its type; no redirect
    /// is followed. A file is read at once, by the thread that calls.
    ///
    /// # Errors
    ///
    /// Where it cannot be had, or is longer than [`DOCUMENT_LEN_MAX`].
    pub async fn read(&self) -> Result<Bytes, DocumentError> {
        match &self.0 {
            Source::File(path) => read_file(path),
            Source::Url(address, endpoint) => fetch(address, endpoint).await,
        }
    }
}

/// What it is called in logs: the path, or the URL without query and password.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => path.display().fmt(f),
            Source::Url(address, _) => address.fmt(f),
        }
    }
}

/// Whether a text is a source of a document, and whether TLS is spoken there. Nothing is read.
///
/// # Errors
///
/// As [`Document::new`].
pub fn check_source(text: &str) -> Result<bool, SourceError> {
    Ok(address_in(text)?.is_some_and(|address| address.is_tls()))
}

/// The address that may be asked for it; none where it is a file.
fn address_in(text: &str) -> Result<Option<Address>, SourceError> {
    match scheme(text) {
        None if text.is_empty() => return Err(SourceError::Empty),
        None => return Ok(None),
        Some("http" | "https") => {}
        Some(_) => return Err(SourceError::Scheme),
    }
    let address = Address::parse(text, &[]).map_err(SourceError::Address)?;
    if address.is_tls() || may_be_here(&address) { Ok(Some(address)) } else { Err(SourceError::Plain) }
}

/// RFC 3986 3.1, where `:/` follows: a path of a file may have a colon.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    (is_scheme && rest.starts_with('/')).then_some(scheme)
}

/// Whether the host is an address of the loopback, or a name for it: what that is gets looked at when it is resolved.
fn may_be_here(address: &Address) -> bool {
    match address.origin() {
        Origin::Tcp { host, .. } => match host.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        },
        Origin::Unix(_) => false,
    }
}

/// Lets no address through but those of this machine.
#[derive(Debug)]
struct Loopback(Arc<dyn Resolve>);

impl Resolve for Loopback {
    fn resolve(&self, host: &str, port: u16) -> Lookup {
        let places = self.0.resolve(host, port);
        Box::pin(
            async move { Ok(places.await?.into_iter().filter(|place| place.ip().is_loopback()).collect()) },
        )
    }
}

async fn fetch(address: &Address, endpoint: &Endpoint) -> Result<Bytes, DocumentError> {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"))]);
    match endpoint.get(&headers).await {
        Ok(Answer { status: 200, body, .. }) => Ok(body),
        Ok(answer) => Err(DocumentError::Status(address.to_string(), answer.status)),
        Err(failure) => Err(DocumentError::Failed(address.to_string(), failure)),
    }
}

fn read_file(path: &Path) -> Result<Bytes, DocumentError> {
    let failed = |error| DocumentError::File(path.to_owned(), error);
    // Asked before it is opened: to open a pipe waits for who writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(DocumentError::NoFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let most = DOCUMENT_LEN_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > DOCUMENT_LEN_MAX {
        return Err(DocumentError::TooLong(path.to_owned()));
    }
    Ok(bytes.into())
}

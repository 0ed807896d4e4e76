//! What all answers of services have in common.

use std::fmt;

/// Most bytes of a state that a service may have kept.
pub const STATE_LEN_MAX: usize = 8 * 1024;

/// A service's answer, as it came. How large its body may be is the business of who read it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: Option<&'a [u8]>,
    /// The value of `ce-connectionState`, the last if there are several.
    pub state: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// Why an answer is none. Nothing of the answer is in it, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The status is none that is expected.
    Status(u16),
    /// The body is not what its type says, or not what is asked for.
    Body,
    /// The body is of a type that no client can be sent.
    ContentType,
    /// `ce-connectionState` has more than [`STATE_LEN_MAX`] bytes, or other characters than printable ASCII.
    State,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "the service answered {status}"),
            Self::Body => "the body of the service's answer is malformed",
            Self::ContentType => "the Content-Type of the service's answer is not known",
            Self::State => "the ce-connectionState of the service's answer is malformed or too long",
        })
    }
}

impl std::error::Error for Failure {}

impl<'a> Answer<'a> {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The state from now on, which may be empty; nothing if it stays as it is.
    pub(super) fn state(&self) -> Result<Option<&'a str>, Failure> {
        let Some(state) = self.state.map(<[u8]>::trim_ascii) else { return Ok(None) };
        let is_good = state.len() <= STATE_LEN_MAX && state.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let text = std::str::from_utf8(state).ok().filter(|_| is_good);
        text.map(Some).ok_or(Failure::State)
    }
}

//! Answers of services.

use crate::endpoint::Endpoint;
use crate::event::{
    Answer, ConnectAnswer, Failure, REFUSAL_LEN_MAX, STATE_LEN_MAX, UserAnswer, allows_origin,
};
use crate::names::is_group;

/// Any bytes as a service's answer: the status by the first byte, then Content-Type, state and body, with bytes of 0xFF
/// between them.
///
/// # Panics
///
/// When a promise is broken.
pub fn upstream_answer(data: &[u8]) {
    const STATUSES: [u16; 8] = [200, 204, 299, 302, 400, 401, 499, 500];
    let Some((first, rest)) = data.split_first() else { return };
    let status = STATUSES[usize::from(first % 8)];
    let mut parts = rest.splitn(3, |byte| *byte == 0xFF);
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (content_type, state, body) = (part(), part(), part().unwrap_or_default());
    let answer = Answer { status, content_type, state, body };
    connect(&answer);
    user(&answer);
    if let Ok(endpoint) = Endpoint::parse("https://gateway.example:8443") {
        let is_allowed = allows_origin(&endpoint, status, content_type.into_iter());
        let value = content_type.unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let is_known = [&b"*"[..], b"gateway.example", b"gateway.example:8443"].contains(&&*value);
        assert_eq!(is_allowed, status < 300 && is_known, "{value:?}");
    }
}

fn is_state(state: &str) -> bool {
    state.len() <= STATE_LEN_MAX && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn connect(answer: &Answer<'_>) {
    match ConnectAnswer::read(answer) {
        ConnectAnswer::Accept { user, groups, subprotocol, state, .. } => {
            assert!(answer.status < 300, "{} lets in", answer.status);
            assert!(user.is_none_or(|user| !user.is_empty()) && state.is_none_or(|state| is_state(&state)));
            assert!(
                groups.is_none_or(|groups| !groups.is_empty() && groups.iter().all(|group| is_group(group)))
            );
            assert!(subprotocol.is_none_or(|name| name.bytes().all(|byte| byte.is_ascii_graphic())));
        }
        ConnectAnswer::Refuse { status, text } => {
            assert!((400..500).contains(&status) && text.len() <= REFUSAL_LEN_MAX);
            assert!(!text.chars().any(|char| char.is_control() && !"\r\n\t".contains(char)));
        }
        ConnectAnswer::Failed(failure) => check(failure, answer),
    }
}

fn user(answer: &Answer<'_>) {
    match UserAnswer::read(answer) {
        UserAnswer::Done { reply, state } => {
            assert!(answer.status < 300, "{} is done", answer.status);
            assert!(reply.is_none_or(|reply| reply.bytes.len() <= answer.body.len()));
            assert!(state.is_none_or(is_state));
        }
        UserAnswer::Failed(failure) => check(failure, answer),
    }
}

/// A status is a failure if it is none that is expected.
fn check(failure: Failure, answer: &Answer<'_>) {
    assert_eq!(matches!(failure, Failure::Status(_)), answer.status >= 300, "{failure}");
}

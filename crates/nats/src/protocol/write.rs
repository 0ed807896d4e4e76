//! What is said to a server, into a buffer. Subjects were checked before: they have no space and no end of a line.

use std::io::Write;

use super::info::Connect;
use crate::message::Outgoing;

/// Writing into memory cannot fail.
macro_rules! say {
    ($out:expr, $($arg:tt)*) => { let _ = write!($out, $($arg)*); };
}

pub(crate) fn connect(out: &mut Vec<u8>, connect: &Connect<'_>) {
    out.extend_from_slice(b"CONNECT ");
    let _ = serde_json::to_writer(&mut *out, connect);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

pub(crate) fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

pub(crate) fn subscribe(out: &mut Vec<u8>, subject: &str, number: usize) {
    say!(out, "SUB {subject} {number}\r\n");
}

/// A question without anything in it.
pub(crate) fn probe(out: &mut Vec<u8>, subject: &str, reply: &str) {
    let gap = if reply.is_empty() { "" } else { " " };
    say!(out, "PUB {subject}{gap}{reply} 0\r\n\r\n");
}

pub(crate) fn publish(out: &mut Vec<u8>, message: &Outgoing) {
    let headers = message.headers.as_deref().unwrap_or_default();
    let payload = &message.payload[..];
    out.extend_from_slice(if headers.is_empty() { b"PUB " } else { b"HPUB " });
    out.extend_from_slice(message.subject.as_bytes());
    if let Some(reply) = &message.reply {
        out.push(b' ');
        out.extend_from_slice(reply.as_bytes());
    }
    if headers.is_empty() {
        say!(out, " {}\r\n", payload.len());
    } else {
        say!(out, " {} {}\r\n", headers.len(), headers.len() + payload.len());
    }
    for part in [headers, payload, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::encode;

    #[test]
    fn what_is_said_is_as_servers_read_it() {
        let message = |reply: Option<&str>, headers: &[(&str, &str)]| Outgoing {
            subject: "a.b".into(),
            reply: reply.map(Into::into),
            headers: encode(headers),
            payload: Bytes::from_static(b"hi"),
        };
        let mut out = Vec::new();
        subscribe(&mut out, "a.*", 3);
        publish(&mut out, &message(None, &[]));
        publish(&mut out, &message(Some("r"), &[("k", "v")]));
        probe(&mut out, "q", "r");
        probe(&mut out, "x", "");
        ping(&mut out);
        pong(&mut out);
        let said = "SUB a.* 3\r\nPUB a.b 2\r\nhi\r\nHPUB a.b r 18 20\r\nNATS/1.0\r\nk: v\r\n\r\nhi\r\n\
                    PUB q r 0\r\n\r\nPUB x 0\r\n\r\nPING\r\nPONG\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), said);
    }

    #[test]
    fn what_is_said_of_us_is_json_and_leaves_out_what_there_is_not() {
        let mut out = Vec::new();
        let who = Connect { name: "a \"b\"\r\n", user: Some("u"), pass: Some("p\n"), ..Connect::default() };
        connect(&mut out, &who);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("CONNECT {\"verbose\":false") && text.ends_with("}\r\n"), "{text}");
        assert_eq!(text.matches(['\r', '\n']).count(), 2, "{text}");
        assert!(text.contains(r#""user":"u","pass":"p\n""#) && !text.contains("jwt"), "{text}");
    }
}

//! Requests that are not carried out.

use std::borrow::Cow;

use crate::sink::{Sink as _, put_text};

/// Why a request is not carried out, and how to say so: status, headers and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestError {
    status: u16,
    code: &'static str,
    message: Cow<'static, str>,
    target: Option<&'static str>,
    allow: Option<&'static str>,
}

impl RestError {
    /// An error with this status and this code for programs; the message is a sentence.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), target: None, allow: None }
    }

    /// 400: `target` is the part of the request that is wrong, such as the name of a parameter.
    #[must_use]
    pub fn bad_request(target: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { target: Some(target), ..Self::new(400, "Error.BadRequest", message) }
    }

    /// 401: no token, or one that is not good.
    #[must_use]
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(401, "Error.Unauthorized", message)
    }

    /// 404: what the request names is not there.
    #[must_use]
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, "Error.NotFound", message)
    }

    /// 405: `allow` lists the methods that are.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let error = Self::new(405, "Error.MethodNotAllowed", "this resource has other methods");
        Self { allow: Some(allow), ..error }
    }

    /// 413: the payload is larger than what clients could be sent.
    #[must_use]
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(413, "Error.PayloadTooLarge", message)
    }

    /// 415: the payload is of a type that is not known.
    #[must_use]
    pub fn unsupported_type() -> Self {
        let message = "Content-Type is none of text/plain, application/json, application/octet-stream";
        Self::new(415, "Error.UnsupportedMediaType", message)
    }

    /// 503: there is no room now; nothing was done. Belongs with Retry-After.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(503, "Error.ServiceUnavailable", message)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// For programs; also the value of the header `x-ms-error-code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The value of the header Allow, where there is one.
    #[must_use]
    pub fn allow(&self) -> Option<&'static str> {
        self.allow
    }

    /// The body, in JSON. Answers to HEAD have none.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let fields = [("{\"code\":", self.code), (",\"message\":", &self.message)];
        for (name, text) in fields.into_iter().chain(self.target.map(|target| (",\"target\":", target))) {
            out.put(name.as_bytes());
            put_text(&mut out, text.as_bytes());
        }
        out.put(b"}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_why_in_json() {
        let error = RestError::not_found("no \"such\" connection");
        assert_eq!(error.body(), br#"{"code":"Error.NotFound","message":"no \"such\" connection"}"#);
    }
}

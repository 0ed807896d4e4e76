//! Where events go.

use std::fmt;

use percent_encoding::utf8_percent_encode;

use crate::query::RESERVED;

/// An http or https URL in whose path and query `{hub}` and `{event}` stand for an event's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    /// Texts, each with what follows it.
    parts: Vec<(String, Parameter)>,
    rest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parameter {
    Hub,
    Event,
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateError {
    /// It does not begin with `http://` or `https://` and a host.
    Scheme,
    /// There is a parameter, or a user, in the host.
    Host,
    /// There is a `{` or `}` that is not of `{hub}` or `{event}`.
    Parameter,
    /// It has a fragment, a space, a control character, or one beyond ASCII.
    Character,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a template begins with http:// or https:// and a host",
            Self::Host => "a template's host has no parameters and no user",
            Self::Parameter => "a template's parameters are {hub} and {event}",
            Self::Character => "a template is of printable ASCII without spaces and #",
        })
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads a template. Parameters may be in any case.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(TemplateError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TemplateError::Scheme)?;
        let host = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !is_http || host.is_empty() {
            return Err(TemplateError::Scheme);
        }
        if host.contains(['{', '}', '@']) {
            return Err(TemplateError::Host);
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').ok_or(TemplateError::Parameter)?;
            let parameter = match name {
                _ if name.eq_ignore_ascii_case("hub") => Parameter::Hub,
                _ if name.eq_ignore_ascii_case("event") => Parameter::Event,
                _ => return Err(TemplateError::Parameter),
            };
            parts.push((before.to_owned(), parameter));
            rest = behind;
        }
        let is_even = |text: &str| !text.contains('}');
        if !parts.iter().all(|(text, _)| is_even(text)) || !is_even(rest) {
            return Err(TemplateError::Parameter);
        }
        Ok(Self { parts, rest: rest.to_owned() })
    }

    /// The URL for this hub and this event, both percent-encoded. `validate` is the event of the OPTIONS.
    #[must_use]
    pub fn url(&self, hub: &str, event: &str) -> String {
        let mut url = String::new();
        for (text, parameter) in &self.parts {
            let value = if *parameter == Parameter::Hub { hub } else { event };
            url.push_str(text);
            url.extend(utf8_percent_encode(value, RESERVED));
        }
        url + &self.rest
    }
}

/// A code in the query is a secret, so only the host is shown.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.parts.first().map_or(&self.rest, |(text, _)| text);
        let host = first.split(['/', '?']).nth(2).unwrap_or_default();
        write!(f, "Template({host})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in_percent_encoded() {
        for (template, url) in [
            (
                "http://127.0.0.1:7071/api/webpubsub/hubs/{hub}/{event}",
                "http://127.0.0.1:7071/api/webpubsub/hubs/a%2Cb/x.y%2F-_",
            ),
            ("https://h?hub={HUB}&e={Event}&h={hub}&code=c", "https://h?hub=a%2Cb&e=x.y%2F-_&h=a%2Cb&code=c"),
            ("http://h/events", "http://h/events"),
            ("http://h", "http://h"),
            ("http://h/{event}{hub}", "http://h/x.y%2F-_a%2Cb"),
        ] {
            assert_eq!(Template::parse(template).unwrap().url("a,b", "x.y/-_"), url);
        }
        // What is filled in is not looked at again.
        assert_eq!(
            Template::parse("http://h/{hub}/{event}").unwrap().url("{event}", "x"),
            "http://h/%7Bevent%7D/x"
        );
    }

    #[test]
    fn a_host_has_no_parameter_and_there_are_only_two() {
        for (template, error) in [
            ("", TemplateError::Scheme),
            ("h/events", TemplateError::Scheme),
            ("ftp://h/", TemplateError::Scheme),
            ("http:///events", TemplateError::Scheme),
            ("http://?a", TemplateError::Scheme),
            ("{hub}://h", TemplateError::Scheme),
            ("http://{hub}.example/", TemplateError::Host),
            ("http://{hub}", TemplateError::Host),
            ("http://user:code@h/", TemplateError::Host),
            ("http://h/{user}", TemplateError::Parameter),
            ("http://h/{", TemplateError::Parameter),
            ("http://h/}", TemplateError::Parameter),
            ("http://h/}{hub}", TemplateError::Parameter),
            ("http://h/{{hub}}", TemplateError::Parameter),
            ("http://h/#a", TemplateError::Character),
            ("http://h/a b", TemplateError::Character),
            ("http://h/a\r\nb", TemplateError::Character),
            ("http://h/ü", TemplateError::Character),
        ] {
            assert_eq!(Template::parse(template), Err(error), "{template}");
        }
    }

    #[test]
    fn a_code_is_not_shown() {
        let template = Template::parse("https://h:1/secret/{hub}?code=secret").unwrap();
        assert_eq!(format!("{template:?}"), "Template(h:1)");
        assert_eq!(format!("{:?}", Template::parse("https://h?code=secret").unwrap()), "Template(h)");
    }
}

//! What clients of a protocol say and hear that is spoken over WebSocket: a greeting, messages in an envelope, answers.

use clap::Args;

use super::hearing::message;

#[derive(Args, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SpeechArguments {
    /// What each client says first, as a binary message.
    #[arg(long)]
    pub(crate) hello: Option<String>,
    /// What clients hear of a message to all, a text then: {text} stands for it, {number} for its number, from 1. Until
    /// the first one is sent, they may hear anything.
    #[arg(long)]
    pub(crate) hears: Option<String>,
    /// What a client says when it has heard one, as a text message: {number} as above.
    #[arg(long, requires = "hears")]
    pub(crate) says: Option<String>,
    /// It says so after each message whose number is a multiple of this.
    #[arg(long, default_value_t = 1, requires = "says", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) says_every: u8,
}

impl SpeechArguments {
    /// As arguments of another process of this program.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let named = [("--hello", &self.hello), ("--hears", &self.hears), ("--says", &self.says)];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            arguments.push(format!("{name}={value}"));
        }
        if self.says.is_some() {
            arguments.push(format!("--says-every={}", self.says_every));
        }
        arguments
    }

    /// Message `number` to all, as the server is told to send it.
    pub(crate) fn payload(&self, number: u8, len: usize) -> Vec<u8> {
        if self.hears.is_some() { text(number, len).into_bytes() } else { message(number, len) }
    }

    /// The same as clients hear it.
    pub(super) fn heard(&self, number: u8, len: usize) -> Vec<u8> {
        match &self.hears {
            None => message(number, len),
            Some(template) => {
                let numbered = template.replace("{number}", &number.to_string());
                numbered.replace("{text}", &text(number, len)).into_bytes()
            }
        }
    }

    /// What a client says when it has heard message `number`.
    pub(super) fn answer(&self, number: u8) -> Option<String> {
        let template = self.says.as_ref().filter(|_| number.is_multiple_of(self.says_every))?;
        Some(template.replace("{number}", &number.to_string()))
    }
}

/// Message `number` of letters and digits, which no protocol writes otherwise.
fn text(number: u8, len: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    message(number, len).iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        speech: SpeechArguments,
    }

    fn speech() -> SpeechArguments {
        SpeechArguments {
            hello: Some("--hello\r\n".to_owned()),
            hears: Some("{\"id\":{number},\"data\":\"{text}\"}".to_owned()),
            says: Some("{number}!".to_owned()),
            says_every: 3,
        }
    }

    #[test]
    fn another_process_understands_what_it_is_told() {
        let arguments = ["child".to_owned()].into_iter().chain(speech().to_arguments());
        assert_eq!(Line::parse_from(arguments).speech, speech());
    }

    #[test]
    fn clients_hear_the_message_in_its_envelope() {
        let sent = String::from_utf8(speech().payload(7, 20)).unwrap();
        assert_eq!(sent.len(), 20);
        assert_eq!(speech().heard(7, 20), format!("{{\"id\":7,\"data\":\"{sent}\"}}").into_bytes());
        assert_ne!(speech().payload(8, 20), speech().payload(7, 20));
    }

    #[test]
    fn who_speaks_no_protocol_hears_bytes_and_says_nothing() {
        let none = SpeechArguments::default();
        assert_eq!(none.payload(7, 20), none.heard(7, 20));
        assert_eq!(none.payload(7, 20), message(7, 20));
        assert_eq!(none.answer(1), None);
    }

    #[test]
    fn every_third_message_is_answered() {
        let answers: Vec<_> = (1..=6).filter_map(|number| speech().answer(number)).collect();
        assert_eq!(answers, ["3!", "6!"]);
    }
}

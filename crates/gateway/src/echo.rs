//! The default application: every message goes back to where it came from.

use crate::application::{Application, Message, Reply};
use crate::settings::{Answers, Settings};
use crate::{ConnectionId, Context};

/// Answers each message with itself, behind a prefix if there is one.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    prefix: String,
}

impl Echo {
    /// With this prefix; empty for none.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// How long its answers are with these settings.
    #[must_use]
    pub fn answers(settings: &Settings) -> Answers {
        Answers { longer_by: settings.echo_prefix.len(), setting: Some("echo-prefix") }
    }
}

impl Application for Echo {
    fn answers_longer_by(&self) -> usize {
        self.prefix.len()
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        if self.prefix.is_empty() {
            return Reply::Echo;
        }
        context.send(from, message.kind, &[self.prefix.as_bytes(), message.payload]);
        Reply::None
    }
}

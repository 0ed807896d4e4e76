//! Filters against a table, against a reference that is slow and plain, and against texts that are none.

mod bounds;
mod differential;
mod examples;
mod generate;
mod print;
mod reference;
mod refused;

use super::{Filter, Member};

/// A connection as tests have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    user: Option<String>,
    connection: String,
    groups: Vec<String>,
}

impl Member for Who {
    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn connection(&self) -> &str {
        &self.connection
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    fn groups(&self) -> usize {
        self.groups.len()
    }
}

fn who(user: Option<&str>, connection: &str, groups: &[&str]) -> Who {
    Who {
        user: user.map(str::to_owned),
        connection: connection.to_owned(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

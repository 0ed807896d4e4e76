//! Who a node is to its NATS server. Never shown: not in logs, not in errors, not by `Debug`.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Most bytes of a file with credentials. A JWT has a few hundred.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// Characters of a seed: 36 bytes in base32.
const SEED_LEN: usize = 58;

/// Who a node is, read from a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(pub(crate) Kind);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `.creds` file: a user's JWT and the seed that signs for it.
    Jwt(String),
    /// A seed alone: the server knows the public key.
    Seed(String),
    /// A user and a password.
    Password(String, String),
}

/// A file has no credentials that are of use: a sentence for the operator, without what is in it.
#[derive(Debug)]
pub enum CredentialsError {
    /// It cannot be read.
    File(PathBuf, io::Error),
    /// It is none of the three forms.
    Form(PathBuf),
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read credentials from {}: {error}", path.display()),
            Self::Form(path) => write!(
                f,
                "{} has no credentials for NATS: neither a .creds file's JWT and seed, nor a user's seed (SU...), nor \
                 one line USER:PASSWORD",
                path.display()
            ),
        }
    }
}

impl std::error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Form(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Jwt(_) => "a JWT and a seed",
            Kind::Seed(_) => "a seed",
            Kind::Password(..) => "a user and a password",
        };
        write!(f, "Credentials({kind})")
    }
}

impl Credentials {
    /// From a file in one of three forms: a `.creds` file, a user's seed, or `USER:PASSWORD` in one line.
    ///
    /// # Errors
    /// Where the file cannot be read or is none of these.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let failed = |error| CredentialsError::File(path.to_owned(), error);
        if fs::metadata(path).map_err(failed)?.len() > FILE_LEN_MAX {
            return Err(CredentialsError::Form(path.to_owned()));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).ok_or_else(|| CredentialsError::Form(path.to_owned()))
    }

    /// From the text of such a file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains("-----BEGIN NATS USER JWT-----") {
            let is_usable = async_nats::ConnectOptions::with_credentials(text).is_ok();
            return is_usable.then(|| Self(Kind::Jwt(text.to_owned())));
        }
        let line = text.trim_end_matches(['\r', '\n']);
        if line.lines().count() != 1 {
            return Self::seed_among(text);
        }
        if let Some(seed) = Self::seed_among(line) {
            return Some(seed);
        }
        let (user, password) = line.split_once(':')?;
        let is_usable = !user.is_empty() && !password.is_empty();
        is_usable.then(|| Self(Kind::Password(user.to_owned(), password.to_owned())))
    }

    /// A seed alone in its line, as `nk` and `nsc` write them, with or without lines of dashes around it.
    fn seed_among(text: &str) -> Option<Self> {
        let is_base32 = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
        let is_seed =
            |line: &&str| line.len() == SEED_LEN && line.starts_with("SU") && line.bytes().all(is_base32);
        let seed = text.lines().map(str::trim).find(is_seed)?;
        Some(Self(Kind::Seed(seed.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[test]
    fn a_file_has_one_of_three_forms() {
        let found = |text: &str| Credentials::parse(text).map(|found| found.0);
        let password = |user: &str, word: &str| Some(Kind::Password(user.into(), word.into()));
        assert!(found("holdfast:a:b c\n") == password("holdfast", "a:b c"));
        assert!(found(&format!("{SEED}\n")) == Some(Kind::Seed(SEED.into())));
        let decorated = format!("-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n");
        assert!(found(&decorated) == Some(Kind::Seed(SEED.into())));
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0eXAi.eyJq.c2ln\n------END NATS USER JWT------\n\n{decorated}"
        );
        assert!(found(&creds) == Some(Kind::Jwt(creds.clone())));
        for text in
            ["", "\n", "word", ":p", "u:", "a:b\nc:d", "-----BEGIN NATS USER JWT-----\nx\n", &SEED[1..]]
        {
            assert!(found(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_they_are_is_never_shown() {
        for text in ["holdfast:secret", SEED] {
            let shown = format!("{:?}", Credentials::parse(text).unwrap());
            assert!(
                !shown.contains("secret") && !shown.contains(SEED) && !shown.contains("holdfast"),
                "{shown}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bus");
        fs::write(&file, "secret").unwrap();
        let error = Credentials::read(&file).unwrap_err();
        assert!(
            error.to_string().contains("bus") && !format!("{error} {error:?}").contains("secret"),
            "{error}"
        );
        fs::write(&file, vec![b'x'; 70_000]).unwrap();
        assert!(matches!(Credentials::read(&file), Err(CredentialsError::Form(_))));
        assert!(matches!(Credentials::read(&folder.path().join("none")), Err(CredentialsError::File(..))));
    }
}

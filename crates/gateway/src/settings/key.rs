//! Access keys and tokens: from text, and from files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use holdfast_webpubsub::token::KEY_LEN_MIN;
use toml::Value as Toml;

use super::kinds::Kind;
use super::secret::{NOT_SHOWN, Secret};

/// The most bytes of a key. It bounds what is read of a file that is none.
const KEY_BYTES_MAX: usize = 4096;

/// A key itself.
pub(super) struct Key;

impl Kind for Key {
    type Value = Secret;

    fn placeholder(&self) -> String {
        "KEY".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Secret, String> {
        key(text)
    }

    fn show(&self, _: &Secret) -> Toml {
        Toml::String(NOT_SHOWN.to_owned())
    }

    fn has_flag(&self) -> bool {
        false
    }

    fn may_hide(&self) -> bool {
        true
    }

    fn hides(&self, _: &Secret) -> bool {
        true
    }
}

/// A key from its text, without spaces and line ends around it.
///
/// # Errors
///
/// What was expected instead; it repeats nothing of the text.
pub(crate) fn key(text: &str) -> Result<Secret, String> {
    let text = text.trim_ascii();
    let len = text.len();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected one key of visible ASCII characters, without spaces".to_owned());
    }
    match len {
        ..KEY_LEN_MIN => Err(format!("expected a key of at least {KEY_LEN_MIN} bytes, this has {len}")),
        KEY_LEN_MIN..=KEY_BYTES_MAX => Ok(Secret::new(text)),
        _ => Err(format!("expected a key of at most {KEY_BYTES_MAX} bytes, this has more")),
    }
}

/// The key in a file, which has nothing else.
///
/// # Errors
///
/// One sentence that names `setting` and the file.
pub(crate) fn key_in(setting: &str, file: &Path) -> Result<Secret, String> {
    let text = secret_in(setting, file)?;
    key(text.expose()).map_err(|expected| format!("{setting} {}: {expected}", file.display()))
}

/// The text in a file.
///
/// # Errors
///
/// One sentence that names `setting` and the file.
pub(super) fn secret_in(setting: &str, file: &Path) -> Result<Secret, String> {
    let cannot = |error: io::Error| format!("cannot read {setting} {}: {error}", file.display());
    // One more than a key has, so that a longer one is seen; and a line end.
    let most = KEY_BYTES_MAX as u64 + 2;
    let mut text = String::new();
    File::open(file).and_then(|open| open.take(most).read_to_string(&mut text)).map_err(cannot)?;
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_at_least_32_visible_characters() {
        let long = "k".repeat(32);
        assert_eq!(key(&format!(" {long}\n")).expect("a key").expose(), long);
        assert_eq!(key(&long[1..]), Err("expected a key of at least 32 bytes, this has 31".to_owned()));
        assert_eq!(key(""), Err("expected a key of at least 32 bytes, this has 0".to_owned()));
        for text in [format!("{long}\n{long}"), format!("{long} k"), format!("{long}é"), format!("{long}\0")]
        {
            let expected = "expected one key of visible ASCII characters, without spaces";
            assert_eq!(key(&text), Err(expected.to_owned()));
        }
        let most = "expected a key of at most 4096 bytes, this has more";
        assert_eq!(key(&"k".repeat(4097)), Err(most.to_owned()));
        assert!(key(&"k".repeat(4096)).is_ok());
    }

    #[test]
    fn a_file_has_one_key_and_nothing_of_it_is_in_a_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let refusal = |text: &[u8]| {
            std::fs::write(&file, text).expect("written");
            key_in("access-key-file", &file)
                .expect_err("refused")
                .replace(&file.display().to_string(), "FILE")
        };
        let short = "access-key-file FILE: expected a key of at least 32 bytes, this has 6";
        assert_eq!(refusal(b"marker\n"), short);
        let long = "access-key-file FILE: expected a key of at most 4096 bytes, this has more";
        assert_eq!(refusal(&[b'k'; 1 << 20]), long);
        assert!(refusal(&[0xff; 40]).starts_with("cannot read access-key-file FILE: "));
        std::fs::remove_file(&file).expect("removed");
        let missing = key_in("access-key-file", &file).expect_err("missing");
        assert!(missing.starts_with("cannot read access-key-file ") && missing.contains("No such file"));
    }
}

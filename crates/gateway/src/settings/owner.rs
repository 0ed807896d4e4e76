//! Who may use a file: its mode and its group.

use toml::Value as Toml;

use super::kinds::Kind;

/// A mode in octal, which lets the owner in. As a number of TOML in octal (`0o660`) it would arrive here in decimal
/// (`432`), which is no such mode.
pub(super) struct FileMode;

impl Kind for FileMode {
    type Value = u32;

    fn placeholder(&self) -> String {
        "MODE".to_owned()
    }

    fn parse(&self, text: &str) -> Result<u32, String> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let mode = octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten();
        mode.filter(|mode| (0o600..=0o777).contains(mode)).ok_or_else(|| {
            "expected an octal mode from 0600 to 0777, such as 0660 (in a file with quotes: \"0660\")"
                .to_owned()
        })
    }

    fn show(&self, value: &u32) -> Toml {
        Toml::String(format!("{value:04o}"))
    }
}

/// A group by name or number. Whether there is such a group is seen when it is needed.
pub(super) struct GroupName;

impl Kind for GroupName {
    type Value = String;

    fn placeholder(&self) -> String {
        "GROUP".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        let valid = !text.is_empty() && !text.contains([':', ',']) && !text.contains(char::is_whitespace);
        valid.then(|| text.to_owned()).ok_or_else(|| "expected the name or the number of a group".to_owned())
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

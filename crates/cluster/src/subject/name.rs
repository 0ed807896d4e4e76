//! What a cluster may be called.

/// Most bytes of a cluster's name.
pub const CLUSTER_LEN_MAX: usize = 32;

/// The name of a cluster: 1 to [`CLUSTER_LEN_MAX`] of `a` to `z`, `0` to `9` and `-`. Nodes hear others of the same
/// name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterName(Box<str>);

impl ClusterName {
    /// None if it may not be called so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let is_name = (1..=CLUSTER_LEN_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        is_name.then(|| Self(text.into()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_short_name_that_is_one_token() {
        for name in ["prod", "a", "-", "eu-west-1", &"a".repeat(32)] {
            assert_eq!(ClusterName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "Prod", "a.b", "a_b", "*", ">", "a b", "é", &"a".repeat(33)] {
            assert_eq!(ClusterName::parse(name), None, "{name}");
        }
    }
}

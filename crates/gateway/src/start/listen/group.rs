//! Groups by name, as /etc/group has them. The program is linked statically, so that it cannot ask other databases.

use rustix::fs::Gid;

const GROUPS: &str = "/etc/group";

/// The number of a group that is given by name or number; a sentence where there is none.
pub(super) fn find(group: &str) -> Result<Gid, String> {
    if let Some(gid) = number(group) {
        return Ok(gid);
    }
    let groups = std::fs::read(GROUPS).map_err(|error| {
        format!(
            "the group {group} cannot be looked up, since {GROUPS} cannot be read ({error}): give its \
        number as unix-group"
        )
    })?;
    named(&String::from_utf8_lossy(&groups), group).ok_or_else(|| {
        format!("there is no group {group} in {GROUPS}: change unix-group, or give the group's number")
    })
}

/// group(5): `name:password:number:members`.
fn named(groups: &str, name: &str) -> Option<Gid> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1).and_then(number)).flatten()
    })
}

fn number(text: &str) -> Option<Gid> {
    // chown(2) takes the last one for "no change".
    text.parse().ok().filter(|gid| *gid != u32::MAX).map(Gid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_number_and_by_its_whole_name() {
        let groups = "root:x:0:\n# a comment\n\nwww:x:80:a,b\nwww-data:x:33:\nbroken:x\nodd:x:many:\n";
        let found = |name| named(groups, name).map(Gid::as_raw);
        assert_eq!((found("root"), found("www"), found("www-data")), (Some(0), Some(80), Some(33)));
        for name in ["", "ww", "broken", "odd", "# a comment", "x"] {
            assert_eq!(found(name), None, "{name}");
        }
        assert_eq!(find("33").map(Gid::as_raw), Ok(33));
        assert_eq!(number("4294967295"), None);
    }

    #[test]
    fn a_group_that_is_nowhere_is_refused_with_the_setting_to_change() {
        let why = find("no such group").expect_err("nobody has a space in a name");
        assert!(why.contains("no such group") && why.contains("unix-group"), "{why}");
    }
}

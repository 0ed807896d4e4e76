//! How much of something is asked for, and from where on.

use super::answer::{BAD_PAGE, Refused};

/// The most on one page.
pub(super) const ROWS_MAX: u32 = 1000;
/// How many are on one that does not say how many.
const ROWS: u32 = 100;
/// Bytes of names after which a page ends.
pub(super) const BYTES_MAX: usize = 256 << 10;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) rows: u32,
    pub(super) from: Place,
}

/// Where a page begins: in a shard, and perhaps at a place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: u16,
    pub(super) rest: Option<u32>,
}

impl Page {
    /// That of a query.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Refused> {
        let mut page = Self { rows: ROWS, from: Place::default() };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("limit", text)) => {
                    let rows = number(text).filter(|rows| (1..=ROWS_MAX).contains(rows));
                    page.rows = rows.ok_or(BAD_PAGE)?;
                }
                Some(("from", text)) => page.from = Place::read(text).ok_or(BAD_PAGE)?,
                _ => return Err(BAD_PAGE),
            }
        }
        Ok(page)
    }

    /// What is asked for to get the page from `next` on.
    pub(super) fn query(self, next: Place) -> String {
        let Place { shard, rest } = next;
        let rest = rest.map(|rest| format!("-{rest}")).unwrap_or_default();
        format!("limit={}&from={shard}{rest}", self.rows)
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        Some(match text.split_once('-') {
            Some((shard, rest)) => Self { shard: number(shard)?, rest: Some(number(rest)?) },
            None => Self { shard: number(text)?, rest: None },
        })
    }

    /// The beginning of the next shard, or of its rest.
    pub(super) fn after(self, rest: Option<u32>) -> Self {
        match rest {
            Some(_) => Self { rest, ..self },
            None => Self { shard: self.shard.saturating_add(1), rest: None },
        }
    }
}

/// A number in digits alone: a sign would be taken for a part of it.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_its_query_says() {
        let page = |query| Page::read(query).map(|page| (page.rows, page.from.shard, page.from.rest));
        assert_eq!(page(None), Ok((100, 0, None)));
        assert_eq!(page(Some("")), Ok((100, 0, None)));
        assert_eq!(page(Some("limit=7")), Ok((7, 0, None)));
        assert_eq!(page(Some("from=3-4096&limit=1000")), Ok((1000, 3, Some(4096))));
        assert_eq!(page(Some("limit=1&from=2")), Ok((1, 2, None)));
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+5",
            "limit=",
            "limit",
            "top=5",
            "from=",
            "from=-1",
            "from=1-",
            "from=a",
            "from=65536",
            "from=0-4294967296",
            "from=0-1-2",
            "limit=5&limit=x",
            "limit=%31",
            "=",
            "from=0 ",
        ] {
            assert_eq!(page(Some(bad)), Err(BAD_PAGE), "{bad}");
        }
    }

    #[test]
    fn what_next_says_is_read_again() {
        let page = Page { rows: 50, from: Place::default() };
        for next in [Place { shard: 0, rest: Some(9) }, Place { shard: 1023, rest: None }] {
            assert_eq!(Page::read(Some(&page.query(next))), Ok(Page { from: next, ..page }));
        }
        assert_eq!(Place::default().after(Some(5)), Place { shard: 0, rest: Some(5) });
        assert_eq!(Place { shard: 4, rest: Some(5) }.after(None), Place { shard: 5, rest: None });
    }
}

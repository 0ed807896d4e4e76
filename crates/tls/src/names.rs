//! Which certificate is for which name (RFC 6066 3, RFC 6125 6.4).

use std::collections::HashMap;

/// Certificates by the names of hosts that they are for.
#[derive(Debug)]
pub(crate) struct Names<T> {
    all: Vec<T>,
    /// Which of `all`, in the order in which they are named by the settings.
    exact: HashMap<String, Vec<usize>>,
    /// By what follows the star and its dot.
    wild: HashMap<String, Vec<usize>>,
    /// For clients that ask for no name, or for one that is not known: the first, and those with a name of it.
    others: Vec<usize>,
    serves_unknown: bool,
}

impl<T> Names<T> {
    /// For certificates with their names, the default one first.
    pub(crate) fn new(certificates: Vec<(Vec<String>, T)>, serves_unknown: bool) -> Self {
        let (mut exact, mut wild) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        let first = certificates.first().map(|(names, _)| names.clone()).unwrap_or_default();
        let (mut all, mut others) = (Vec::new(), Vec::new());
        for (at, (names, certificate)) in certificates.into_iter().enumerate() {
            if at == 0 || names.iter().any(|name| first.contains(name)) {
                others.push(at);
            }
            for name in names {
                match name.strip_prefix("*.") {
                    Some(parent) => wild.entry(parent.to_owned()).or_default().push(at),
                    None => exact.entry(name).or_default().push(at),
                }
            }
            all.push(certificate);
        }
        Self { all, exact, wild, others, serves_unknown }
    }

    /// The certificates that a client may be shown which asks for this name.
    pub(crate) fn of(&self, name: Option<&str>) -> impl Iterator<Item = &T> {
        let lower = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let found = match &lower {
            None => Some(&self.others),
            Some(name) => {
                let parent = name.split_once('.').map(|(_, parent)| parent);
                let known = self.exact.get(name).or_else(|| self.wild.get(parent?));
                known.or(Some(&self.others).filter(|_| self.serves_unknown))
            }
        };
        found.into_iter().flatten().filter_map(|at| self.all.get(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names(serves_unknown: bool) -> Names<u8> {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let certificates =
            vec![(of(&["a.org", "*.a.org"]), 1), (of(&["b.org"]), 2), (of(&["*.a.org", "c.org"]), 3)];
        Names::new(certificates, serves_unknown)
    }

    #[test]
    fn a_name_leads_to_its_certificates_and_a_star_is_for_one_label() {
        let names = names(false);
        let of = |name: &str| names.of(Some(name)).copied().collect::<Vec<_>>();
        assert_eq!(
            (of("a.org"), of("A.ORG."), of("b.org"), of("c.org")),
            (vec![1], vec![1], vec![2], vec![3])
        );
        assert_eq!(
            (of("x.a.org"), of("x.y.a.org"), of("x.b.org"), of("")),
            (vec![1, 3], vec![], vec![], vec![])
        );
        assert_eq!(names.of(None).copied().collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn an_unknown_name_gets_the_default_certificate_if_it_may() {
        assert_eq!(names(true).of(Some("d.org")).copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(Names::<u8>::new(Vec::new(), true).of(None).count(), 0);
    }
}

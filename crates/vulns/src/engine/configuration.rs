//! NVD's configurations: which combinations of products are vulnerable, brought
//! down to what they say of one engine.
//!
//! Format: <https://nvd.nist.gov/developers/vulnerabilities>. A list of
//! configurations is an "or"; each may ask for all of its nodes; each node joins
//! its matches by "or" or "and", and may be negated.

use super::{
    Product,
    cpe::{Cpe, Value},
    range::{Affected, Bound, Range},
    version::End,
};

/// One alternative of a CVE.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configuration {
    /// Whether every node has to hold; else one is enough.
    pub all: bool,
    pub negate: bool,
    pub nodes: Vec<Node>,
}

/// A group of matches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Whether every match has to hold; else one is enough.
    pub all: bool,
    pub negate: bool,
    pub matches: Vec<CpeMatch>,
}

/// A product, its versions, and whether it is the vulnerable one or only a condition.
#[derive(Debug, Clone)]
pub(crate) struct CpeMatch {
    pub vulnerable: bool,
    pub cpe: Cpe,
    pub start_including: Option<String>,
    pub start_excluding: Option<String>,
    pub end_including: Option<String>,
    pub end_excluding: Option<String>,
}

impl CpeMatch {
    fn is_about(&self, product: Product) -> bool {
        self.vulnerable && Product::of_cpe(&self.cpe) == Some(product)
    }

    fn range(&self, product: Product) -> Option<Range> {
        let from = match (&self.start_including, &self.start_excluding) {
            (Some(text), _) => Bound::including(product, text, End::Lower),
            (None, Some(text)) => Bound::excluding(product, text, End::Lower),
            (None, None) => Bound::Open,
        };
        let to = match (&self.end_including, &self.end_excluding) {
            (Some(text), _) => Bound::including(product, text, End::Upper),
            (None, Some(text)) => Bound::excluding(product, text, End::Upper),
            (None, None) => Bound::Open,
        };
        match (&self.cpe.version, self.cpe.exact_version()) {
            (Value::Is(_), Some(version)) => Some(Range::exactly(product, &version)),
            // "No version" can be no version of an engine.
            (Value::NotApplicable, _) => None,
            _ => Some(Range { from, to }),
        }
    }

    /// Whether the condition can hold on the hosts here. Only what cannot be is ruled out: they run Linux.
    fn is_possible(&self) -> bool {
        let vendor = self.cpe.vendor.as_str();
        self.cpe.part != 'o' || !matches!(vendor, "microsoft" | "apple")
    }
}

/// What these configurations say of a product; `None` if they do not name it as vulnerable.
pub(crate) fn affected(configurations: &[Configuration], product: Product) -> Option<Affected> {
    let mut any: Vec<Affected> = configurations.iter().filter_map(|one| one.affected(product)).collect();
    if any.len() == 1 { any.pop() } else { (!any.is_empty()).then_some(Affected::Any(any)) }
}

impl Configuration {
    fn affected(&self, product: Product) -> Option<Affected> {
        let mut about: Vec<Affected> = Vec::new();
        for node in &self.nodes {
            match node.affected(product) {
                Some(affected) => about.push(affected),
                // A node of other products is a condition; alternatives to ours are nothing to us.
                None if self.all && !node.is_possible() => return None,
                None => {}
            }
        }
        let said = match about.len() {
            0 => return None,
            1 => about.pop()?,
            _ if self.all => Affected::All(about),
            _ => Affected::Any(about),
        };
        Some(if self.negate { Affected::Not(Box::new(said)) } else { said })
    }
}

impl Node {
    fn affected(&self, product: Product) -> Option<Affected> {
        let (ours, others): (Vec<&CpeMatch>, Vec<&CpeMatch>) =
            self.matches.iter().partition(|one| one.is_about(product));
        if ours.is_empty() || self.all && !others.iter().all(|other| other.is_possible()) {
            return None;
        }
        let mut ranges: Vec<Affected> =
            ours.iter().filter_map(|one| one.range(product)).map(Affected::Range).collect();
        let said = match ranges.len() {
            1 => ranges.pop()?,
            _ if self.all => Affected::All(ranges),
            _ => Affected::Any(ranges),
        };
        Some(if self.negate { Affected::Not(Box::new(said)) } else { said })
    }

    /// Whether a node that does not name our product can hold. Negated, it rules others out, which
    /// cannot be checked either.
    fn is_possible(&self) -> bool {
        let mut possible = self.matches.iter().map(CpeMatch::is_possible);
        self.negate
            || self.matches.is_empty()
            || if self.all { possible.all(|it| it) } else { possible.any(|it| it) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineVersion, range::Verdict};

    const PG: &str = "cpe:2.3:a:postgresql:postgresql:*:*:*:*:*:*:*:*";

    fn one(vulnerable: bool, cpe: &str, from: Option<&str>, to: Option<&str>) -> CpeMatch {
        CpeMatch {
            vulnerable,
            cpe: Cpe::parse(cpe).expect(cpe),
            start_including: from.map(Into::into),
            start_excluding: None,
            end_including: None,
            end_excluding: to.map(Into::into),
        }
    }

    fn or(matches: Vec<CpeMatch>) -> Node {
        Node { matches, ..Node::default() }
    }

    fn any(nodes: Vec<Node>) -> Configuration {
        Configuration { nodes, ..Configuration::default() }
    }

    fn all(nodes: Vec<Node>) -> Configuration {
        Configuration { all: true, nodes, ..Configuration::default() }
    }

    fn judge(configurations: &[Configuration], version: &str) -> Option<Verdict> {
        let version = EngineVersion::read(Product::PostgreSql, version).expect("a version");
        affected(configurations, Product::PostgreSql).map(|said| said.judge(&version))
    }

    #[test]
    fn alternatives_of_other_products_say_nothing_of_ours() {
        let fedora = "cpe:2.3:o:fedoraproject:fedora:38:*:*:*:*:*:*:*";
        let node = or(vec![one(true, PG, Some("13.0"), Some("13.11")), one(true, fedora, None, None)]);
        let listed = [any(vec![node]), any(vec![or(vec![one(true, fedora, None, None)])])];
        assert_eq!(judge(&listed, "13.9"), Some(Verdict::Yes));
        assert_eq!(judge(&listed, "13.11"), Some(Verdict::No));
        assert_eq!(judge(&listed[1..], "13.9"), None);
    }

    #[test]
    fn a_platform_is_not_what_is_vulnerable() {
        let admin = "cpe:2.3:a:gin-vue-admin_project:gin-vue-admin:*:*:*:*:*:*:*:*";
        let bare = "cpe:2.3:a:postgresql:postgresql:-:*:*:*:*:*:*:*";
        let matches = vec![one(false, bare, None, None), one(true, admin, None, Some("2.5.1"))];
        let node = Node { all: true, matches, ..Node::default() };
        assert_eq!(judge(&[any(vec![node])], "13.9"), None);
    }

    #[test]
    fn conditions_hold_unless_they_cannot() {
        let windows = "cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*";
        let linux = "cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*";
        let ours = || or(vec![one(true, PG, None, Some("14.0"))]);
        let on = |system: &str| all(vec![ours(), or(vec![one(false, system, None, None)])]);
        assert_eq!(judge(&[on(linux)], "13.9"), Some(Verdict::Yes));
        assert_eq!(judge(&[on(windows)], "13.9"), None);
        let either = or(vec![one(false, windows, None, None), one(false, linux, None, None)]);
        assert_eq!(judge(&[all(vec![ours(), either])], "13.9"), Some(Verdict::Yes));
        // In an "or" of nodes, the other node is an alternative, not a condition.
        let beside = any(vec![ours(), or(vec![one(false, windows, None, None)])]);
        assert_eq!(judge(&[beside], "13.9"), Some(Verdict::Yes));
        let without = Node { negate: true, ..or(vec![one(false, windows, None, None)]) };
        assert_eq!(judge(&[all(vec![ours(), without])], "13.9"), Some(Verdict::Yes));
    }

    #[test]
    fn nodes_of_ours_are_joined_as_the_configuration_says() {
        let low = || or(vec![one(true, PG, None, Some("14.0"))]);
        let high = || or(vec![one(true, PG, Some("13.5"), None)]);
        assert_eq!(judge(&[all(vec![low(), high()])], "13.9"), Some(Verdict::Yes));
        assert_eq!(judge(&[all(vec![low(), high()])], "13.4"), Some(Verdict::No));
        assert_eq!(judge(&[any(vec![low(), high()])], "13.4"), Some(Verdict::Yes));
        let negated = Node { negate: true, ..low() };
        assert_eq!(judge(&[any(vec![negated])], "13.4"), Some(Verdict::No));
        let negated = Configuration { negate: true, ..any(vec![low()]) };
        assert_eq!(judge(&[negated], "14.4"), Some(Verdict::Yes));
    }

    #[test]
    fn the_version_of_the_name_itself() {
        let exact = "cpe:2.3:a:postgresql:postgresql:16.0:*:*:*:*:*:*:*";
        let listed = [any(vec![or(vec![one(true, exact, None, None)])])];
        assert_eq!(judge(&listed, "16.0"), Some(Verdict::Yes));
        assert_eq!(judge(&listed, "16.1"), Some(Verdict::No));
        let none = "cpe:2.3:a:postgresql:postgresql:-:*:*:*:*:*:*:*";
        assert_eq!(judge(&[any(vec![or(vec![one(true, none, None, None)])])], "16.1"), Some(Verdict::No));
        assert_eq!(judge(&[any(vec![or(vec![one(true, PG, None, None)])])], "8.0"), Some(Verdict::Yes));
        let mut bounds = one(true, PG, None, None);
        bounds.start_excluding = Some("13.1".into());
        bounds.end_including = Some("13.3".into());
        let listed = [any(vec![or(vec![bounds])])];
        for (version, verdict) in [("13.1", Verdict::No), ("13.3", Verdict::Yes), ("13.4", Verdict::No)] {
            assert_eq!(judge(&listed, version), Some(verdict), "{version}");
        }
    }
}

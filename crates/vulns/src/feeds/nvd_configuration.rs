//! The configurations of a record of NVD, as they are written.
//!
//! Format: <https://nvd.nist.gov/developers/vulnerabilities>, `configurations`.

use serde::Deserialize;

use super::json::Text;
use crate::engine::{
    Product,
    configuration::{Configuration, CpeMatch, Node},
    cpe::Cpe,
};

#[derive(Deserialize)]
pub(super) struct ConfigurationEntry<'a> {
    #[serde(borrow)]
    operator: Option<Text<'a>>,
    #[serde(default)]
    negate: bool,
    #[serde(borrow, default)]
    nodes: Vec<NodeEntry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeEntry<'a> {
    #[serde(borrow)]
    operator: Option<Text<'a>>,
    #[serde(default)]
    negate: bool,
    #[serde(borrow, default)]
    cpe_match: Vec<MatchEntry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchEntry<'a> {
    vulnerable: bool,
    #[serde(borrow)]
    criteria: Text<'a>,
    #[serde(borrow)]
    version_start_including: Option<Text<'a>>,
    #[serde(borrow)]
    version_start_excluding: Option<Text<'a>>,
    #[serde(borrow)]
    version_end_including: Option<Text<'a>>,
    #[serde(borrow)]
    version_end_excluding: Option<Text<'a>>,
}

fn is_and(operator: Option<&Text<'_>>) -> bool {
    operator.is_some_and(|word| word.eq_ignore_ascii_case("and"))
}

impl ConfigurationEntry<'_> {
    /// Whether a name in it looks like that of an engine.
    pub fn may_name_engine(&self) -> bool {
        let matches = self.nodes.iter().flat_map(|node| &node.cpe_match);
        matches.into_iter().any(|one| Product::may_be_in(&one.criteria))
    }

    pub fn read(&self) -> Configuration {
        Configuration {
            all: is_and(self.operator.as_ref()),
            negate: self.negate,
            nodes: self.nodes.iter().map(NodeEntry::read).collect(),
        }
    }
}

impl NodeEntry<'_> {
    fn read(&self) -> Node {
        Node {
            all: is_and(self.operator.as_ref()),
            negate: self.negate,
            // A name that is not one of CPE 2.3 cannot be that of an engine.
            matches: self.cpe_match.iter().filter_map(MatchEntry::read).collect(),
        }
    }
}

impl MatchEntry<'_> {
    fn read(&self) -> Option<CpeMatch> {
        let text = |part: &Option<Text<'_>>| part.as_deref().map(ToOwned::to_owned);
        Some(CpeMatch {
            vulnerable: self.vulnerable,
            cpe: Cpe::parse(&self.criteria)?,
            start_including: text(&self.version_start_including),
            start_excluding: text(&self.version_start_excluding),
            end_including: text(&self.version_end_including),
            end_excluding: text(&self.version_end_excluding),
        })
    }
}
